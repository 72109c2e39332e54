"""Two clocks, two workers, wall clocks ten minutes apart: only the database's time decides."""

import subprocess
import sys
import uuid

import pytest

from crm import wiring
from crm.chaos.house import House
from crm.chaos.processes import Part
from crm.chaos.runs import environment
from crm.chaos.servers import mail_server
from crm.db import Database

pytestmark = pytest.mark.journey
TEN_MINUTES = 600.0


def test_each_due_message_leaves_once_with_two_clocks_and_two_workers_ten_minutes_apart(servers, folder):
    with servers.database(f"clocks_{uuid.uuid4().hex}") as url, mail_server(folder) as mail:
        servers.flush_valkey()
        database = Database(url, handlers=wiring.handlers())
        house = House(database, environment(servers, url, folder, fast=True), folder)
        house.fill(mail, number=60)
        for part in (Part.CLOCK, Part.WORKER):
            for ahead in (TEN_MINUTES, -TEN_MINUTES):
                house.start(part, ahead=ahead)
        states = house.settle(passing=False)
        house.end()
        database.dispose()
    assert states == {"sent": 60}
    assert len({entry["reference"] for entry in mail.taken()}) == len(mail.taken()) == 60


SHIFTED = """
import time, sys
import rq.utils
from crm.events import datetime as ours
from crm.chaos import wall_clock
before = time.time()
wall_clock.shift(-600)
import crm.events
moments = time.time(), rq.utils.now().timestamp(), crm.events.datetime.now(ours.now().astimezone().tzinfo).timestamp()
print(*(round(moment - before) for moment in moments))
"""


def test_the_wall_clock_of_a_shifted_process_is_wrong_indeed():
    answer = subprocess.run([sys.executable, "-c", SHIFTED], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["-600"] * 3

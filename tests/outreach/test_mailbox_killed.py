"""A process that reads a mailbox is killed in the middle; the next one ends the work, and its memory stays bounded."""

import base64
import os
import random
import signal
import subprocess
import sys

import pytest
from letterbox import DAY, Letterbox, letter
from mailboxes import MARKED
from sqlalchemy import NullPool, create_engine, func, select

from crm.db import new_id
from crm.interactions.models import Interaction
from crm.interactions.timeline_models import UnknownCorrespondent

#: Every so many mails somebody is a stranger, and one has a large file with it.
STRANGE, LARGE = 10, 100
#: Bytes of the large files, of the others, and what reading may need besides the program itself.
LARGE_FILE, SMALL_FILE, MOST_MEMORY = 1_500_000, 3_000, 100 * 1024 * 1024
SCRIPT = """
import re, sys
from pathlib import Path
from uuid import UUID
from crm import wiring
from crm.db import Database
from crm.outreach import adapters, mailbox
from crm.settings import current
url, house, box, page, seconds = sys.argv[1:]
allowing = current().model_copy(update={"net_allow": ("127.0.0.1",)})
adapters.current = lambda: allowing
database = Database(url, handlers=wiring.handlers(), pooled=False)
real, seen = mailbox.read_page, 0
def read_page(desk, connection, folder, uids, **options):
    global seen
    real(desk, connection, folder, uids, **options)
    seen += len(uids)
    print(seen, flush=True)
mailbox.read_page = read_page
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
print(peak(), flush=True)
report = mailbox.run(database, workspace_id=UUID(house), mailbox_id=UUID(box), page=int(page), seconds=float(seconds))
assert not report.ended, report.ended
print(peak())
"""


def mails(box: Letterbox, number: int):
    """(when, bytes) of mails over two years with files, large ones among them."""
    source = random.Random(7)
    large = base64.encodebytes(source.randbytes(LARGE_FILE)).decode().replace("\n", "\r\n")
    small = base64.encodebytes(source.randbytes(SMALL_FILE)).decode().replace("\n", "\r\n")
    for row in range(number):
        at = box.now - DAY - (700 * DAY) * row / number
        sender = f"s{row % 40}@nobody.example" if row % STRANGE == 0 else "ann@example.com"
        text = (
            f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBuongiorno {row}, ecco il file.\r\n--b\r\n"
            "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
            f"Content-Transfer-Encoding: base64\r\n\r\n{large if row % LARGE == 1 else small}\r\n--b--"
        )
        yield at, letter(row, at=at, sender=sender, text=text, Content_Type="multipart/mixed; boundary=b")


@pytest.fixture
def box(fresh_database, mail_server, monkeypatch) -> Letterbox:
    from crm.settings import current

    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.certificate))
    allowing = current().model_copy(update={"net_allow": ("127.0.0.1",)})
    monkeypatch.setattr("crm.outreach.adapters.current", lambda: allowing)
    user = f"u{new_id().hex}"
    mail_server.make_folder(user, MARKED)
    owner = create_engine(fresh_database.owner_url, poolclass=NullPool)
    made = Letterbox(fresh_database.database, owner, mail_server, user)
    made.url = fresh_database.url
    return made


def process(box: Letterbox, *, page: int, seconds: float = 3_600) -> subprocess.Popen[str]:
    given = [box.url, str(box.workspace_id), str(box.mailbox_id), str(page), str(seconds)]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *given], stdout=subprocess.PIPE, text=True, env=os.environ)


def killed_at(box: Letterbox, *, point: int) -> None:
    with process(box, page=20) as running:
        assert running.stdout is not None
        next(running.stdout)
        for line in running.stdout:
            if int(line) >= point:
                break
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert running.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("number", "point"), [(240, 60), pytest.param(50_000, 9_000, marks=pytest.mark.long)])
def test_a_killed_reading_is_ended_by_the_next_process(box, mail_server, number, point):
    mail_server.fill(box.user, mails(box, number))
    box.switch_on()
    killed_at(box, point=point)
    assert point <= box.folder().back_done < number
    # A killed worker's lease runs out by itself.
    box.pass_time(DAY / 24)
    with process(box, page=50) as running:
        assert running.stdout is not None
        before, *_, peak = map(int, running.stdout)
    assert running.returncode == 0
    folder, strangers = box.folder(), -(-number // STRANGE)
    assert (folder.back_uid, folder.back_done) == (0, number)
    assert (folder.kept, folder.strangers) == (number - strangers, strangers)
    with box.scope() as session:
        entries = select(func.count()).select_from(Interaction).where(Interaction.source_id == box.mailbox_id)
        assert session.scalar(entries) == number - strangers
        assert session.scalar(select(func.sum(UnknownCorrespondent.mails))) == strangers
    assert peak - before < MOST_MEMORY

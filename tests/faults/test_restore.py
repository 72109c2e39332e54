"""A backup restored in the middle of sending: what may have left since waits for a person, nothing goes again."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from crm import wiring
from crm.accounts.models import Workspace
from crm.chaos.house import House, until
from crm.chaos.processes import Part
from crm.chaos.runs import environment
from crm.chaos.servers import mail_server
from crm.cli import main
from crm.db import Database, database_now
from crm.embedded.postgres import OWNER_ROLE
from crm.outreach import services
from crm.outreach.models import Message

pytestmark = pytest.mark.journey
NUMBER = 20


def command(servers, folder, name: str, *words: object) -> None:
    """Run `crm backup` or `crm restore` on one of the databases."""
    result = CliRunner().invoke(
        main,
        [str(word) for word in words],
        env={
            "CRM_HOME": str(folder / "instance"),
            "DATABASE_URL": servers.postgres.url(database=name),
            "DATABASE_OWNER_URL": servers.postgres.url(OWNER_ROLE, name),
            "REDIS_URL": servers.valkey.url,
        },
    )
    assert result.exit_code == 0, result.output


@contextmanager
def house_on(servers, name: str, folder, *, like: House | None = None) -> Iterator[House]:
    """A house on one of the databases: a new one, or the one that was restored there."""
    url = servers.postgres.url(database=name)
    database = Database(url, handlers=wiring.handlers())
    house = House(database, environment(servers, url, folder, fast=True), folder)
    if like is not None:
        house.workspace_id = like.workspace_id
    yield house
    house.end()
    database.dispose()


def test_nothing_that_left_after_the_backup_leaves_again(servers, folder):
    first, second = f"before_{uuid.uuid4().hex}", f"after_{uuid.uuid4().hex}"
    slowly = [{"stage": "final", "do": "slow", "chance": 1.0, "seconds": 0.2}]
    with servers.database(first), servers.database(second), mail_server(folder, rules=slowly) as mail:
        servers.flush_valkey()
        with house_on(servers, first, folder) as house:
            house.fill(mail, number=NUMBER)
            tomorrow = house.ask(plan_one_for_tomorrow)
            house.start(Part.CLOCK)
            house.start(Part.WORKER)
            until(lambda: len(mail.taken()) >= 5, "the first messages")
            command(servers, folder, first, "backup", folder / "house.zip")
            until(lambda: house.sent() == NUMBER - 1, "all messages to leave")
        command(servers, folder, second, "restore", folder / "house.zip")
        with house_on(servers, second, folder, like=house) as restored:
            restored.start(Part.CLOCK)
            restored.start(Part.WORKER)
            restored.ask(
                lambda session: services.resume_sending(
                    session, restored.actor, promotions_only=False, now=database_now(session)
                )
            )
            until(lambda: not {"claimed", "sending"} & restored.states().keys(), "what was on its way to be settled")
            states = restored.states()
            assert states["scheduled"] == 1, "what was due later stays planned"
            assert states["held"] + states["uncertain"] + states["sent"] == NUMBER - 1
            assert states["held"] > 0
            restored.ask(lambda session: make_due(session, tomorrow))
            until(lambda: restored.states()["scheduled"] == 0, "the message of tomorrow")
            restored.settle()
    references = [entry["reference"] for entry in mail.taken()]
    assert len(set(references)) == len(references) == NUMBER


def plan_one_for_tomorrow(session):
    """Move one message by a day; its id."""
    found = session.execute(
        text(
            "update message set due_at = now() + interval '1 day' where id = (select id from message order by id desc"
            " limit 1) returning id"
        )
    )
    return found.scalar_one()


def make_due(session, message_id) -> None:
    message = session.get_one(Message, message_id)
    assert session.get_one(Workspace, message.workspace_id).sending_paused is False
    message.due_at = database_now(session)

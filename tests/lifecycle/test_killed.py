"""A process that imports is killed in the middle; the next one ends the work with exact counts, and nobody twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import make_house
from sqlalchemy import func, select

from crm.accounts.models import Progress
from crm.consent.kinds import Basis
from crm.contacts.models import Contact, Handle
from crm.db import database_now
from crm.lifecycle import runner, services
from crm.lifecycle.kinds import ImportMode, ImportState

#: Every tenth row speaks of somebody who came before, and every hundredth is wrong.
WRONG, AGAIN = 100, 10
SCRIPT = """
import sys
from pathlib import Path
from uuid import UUID
from crm import wiring
from crm.db import Database
from crm.lifecycle import runner
url, house, wanted, folder = sys.argv[1:]
database = Database(url, handlers=wiring.handlers(), pooled=False)
runner.run(database, workspace_id=UUID(house), import_id=UUID(wanted), folder=Path(folder),
           on_part=lambda done: print(done, flush=True))
"""


def rows(number: int):
    yield "Nome;Cognome;E-mail;Azienda;Ruolo\n"
    for row in range(1, number + 1):
        who = row - 1 if row % AGAIN == 0 else row
        address = "niente" if row % WRONG == 0 else f"p{who}@example.it"
        yield f"Nome{who};Cognome{who};{address};Azienda {who // 5};Ruolo {row}\n"


def expected(number: int) -> tuple[int, int, int]:
    """(new, updated, refused)"""
    wrong = number // WRONG
    again = number // AGAIN - wrong
    return number - wrong - again, again, wrong


def killed_at(fresh_database, house, row, folder: Path, *, point: int) -> None:
    """Run the import in a process of its own, and kill it once `point` rows are behind it."""
    command = [sys.executable, "-c", SCRIPT, fresh_database.url, str(house.workspace.id), str(row.id), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= point:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL


def begun(database, house, table: Path, folder: Path):
    with database.scope(house.workspace.id) as session, table.open("rb") as stream:
        now = database_now(session)
        row = services.upload(session, house.actor, folder=folder, name="a.csv", stream=stream, limit=10**8, now=now)
        choices = services.Choices(
            mapping=row.mapping, mode=ImportMode.UPSERT, basis=Basis.CONSENT, source="Fiera", tag=""
        )
        services.configure(session, house.actor, import_id=row.id, choices=choices, now=now)
        return services.start(session, house.actor, import_id=row.id, folder=folder, now=now)


@pytest.mark.parametrize(("number", "point"), [(3_000, 1_000), pytest.param(100_000, 50_000, marks=pytest.mark.long)])
def test_a_killed_import_is_ended_by_the_next_process(fresh_database, tmp_path, number, point):
    database, folder, table = fresh_database.database, tmp_path / "files", tmp_path / "a.csv"
    table.write_text("".join(rows(number)))
    with database.scope() as session:
        house = make_house(session, name="Lanterna")
    ids = {"workspace_id": house.workspace.id}

    def current(row):
        with database.scope(house.workspace.id) as session:
            row = session.get_one(type(row), row.id)
            people = session.scalar(select(func.count()).select_from(Contact).where(Contact.deleted_at.is_(None)))
            handles = session.scalar(select(func.count()).select_from(Handle).where(Handle.deleted_at.is_(None)))
            work = session.get_one(Progress, row.progress_id)
            return row, people, handles, work.done

    row = begun(database, house, table, folder)
    killed_at(fresh_database, house, row, folder, point=point)
    row, people, _handles, done = current(row)
    assert row.state == ImportState.RUNNING
    assert point <= done < number
    assert row.created == people
    assert row.created + row.updated + row.unchanged + row.refused == done == row.next_row - 1

    runner.run(database, import_id=row.id, folder=folder, **ids)
    row, people, handles, done = current(row)
    new, updated, refused = expected(number)
    assert (row.created, row.updated, row.refused, row.state) == (new, updated, refused, ImportState.DONE)
    assert (people, handles, done) == (new, new, number)

    again = begun(database, house, table, folder)
    runner.run(database, import_id=again.id, folder=folder, **ids)
    again, people, handles, _done = current(again)
    assert (again.created, again.refused, people, handles) == (0, refused, new, new)

    for one in (again, row):
        with database.scope(house.workspace.id) as session:
            services.ask_to_revert(session, house.actor, import_id=one.id, now=database_now(session))
        runner.revert(database, import_id=one.id, **ids)
    assert current(row)[1:3] == (0, 0)

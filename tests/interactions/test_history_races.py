"""Two colleagues who bring in the same chat at once, on one real database."""

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from conftest import make_house
from factories.accounts import member
from factories.contacts import contact
from sqlalchemy import func, select

from crm.interactions import queries, runner
from crm.interactions.kinds import HistoryState
from crm.interactions.models import Interaction
from crm.interactions.services import history

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MESSAGES = 120


@pytest.fixture
def colleagues(fresh_database):
    """(database, the actors of two colleagues, the id of a person), committed."""
    database = fresh_database.database
    with database.scope() as session:
        house = make_house(session, name="Lanterna Dati")
    with database.scope(house.workspace.id) as session:
        _row, _membership, second = member(session, house)
        ann = contact(session, house.actor, "Ann Bo").id
    return database, [house.actor, second], ann


def test_they_make_one_history_of_it_and_nobody_waits_for_ever(colleagues, tmp_path, monkeypatch):
    database, actors, ann = colleagues
    monkeypatch.setattr(runner, "PART", 7)
    chat = "".join(
        f"01/02/24, 10:{n % 60:02} - {'Ann Bo' if n % 2 else 'Giulia Ferri'}: riga {n}\n" for n in range(MESSAGES)
    )
    ids = []
    for actor in actors:
        with database.scope(actor.workspace_id) as session:
            row = history.upload(
                session,
                actor,
                folder=tmp_path,
                name="chat.txt",
                stream=io.BytesIO(chat.encode()),
                limit=1_000_000,
                now=NOW,
            )
            people = {"Ann Bo": str(ann), "Giulia Ferri": history.ME}
            history.start(session, actor, history_id=row.id, people=people, day_first=True, now=NOW)
            ids.append(row.id)

    def run(history_id):
        runner.run(database, workspace_id=actors[0].workspace_id, history_id=history_id, folder=tmp_path)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, ids))
    with database.scope(actors[0].workspace_id) as session:
        rows = [
            queries.history_file(session, actor, history_id=history_id)
            for actor, history_id in zip(actors, ids, strict=True)
        ]
        assert {row.state for row in rows} == {HistoryState.DONE}
        assert sum(row.added for row in rows) == sum(row.known for row in rows) == MESSAGES
        assert session.scalar(select(func.count()).select_from(Interaction)) == MESSAGES

"""Merges and undos of the same people at once, on real connections: one is done whole, the other is told why not."""

import threading
from datetime import timedelta

import pytest
from conftest import make_house
from factories import contacts as make
from factories import loyalty as club
from sqlalchemy import func, select

from crm.contacts.change_models import ChangeSet
from crm.contacts.models import Contact
from crm.errors import AppError
from crm.interactions.models import Task
from crm.lifecycle.services import changes, merging
from crm.loyalty import services as loyalty
from crm.loyalty.models import Member
from crm.loyalty.queries.verify import verify

NOW = make.NOW


@pytest.fixture
def place(fresh_database):
    """A committed workspace with three people, each with a task: (database, actor, their ids)."""
    with fresh_database.database.scope() as session:
        actor = make_house(session, name="Lanterna Dati").actor
        people = [make.contact(session, actor, f"{name} Rossi").id for name in ("Anna", "Bea", "Cora")]
        for person in people:
            make.task(session, actor, contact_id=person)
    return fresh_database.database, actor, people


def at_once(database, actor, *acts):
    """Run each act(session) on a connection and thread of its own; "done", or the codes of their refusals."""
    gate, answers = threading.Barrier(len(acts)), [""] * len(acts)

    def run(number, act):
        gate.wait()
        try:
            with database.scope(actor.workspace_id) as session:
                act(session)
            answers[number] = "done"
        except AppError as refusal:
            answers[number] = refusal.code

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


def test_of_merges_of_the_same_people_at_once_one_is_done_and_the_others_are_told(place):
    database, actor, (anna, bea, cora) = place

    def into(kept, other):
        return lambda session: merging.merge(session, actor, kept_id=kept, other_id=other, now=NOW)

    answers = at_once(database, actor, into(anna, bea), into(bea, anna), into(anna, bea))
    assert answers == ["done", "merged", "merged"]
    with database.scope(actor.workspace_id) as session:
        assert session.scalar(select(func.count()).select_from(ChangeSet)) == 1
        (gone,) = session.scalars(select(Contact).where(Contact.merged_into_id.is_not(None)))
        kept = gone.merged_into_id
        assert {kept, gone.id} == {anna, bea}
        assert session.scalar(select(func.count()).where(Task.contact_id == kept)) == 2
        change_set_id = session.scalars(select(ChangeSet.id)).one()

    def undo(session):
        merging.undo_merge(session, actor, change_set_id=change_set_id, now=NOW)

    assert at_once(database, actor, undo, undo) == ["done", "undone_already"]
    with database.scope(actor.workspace_id) as session:
        held = dict(session.execute(select(Task.contact_id, func.count()).group_by(Task.contact_id)).all())
        assert held == {anna: 1, bea: 1, cora: 1}

    # A ring of three: whoever comes last finds somebody who went already.
    answers = at_once(database, actor, into(anna, bea), into(bea, cora), into(cora, anna))
    assert set(answers) <= {"done", "merged"}
    assert answers.count("done") in {1, 2}
    with database.scope(actor.workspace_id) as session:
        left = session.scalars(select(Contact).where(Contact.merged_into_id.is_(None))).all()
        # Whoever went up leads to somebody who is still there.
        for person in session.scalars(select(Contact).where(Contact.merged_into_id.is_not(None))):
            assert person.merged_into_id in {row.id for row in left}
        assert session.scalar(select(func.count()).where(Task.contact_id.in_([row.id for row in left]))) == 3


def test_points_that_are_reversed_while_people_are_merged_are_nowhere_twice(fresh_database):
    database = fresh_database.database
    with database.scope() as session:
        actor = make_house(session, name="Lanterna Dati").actor
        ann, bob = club.member(session, actor, points=100), club.member(session, actor, name="Bob")
        entry_id = club.earn(session, actor, bob.id, 40).id
        assert ann.contact_id is not None
        assert bob.contact_id is not None
        people, members = (ann.contact_id, bob.contact_id), (ann.id, bob.id)

    def merge(session):
        merging.merge(session, actor, kept_id=people[0], other_id=people[1], now=NOW)

    def reverse(session):
        loyalty.reverse(session, actor, entry_id=entry_id, reason="mistake", idempotency_key=club.key(), now=NOW)

    assert at_once(database, actor, merge, reverse) == ["done", "done"]
    with database.scope(actor.workspace_id) as session:
        assert [session.get_one(Member, key).balance for key in members] == [100, 0]
        assert verify(session, actor).discrepancies == []


def test_an_undo_is_refused_after_its_time_and_for_whoever_was_deleted_or_erased(session, actor):
    kept, other = make.contact(session, actor, "Anna Rossi"), make.contact(session, actor, "Zoe Rossi")
    merged = merging.merge(session, actor, kept_id=kept.id, other_id=other.id, now=NOW)

    def undo(now=NOW):
        with pytest.raises(AppError) as refusal:
            merging.undo_merge(session, actor, change_set_id=merged.change_set.id, now=now)
        return refusal.value.code

    assert undo(NOW + timedelta(days=30, seconds=1)) != "undone_already"
    session.refresh(kept)
    kept.deleted_at = NOW
    session.flush()
    assert undo() == "deleted"
    kept.erased_at = NOW
    session.flush()
    assert undo() == "erased"
    session.refresh(other)
    assert other.merged_into_id == kept.id
    with pytest.raises(changes.NotUndoableError):
        merging.undo_merge(session, actor, change_set_id=merged.change_set.id, now=NOW + timedelta(days=31))

"""Change sets: an undo brings the old values back and leaves what somebody did later."""

from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from factories import contacts as make
from sqlalchemy import event, func, select

from crm.accounts.kinds import ActorKind, Role
from crm.accounts.rules import Actor
from crm.contacts import services
from crm.contacts.change_models import Change
from crm.contacts.kinds import ChangeSetKind, ChangeSetState, FactOrigin, FactState
from crm.contacts.models import Affiliation, Contact, ContactTag, Fact, Handle
from crm.contacts.services.facts import write_facts
from crm.db import new_id
from crm.errors import ForbiddenError
from crm.lifecycle.services import changes
from crm.lifecycle.services.changes import RowChange

NOW = make.NOW
LATER = NOW + timedelta(hours=1)


@contextmanager
def statements(session):
    """The statements that the session sends in here."""
    sent = []

    def note(_connection, _cursor, statement, *_rest):
        sent.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield sent
    event.remove(session.get_bind(), "before_cursor_execute", note)


def a_set(session, actor, rows, *, kind=ChangeSetKind.IMPORT, source_id=None):
    found = changes.open_change_set(session, actor, kind=kind, title="people.csv", source_id=source_id, now=NOW)
    changes.record_changes(session, change_set_id=found.id, changes=rows)
    changes.close_change_set(session, change_set_id=found.id)
    return found


def moved(session, actor, person, **values):
    """Change columns as a set-based writer does, with their facts, and say what changed."""
    before = {column: getattr(person, column) for column in values}
    plain = {column: str(value) for column, value in values.items() if column in ("title", "city", "first_name")}
    write_facts(session, actor, subject=person, values=plain, origin=FactOrigin.IMPORTED, source="people.csv", now=NOW)
    for column, value in values.items():
        setattr(person, column, value)
    session.flush()
    return RowChange.update("contact", person.id, before=before, after=values)


def current(session, person, field):
    wanted = select(Fact.value, Fact.origin).where(
        Fact.contact_id == person.id, Fact.field == field, Fact.state == FactState.CURRENT
    )
    return session.execute(wanted).all()


def test_values_go_back_with_their_provenance_and_the_version_rises(session, actor):
    person = make.contact(session, actor, title="Owner", city="Faenza")
    done = a_set(session, actor, [moved(session, actor, person, title="Director", city="Lugo", birth_year=1980)])
    version = person.version

    undone = changes.undo(session, actor, change_set_id=done.id, now=LATER)

    session.refresh(person)
    assert (person.title, person.city, person.birth_year) == ("Owner", "Faenza", None)
    assert person.version > version
    assert (undone.restored, undone.kept_because_later) == (3, 0)
    assert current(session, person, "title") == [("Owner", "typed")]
    session.refresh(done)
    assert (done.state, done.undone_at) == (ChangeSetState.UNDONE, LATER)


def test_what_somebody_changed_later_stays_and_is_counted(session, actor):
    person = make.contact(session, actor, title="Owner", city="Faenza")
    done = a_set(session, actor, [moved(session, actor, person, title="Director", city="Lugo")])
    services.update(session, actor, contact_id=person.id, changes={"title": "President"}, now=LATER)

    undone = changes.undo(session, actor, change_set_id=done.id, now=LATER)

    session.refresh(person)
    assert (person.title, person.city) == ("President", "Faenza")
    assert (undone.restored, undone.kept_because_later) == (1, 1)
    assert current(session, person, "title") == [("President", "typed")]


def test_of_several_changes_of_one_value_the_first_is_what_comes_back(session, actor):
    person = make.contact(session, actor, title="A")
    rows = [moved(session, actor, person, title="B"), moved(session, actor, person, title="C")]
    done = a_set(session, actor, rows)
    changes.undo(session, actor, change_set_id=done.id, now=LATER)
    session.refresh(person)
    assert person.title == "A"


def test_new_people_go_away_softly_and_free_their_addresses(session, actor):
    import_id = new_id()
    person = make.contact(session, actor, "New One", email="new@example.com")
    session.execute(
        Fact.__table__.update().where(Fact.contact_id == person.id).values(origin="imported", source_id=import_id)
    )
    done = a_set(session, actor, [RowChange.insert("contact", person.id)], source_id=import_id)

    undone = changes.undo(session, actor, change_set_id=done.id, now=LATER)

    session.refresh(person)
    assert person.deleted_at == LATER
    assert (undone.people_removed, undone.people_kept) == (1, 0)
    assert session.scalar(select(Handle.deleted_at).where(Handle.contact_id == person.id)) == LATER
    make.contact(session, actor, "Another One", email="new@example.com", now=LATER)


@pytest.mark.parametrize("work", ["a call", "a task", "a value that somebody typed", "a link"])
def test_a_new_person_stays_when_somebody_worked_with_them(session, actor, work):
    import_id = new_id()
    person, other = make.contact(session, actor, "New One"), make.contact(session, actor, "Old One")
    session.execute(Fact.__table__.update().values(origin="imported", source_id=import_id))
    done = a_set(session, actor, [RowChange.insert("contact", person.id)], source_id=import_id)
    if work == "a call":
        make.interaction(session, actor, person.id)
    elif work == "a task":
        make.task(session, actor, contact_id=person.id)
    elif work == "a link":
        services.link(session, actor, contact_id=other.id, other_id=person.id, kind="knows", now=LATER)
    else:
        services.update(session, actor, contact_id=person.id, changes={"city": "Lugo"}, now=LATER)

    undone = changes.undo(session, actor, change_set_id=done.id, now=LATER)

    session.refresh(person)
    assert person.deleted_at is None
    assert (undone.people_removed, undone.people_kept) == (0, 1)


def test_tags_that_were_added_go_and_tags_that_were_taken_come_back(session, actor):
    person = make.contact(session, actor, tags=["old"])
    old = session.scalars(select(ContactTag).where(ContactTag.contact_id == person.id)).one()
    gone = RowChange.delete("contact_tag", old.id, before=changes.row_of(old), contact_id=person.id)
    services.set_tags(session, actor, contact_id=person.id, names=["new"], now=NOW)
    new = session.scalars(select(ContactTag).where(ContactTag.contact_id == person.id)).one()
    done = a_set(session, actor, [gone, RowChange.insert("contact_tag", new.id, contact_id=person.id)])
    version = person.version

    undone = changes.undo(session, actor, change_set_id=done.id, now=LATER)

    assert session.scalars(select(ContactTag.id).where(ContactTag.contact_id == person.id)).all() == [old.id]
    assert (undone.removed, undone.returned) == (1, 1)
    session.refresh(person)
    assert person.version == version + 1


def test_a_tag_that_is_no_more_does_not_come_back(session, actor):
    person = make.contact(session, actor, tags=["old"])
    old = session.scalars(select(ContactTag).where(ContactTag.contact_id == person.id)).one()
    gone = RowChange.delete("contact_tag", old.id, before=changes.row_of(old), contact_id=person.id)
    services.delete_tag(session, actor, tag_id=old.tag_id)
    done = a_set(session, actor, [gone])
    undone = changes.undo(session, actor, change_set_id=done.id, now=LATER)
    assert (undone.returned, undone.kept_because_later) == (0, 1)


def test_a_place_that_was_primary_is_so_again_unless_a_newer_one_is(session, actor):
    one, two = make.company(session, actor, "One"), make.company(session, actor, "Two")
    for newer in (False, True):
        person = make.contact(session, actor, company_id=one.id)
        first = session.scalars(select(Affiliation).where(Affiliation.contact_id == person.id)).one()
        rows = [
            RowChange.update(
                "affiliation",
                first.id,
                before={"ended_on": None, "is_primary": True},
                after={"ended_on": date(2026, 11, 23), "is_primary": True},
                contact_id=person.id,
            ),
            RowChange.update("contact", person.id, before={"company_id": one.id}, after={"company_id": two.id}),
        ]
        services.update(session, actor, contact_id=person.id, changes={"company_id": two.id}, now=NOW)
        second = session.scalars(
            select(Affiliation).where(Affiliation.contact_id == person.id, Affiliation.company_id == two.id)
        ).one()
        rows.append(RowChange.insert("affiliation", second.id, after={"company_id": two.id}, contact_id=person.id))
        done = a_set(session, actor, rows)
        if newer:
            three = make.company(session, actor, "Three")
            services.update(session, actor, contact_id=person.id, changes={"company_id": three.id}, now=LATER)
        changes.undo(session, actor, change_set_id=done.id, now=LATER)
        session.refresh(person)
        assert person.company_id == (three.id if newer else one.id)


def test_a_thousand_people_take_no_more_statements_than_one(session, actor):
    def undone(number):
        people = [make.contact(session, actor, f"P {n}", title="A") for n in range(number)]
        done = a_set(session, actor, [moved(session, actor, person, title="B") for person in people])
        with statements(session) as sent:
            changes.undo(session, actor, change_set_id=done.id, now=LATER)
        return len(sent)

    assert undone(30) == undone(2)


def test_an_undo_happens_once_in_time_and_by_who_may(session, actor):
    person = make.contact(session, actor, title="A")
    done = a_set(session, actor, [moved(session, actor, person, title="B")])
    viewer = Actor(workspace_id=actor.workspace_id, kind=ActorKind.USER, role=Role.VIEWER, user_id=actor.user_id)
    with pytest.raises(changes.ChangeSetNotFoundError):
        changes.undo(session, viewer, change_set_id=done.id, now=LATER)
    with pytest.raises(changes.NotUndoableError, match="30 days"):
        changes.undo(session, actor, change_set_id=done.id, now=NOW + timedelta(days=31))
    changes.undo(session, actor, change_set_id=done.id, now=LATER)
    with pytest.raises(changes.NotUndoableError, match="already"):
        changes.undo(session, actor, change_set_id=done.id, now=LATER)
    unfinished = changes.open_change_set(session, actor, kind=ChangeSetKind.IMPORT, title="", now=NOW)
    with pytest.raises(changes.NotUndoableError, match="under way"):
        changes.undo(session, actor, change_set_id=unfinished.id, now=LATER)
    with pytest.raises(ForbiddenError):
        changes.open_change_set(session, viewer, kind=ChangeSetKind.MERGE, title="", now=NOW)


def test_a_table_that_no_undo_may_touch_is_refused_and_a_column_is_left_alone(session, actor):
    person = make.contact(session, actor)
    done = changes.open_change_set(session, actor, kind=ChangeSetKind.IMPORT, title="", now=NOW)
    with pytest.raises(ValueError, match="posting"):
        changes.record_changes(session, change_set_id=done.id, changes=[RowChange.insert("posting", person.id)])
    assert session.scalar(select(func.count()).select_from(Change)) == 0
    strange = RowChange.update("contact", person.id, before={"version": 7}, after={"version": person.version})
    version = person.version
    undone = changes.undo(session, actor, change_set_id=a_set(session, actor, [strange]).id, now=LATER)
    session.refresh(person)
    assert undone.restored == 0
    assert person.version == version
    assert session.get(Contact, person.id) is person

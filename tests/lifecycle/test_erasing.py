"""Erasing a person: no trace of what was planted anywhere, the totals stay, and no list brings them back."""

import io
import json
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from conftest import make_house
from factories import contacts, outreach
from factories.everything import everything
from factories.planted import EMAIL, FIRST, LAST, NAME, OTHER, PLANTED, planted
from psycopg import sql
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from crm.accounts.models import AuditEntry
from crm.consent.kinds import Basis
from crm.contacts import queries as people
from crm.contacts import services as contact_services
from crm.contacts.models import Contact, Handle
from crm.db import database_now, new_id
from crm.errors import InvalidInputError
from crm.interactions.models import Interaction
from crm.lifecycle import queries as imports
from crm.lifecycle import runner, services
from crm.lifecycle.erasure import listing
from crm.lifecycle.erasure.sweep import sweep
from crm.lifecycle.kinds import ImportMode
from crm.lifecycle.models import RefusedRow
from crm.lifecycle.privacy_models import Erasure
from crm.lifecycle.services import Choices, erasing
from crm.loyalty.models import Member, Posting
from crm.outreach.kinds import MessageState
from crm.outreach.models import AttemptEvidence, Message
from crm.outreach.services import receive


def brought_in(database, actor, *, home: Path, rows: str, now) -> UUID:
    """A finished import of a table with these rows."""
    folder = home / "files"
    table = f"Nome;Cognome;E-mail\n{rows}"
    with database.scope(actor.workspace_id) as session:
        upload = services.upload(
            session, actor, folder=folder, name="people.csv", stream=io.BytesIO(table.encode()), limit=10_000, now=now
        )
        choices = Choices(mapping=upload.mapping, mode=ImportMode.UPSERT, basis=Basis.CONSENT, source="Fair", tag="")
        services.configure(session, actor, import_id=upload.id, choices=choices, now=now)
        services.start(session, actor, import_id=upload.id, folder=folder, now=now)
    runner.run(database, workspace_id=actor.workspace_id, import_id=upload.id, folder=folder)
    return upload.id


def rows_that_hold(owner_url: str, words) -> list[str]:
    """Every "table.column" of the whole database in which one of the words stands, read as the owner."""
    parts = make_url(owner_url)
    found = []
    with psycopg.connect(**parts.translate_connect_args(username="user", database="dbname"), **parts.query) as owner:
        columns = owner.execute(
            "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'"
            " and data_type in ('text', 'character varying', 'jsonb', 'json', 'bytea', 'ARRAY')"
        ).fetchall()
        assert len(columns) > 200
        for table, column, kind in columns:
            name = sql.Identifier(column)
            value = (
                sql.SQL("encode({}, 'escape')").format(name) if kind == "bytea" else sql.SQL("{}::text").format(name)
            )
            query = sql.SQL("select 1 from public.{} where lower({}) like any(%s) limit 1")
            if owner.execute(query.format(sql.Identifier(table), value), ([f"%{w}%" for w in words],)).fetchone():
                found.append(f"{table}.{column}")
    return found


def files_that_hold(folder: Path, words) -> list[str]:
    """Every file below the folder in which one of the words stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(word.encode() in path.read_bytes().lower() for word in words)]


TOTALS = {
    "points": select(func.sum(Posting.points)).where(Posting.points > 0),
    "balance": select(func.sum(Member.balance)),
    "members": select(func.count(Member.id)),
    "interactions": select(func.count(Interaction.id)),
    "messages": select(func.count(Message.id)),
    "consents": text("select count(*) from consent_event"),
}


def totals(session) -> dict:
    return {name: session.scalar(query) for name, query in TOTALS.items()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def owner(fresh_database):
    """An owner of a committed workspace of its own."""
    with fresh_database.database.scope() as session:
        return make_house(session, name="Lanterna").actor


def erased(database, actor, contact_id, *, home: Path) -> UUID:
    with database.scope(actor.workspace_id) as session:
        row = erasing.erase(session, actor, contact_id=contact_id, confirm=NAME.lower(), now=database_now(session))
    assert sweep(database, workspace_id=actor.workspace_id, erasure_id=row.id, home=home)
    return row.id


def test_nothing_planted_is_found_anywhere_and_the_totals_stay(fresh_database, owner, home, now, capfd):
    database = fresh_database.database
    with database.scope(owner.workspace_id) as session:
        everything(session, owner, home=home, now=now)
        contact_id = planted(session, owner, home=home, now=now)
    brought_in(database, owner, home=home, rows=f"{FIRST};{LAST};{EMAIL}\n{FIRST};{LAST};nonsense\n", now=now)
    with database.scope(owner.workspace_id) as session:
        before = totals(session)
        session.add(AttemptEvidence(attempt_id=_attempt(session, contact_id), detail=f"250 ok {EMAIL}"))
    held = rows_that_hold(fresh_database.owner_url, PLANTED)
    assert len(held) > 40, held
    assert len(files_that_hold(home, PLANTED)) >= 3
    capfd.readouterr()
    erased(database, owner, contact_id, home=home)
    assert rows_that_hold(fresh_database.owner_url, PLANTED) == []
    assert files_that_hold(home, PLANTED) == []
    said = capfd.readouterr()
    assert not any(word in (said.out + said.err).lower() for word in PLANTED)
    with database.scope(owner.workspace_id) as session:
        assert totals(session) == before
        row = session.get_one(Contact, contact_id)
        assert (row.erased_at is not None, row.display_name, row.search) == (True, "", " ")
        with pytest.raises(people.ContactNotFoundError):
            people.contact(session, owner, contact_id=contact_id)
        note = session.scalars(select(Interaction.id).where(Interaction.contact_id == contact_id)).all()
        assert len(note) >= 3
        assert people.search_contacts(session, owner, text=FIRST) == {}


def _attempt(session, contact_id) -> UUID:
    """A try of a message to the person, as a sender notes it."""
    from crm.outreach.models import Attempt, Claim

    message = session.scalars(select(Message).where(Message.contact_id == contact_id)).first()
    claim = Claim(account_id=message.account_id, leased_until=message.created_at)
    session.add(claim)
    session.flush()
    attempt = Attempt(
        message_id=message.id, account_id=message.account_id, claim_id=claim.id, number=9, content_hash="0"
    )
    session.add(attempt)
    session.flush()
    return attempt.id


def test_an_import_can_not_bring_them_back_and_they_themselves_can(fresh_database, owner, home, now):
    database = fresh_database.database
    with database.scope(owner.workspace_id) as session:
        account = outreach.account(session, owner, is_sandbox=True, now=now)
        contact_id = contacts.contact(session, owner, NAME, email=EMAIL, now=now).id
    erased(database, owner, contact_id, home=home)
    import_id = brought_in(
        database, owner, home=home, rows=f"{FIRST};{LAST};{EMAIL.upper()}\nEva;Blu;eva@example.com\n", now=now
    )
    with database.scope(owner.workspace_id) as session:
        row = imports.get(session, owner, import_id=import_id)
        assert (row.created, row.refused) == (1, 1)
        refused = session.scalars(select(RefusedRow)).one()
        assert (refused.code, refused.values) == ("erased", [])
    assert rows_that_hold(fresh_database.owner_url, PLANTED) == []
    raw = f"From: {NAME} <{EMAIL}>\r\nTo: {account.address}\r\nMessage-ID: <1@x.example>\r\n\r\nIt is me again.\r\n"
    with database.scope(owner.workspace_id) as session:
        message = receive(session, session.merge(account), raw.encode(), now)
        handle = session.get_one(Handle, message.handle_id)
        assert (handle.contact_id, message.contact_id) == (None, None)
        made = contacts.contact(session, owner, NAME, now=now)
        contact_services.link_handle(session, owner, handle_id=handle.id, contact_id=made.id, now=now)
        assert made.id != contact_id
    again = brought_in(database, owner, home=home, rows=f"{FIRST};{LAST};{EMAIL}\n", now=now)
    with database.scope(owner.workspace_id) as session:
        assert imports.get(session, owner, import_id=again).refused == 0


@pytest.fixture
def person(session, actor, now) -> Contact:
    return contacts.contact(session, actor, NAME, email=EMAIL, now=now)


def test_the_name_must_be_typed_and_a_wrong_one_changes_nothing(session, actor, person, now):
    with pytest.raises(InvalidInputError) as error:
        erasing.erase(session, actor, contact_id=person.id, confirm="Ann Bo", now=now)
    assert set(error.value.fields) == {"confirm"}
    assert session.get_one(Contact, person.id).display_name == NAME


def test_erasing_twice_is_erasing_once(session, actor, person, now):
    first = erasing.erase(session, actor, contact_id=person.id, confirm=NAME, now=now)
    again = erasing.erase(session, actor, contact_id=person.id, confirm="", now=now)
    assert first.id == again.id
    entries = select(AuditEntry.action).where(AuditEntry.object_id == person.id, AuditEntry.action == "contact.erased")
    assert len(session.scalars(entries).all()) == 1


@pytest.mark.parametrize("state", [MessageState.CLAIMED, MessageState.SENDING])
def test_while_a_message_is_leaving_nothing_is_erased(session, actor, person, now, state):
    account = outreach.account(session, actor, is_sandbox=True, now=now)
    message = outreach.message(session, actor, person.id, account_id=account.id, now=now)
    session.execute(text("update message set state = :state where id = :id"), {"state": state, "id": message.id})
    with pytest.raises(erasing.MessageLeavingError):
        erasing.erase(session, actor, contact_id=person.id, confirm=NAME, now=now)
    assert session.get_one(Contact, person.id).erased_at is None


@pytest.mark.parametrize("which", ["survivor", "merged"])
def test_everybody_who_is_the_same_person_by_merges_goes(session, actor, person, now, which):
    other = contacts.contact(session, actor, "Zoe Wvutsrq", email=OTHER, now=now)
    third = contacts.contact(session, actor, "Z. Wvutsrq", email="third@planted.example", now=now)
    third.merged_into_id, third.deleted_at = other.id, now
    other.merged_into_id, other.deleted_at = person.id, now
    session.flush()
    asked = person.id if which == "survivor" else third.id
    erasing.erase(session, actor, contact_id=asked, confirm=NAME, now=now)
    rows = session.scalars(select(Contact).where(Contact.id.in_([person.id, other.id, third.id]))).all()
    assert [(row.display_name, row.erased_at) for row in rows] == [("", now)] * 3


def test_a_deleted_person_can_be_erased(session, actor, person, now):
    contact_services.delete(session, actor, contact_id=person.id, now=now)
    erasing.erase(session, actor, contact_id=person.id, confirm=NAME, now=now)
    with pytest.raises(people.ContactNotFoundError):
        contact_services.restore(session, actor, contact_id=person.id, now=now)


def test_an_address_that_somebody_else_took_over_stays_theirs(session, actor, person, now):
    contact_services.delete(session, actor, contact_id=person.id, now=now)
    contacts.contact(session, actor, "Bea Sun", email=EMAIL, now=now)
    erasing.erase(session, actor, contact_id=person.id, confirm=NAME, now=now)
    assert session.scalar(text("select count(*) from erased_address")) == 0
    assert session.scalar(text("select count(*) from suppression")) == 0


def test_a_namesake_keeps_their_name_in_the_notes(session, actor, person, now):
    contacts.contact(session, actor, NAME, email="namesake@example.com", now=now)
    row = erasing.erase(session, actor, contact_id=person.id, confirm=NAME, now=now)
    assert row.traces is not None
    assert row.traces["words"] == [EMAIL]


def test_another_workspaces_person_and_one_without_the_right_change_nothing(session, actor, other_actor, person, now):
    with pytest.raises(people.ContactNotFoundError):
        erasing.erase(session, actor, contact_id=new_id(), confirm=None, now=now)
    assert session.get_one(Contact, person.id).erased_at is None


def test_the_list_of_erasures_survives_a_half_written_line(tmp_path, now):
    lines = [listing.Line(new_id(), new_id(), now) for _ in range(3)]
    listing.append(tmp_path, lines[:2])
    path = tmp_path / listing.NAME
    path.write_bytes(path.read_bytes() + b'{"workspace": "01')
    listing.append(tmp_path, lines)
    assert listing.read(path) == lines
    assert all(set(json.loads(line)) == {"workspace", "subject", "at"} for line in path.read_text().splitlines()[:2])


def test_the_audit_says_who_and_when_and_no_name(session, actor, person, now):
    erasing.erase(session, actor, contact_id=person.id, confirm=NAME, now=now)
    row = session.scalars(select(AuditEntry).where(AuditEntry.action == "contact.erased")).one()
    assert (row.user_id, row.object_id) == (actor.user_id, person.id)
    assert session.scalars(select(Erasure.subject_id)).all() == [person.id]

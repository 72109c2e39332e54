"""Erasing a person: no trace of what was planted anywhere, the totals stay, and no list brings them back."""

import io
import json
import shutil
from pathlib import Path
from uuid import UUID

import pytest
import redis
import xlsxwriter
from conftest import make_house
from factories import contacts, outreach
from factories.everything import everything
from factories.planted import EMAIL, FIRST, LAST, NAME, OTHER, PHONE, PLANTED, planted
from factories.traces import files_that_hold, holds, keys_that_hold, rows_that_hold
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import func, select, text
from stack.homes import short_home

from crm.accounts.models import AuditEntry
from crm.campaigns import queries as campaigns
from crm.channels.base import ChannelKind
from crm.consent.kinds import Basis
from crm.contacts import queries as people
from crm.contacts import services as contact_services
from crm.contacts.models import Contact, Handle
from crm.db import database_now, new_id
from crm.desk.figures import figures
from crm.embedded import ValkeyServer
from crm.errors import InvalidInputError
from crm.interactions.models import Interaction
from crm.interactions.services import copies, history
from crm.interactions.timeline_models import UnknownCorrespondent
from crm.jobs import JobName, JobQueue
from crm.lifecycle import access_copy, runner, services
from crm.lifecycle import queries as imports
from crm.lifecycle.erasure import listing
from crm.lifecycle.erasure.sweep import sweep
from crm.lifecycle.kinds import BulkField, ExportFormat, ImportMode
from crm.lifecycle.models import RefusedRow
from crm.lifecycle.privacy_models import Erasure
from crm.lifecycle.services import Choices, bulk_edit, erasing, exporting, merging
from crm.loyalty.models import Member, Posting
from crm.outreach.kinds import MessageState
from crm.outreach.models import AttemptEvidence, Message
from crm.outreach.services import receive


def brought_in(database, actor, *, home: Path, rows: str, now) -> UUID:
    """A finished import of a table with these rows."""
    table = f"Nome;Cognome;E-mail\n{rows}"
    return read_in(database, actor, home=home, name="people.csv", content=table.encode(), now=now)


def read_in(database, actor, *, home: Path, name: str, content: bytes, now) -> UUID:
    """A finished import of a file."""
    folder = home / "files"
    with database.scope(actor.workspace_id) as session:
        upload = services.upload(
            session, actor, folder=folder, name=name, stream=io.BytesIO(content), limit=100_000, now=now
        )
        choices = Choices(mapping=upload.mapping, mode=ImportMode.UPSERT, basis=Basis.CONSENT, source="Fair", tag="")
        services.configure(session, actor, import_id=upload.id, choices=choices, now=now)
        services.start(session, actor, import_id=upload.id, folder=folder, now=now)
    runner.run(database, workspace_id=actor.workspace_id, import_id=upload.id, folder=folder)
    return upload.id


TOTALS = {
    "points": select(func.sum(Posting.points)).where(Posting.points > 0),
    "balance": select(func.sum(Member.balance)),
    "members": select(func.count(Member.id)),
    "interactions": select(func.count(Interaction.id)),
    "messages": select(func.count(Message.id)),
    "consents": text("select count(*) from consent_event"),
}


def totals(session, actor, now) -> dict:
    """What is counted, and everything that the page of reports shows."""
    return {name: session.scalar(query) for name, query in TOTALS.items()} | {
        "reports": figures(session, actor, now=now),
        "campaigns": [
            (line.campaign.id, line.outcomes) for line in campaigns.campaigns(session, actor, limit=50, now=now).items
        ],
    }


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


@pytest.fixture
def valkey():
    """A Valkey of this test's own, so that all of it can be looked through."""
    home = short_home("crm-traces-")
    with ValkeyServer(home) as server:
        yield server.url
    shutil.rmtree(home, ignore_errors=True)


def test_nothing_planted_is_found_anywhere_and_the_totals_stay(fresh_database, owner, home, now, capfd, caplog, valkey):
    database, words = fresh_database.database, PLANTED
    with database.scope(owner.workspace_id) as session:
        everything(session, owner, home=home, now=now)
        contact_id = planted(session, owner, home=home, now=now)
    brought_in(database, owner, home=home, rows=f"{FIRST};{LAST};{EMAIL}\n{FIRST};{LAST};nonsense\n", now=now)
    exported(database, owner, home=home)
    with database.scope(owner.workspace_id) as session:
        changed_in_every_way(session, owner, contact_id, now=now)
        session.add(AttemptEvidence(attempt_id=_attempt(session, contact_id), detail=f"250 ok {EMAIL}"))
        copied = io.BytesIO()
        access_copy.write(
            session, owner, contact_id=contact_id, target=copied, folder=home / "files", locale="en", now=now
        )
        session.flush()
        before = totals(session, owner, now)
    assert holds(copied.getvalue(), [word.encode() for word in words]), "or the search would find nothing at all"
    held = rows_that_hold(fresh_database.owner_url, words)
    assert len(held) > 50, held
    assert {"change.before", "change.after", "contact.search", "idempotency_key.answer"} <= set(held)
    assert len(files_that_hold(home, words)) >= 4
    rung = JobQueue(valkey)
    capfd.readouterr(), caplog.clear()
    with database.scope(owner.workspace_id) as session:
        row = erasing.erase(session, owner, contact_id=contact_id, confirm=NAME.lower(), now=database_now(session))
    given = {"workspace_id": owner.workspace_id, "erasure_id": row.id}
    failed_in_a_worker(valkey, contact_id)
    # Behind the worker, which would have taken it from the queue.
    assert rung.enqueue(JobName.FINISH_ERASURE, id=f"erasure:{row.id}", **given)
    assert sweep(database, workspace_id=owner.workspace_id, erasure_id=row.id, home=home)
    exported(database, owner, home=home)
    assert rows_that_hold(fresh_database.owner_url, words) == []
    assert files_that_hold(home, words) == []
    assert keys_that_hold(valkey, words) == []
    assert keys_that_hold(valkey, [str(row.id)]), "the job is there, and looked into"
    said = capfd.readouterr()
    logged = f"{said.out}{said.err}{caplog.text}".lower()
    assert not any(word in logged for word in words)
    with database.scope(owner.workspace_id) as session:
        assert totals(session, owner, now) == before
        row = session.get_one(Contact, contact_id)
        assert (row.erased_at is not None, row.display_name, row.search) == (True, "", " ")
        with pytest.raises(people.ContactNotFoundError):
            people.contact(session, owner, contact_id=contact_id)
        with pytest.raises(people.ContactNotFoundError):
            access_copy.write(
                session, owner, contact_id=contact_id, target=io.BytesIO(), folder=home, locale="en", now=now
            )
        note = session.scalars(select(Interaction.id).where(Interaction.contact_id == contact_id)).all()
        assert len(note) >= 3
        assert people.search_contacts(session, owner, text=FIRST) == {}


def changed_in_every_way(session, actor, contact_id, *, now) -> None:
    """Change sets of each kind that hold the person's values: a bulk edit, and a merge that was undone and one not."""
    chosen = bulk_edit.Chosen(contact_ids=[contact_id])
    tagged = bulk_edit.BulkChange(field=BulkField.ADD_TAG, value="guest")
    bulk_edit.bulk_edit(session, actor, chosen=chosen, change=tagged, now=now)
    twin = contacts.contact(session, actor, f"{FIRST[0]}. {LAST}", email="z.wvutsrq@planted.example", now=now)
    pair = {"kept_id": contact_id, "other_id": twin.id}
    merged = merging.merge(session, actor, **pair, choices={"first_name": "other"}, now=now)
    merging.undo_merge(session, actor, change_set_id=merged.change_set.id, now=now)
    merging.merge(session, actor, **pair, now=now)


def exported(database, actor, *, home: Path) -> None:
    """A finished export of everybody, as a worker makes it."""
    with database.scope(actor.workspace_id) as session:
        wording = exporting.Wording(["Name"], ",", "people")
        asked = exporting.ask(
            session, actor, form=ExportFormat.XLSX, query={}, wording=wording, now=database_now(session)
        )
        export_id = asked.id
    runner.export(database, workspace_id=actor.workspace_id, export_id=export_id, folder=home / "files")


def failed_in_a_worker(url: str, contact_id: UUID) -> None:
    """A job that ends with an error which names the person, run as a worker runs it."""
    queue = Queue("background", connection=redis.Redis.from_url(url), serializer=JSONSerializer)
    job = queue.enqueue("workers.run", "no.such.job", {"contact_id": str(contact_id)}, result_ttl=0, failure_ttl=0)
    SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer).work(
        burst=True, logging_level="ERROR"
    )
    assert job.id


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


def as_workbook() -> bytes:
    """The person and somebody else as a workbook of Excel."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target) as book:
        sheet = book.add_worksheet()
        rows = ("Nome", "Cognome", "E-mail"), (FIRST, LAST, EMAIL), ("Eva", "Blu", "eva@example.com")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return target.getvalue()


def as_cards() -> bytes:
    """The person, under an address they had before, and somebody else as contact cards."""
    cards = [(NAME, f"EMAIL:{OTHER.upper()}"), ("Eva Blu", "EMAIL:eva@example.com")]
    lines = [f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{name}\r\n{mail}\r\nEND:VCARD\r\n" for name, mail in cards]
    return "".join(lines).encode()


def as_followers() -> bytes:
    """The person and somebody else as a list of followers."""
    entries = [{"string_list_data": [{"value": name}]} for name in (f"{FIRST}.{LAST}".lower(), "eva.blu")]
    return json.dumps(entries).encode()


@pytest.mark.parametrize(
    ("name", "make"),
    [("people.xlsx", as_workbook), ("people.vcf", as_cards), ("followers_1.json", as_followers)],
    ids=["workbook", "cards", "followers"],
)
def test_no_kind_of_list_brings_them_back(fresh_database, owner, home, now, name, make):
    database = fresh_database.database
    with database.scope(owner.workspace_id) as session:
        made = contacts.contact(session, owner, NAME, email=EMAIL, now=now)
        old = contacts.handle(session, owner, made.id, address=OTHER, now=now)
        contact_services.rename_handle(session, owner, handle_id=old.id, address="new@planted.example", now=now)
        account = f"{FIRST}.{LAST}".lower()
        contacts.handle(session, owner, made.id, channel=ChannelKind.INSTAGRAM, address=account, now=now)
        contact_id = made.id
    erased(database, owner, contact_id, home=home)
    import_id = read_in(database, owner, home=home, name=name, content=make(), now=now)
    with database.scope(owner.workspace_id) as session:
        row = imports.get(session, owner, import_id=import_id)
        assert (row.created, row.refused) == (1, 1)
        refused = session.scalars(select(RefusedRow)).one()
        assert (refused.code, refused.values) == ("erased", [])
    assert rows_that_hold(fresh_database.owner_url, PLANTED) == []


def test_a_chat_with_them_makes_nobody_and_lands_nowhere(fresh_database, owner, home, now):
    database = fresh_database.database
    with database.scope(owner.workspace_id) as session:
        contact_id = contacts.contact(session, owner, NAME, email=EMAIL, now=now).id
    erased(database, owner, contact_id, home=home)
    chat = f"23/11/2025, 10:15 - {NAME}: Hello\n23/11/2025, 10:16 - {PHONE}: Hi\n".encode()
    with database.scope(owner.workspace_id) as session:
        brought = history.upload(
            session, owner, folder=home / "files", name="chat.txt", stream=io.BytesIO(chat), limit=10_000, now=now
        )
        with pytest.raises(people.ContactNotFoundError):
            history.start(
                session, owner, history_id=brought.id, people={NAME: str(contact_id)}, day_first=True, now=now
            )
        history.discard(session, owner, history_id=brought.id, folder=home / "files")
    assert rows_that_hold(fresh_database.owner_url, PLANTED) == []
    assert files_that_hold(home, PLANTED) == []


def test_a_copied_mail_to_them_does_not_list_them_as_somebody_unknown(session, actor, person, now):
    erasing.erase(session, actor, contact_id=person.id, confirm=NAME, now=now)
    account = outreach.account(session, actor, is_sandbox=True, now=now)
    address = f"history+{copies.renew_history_token(session, actor, now=now)}@lanterna.example"
    raw = (
        f"From: {account.address}\r\nTo: {NAME} <{EMAIL}>, New One <new.one@example.com>\r\nDelivered-To: {address}\r\n"
        "Message-ID: <77@x.example>\r\n\r\nHello\r\n"
    )
    receive(session, account, raw.encode(), now)
    found = session.scalars(select(UnknownCorrespondent.address_norm)).all()
    assert found == ["new.one@example.com"]


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

"""What is kept no longer: the dry run says what goes, the night takes that alone, and people only on request."""

import io
from datetime import timedelta

import pytest
from conftest import make_house
from factories import contacts, outreach
from sqlalchemy import func, select, text

from crm.accounts.models import AuditDetail
from crm.contacts.change_models import Change
from crm.contacts.models import Contact
from crm.db import database_now
from crm.errors import InvalidInputError
from crm.files.services import path_of
from crm.interactions import services as timeline
from crm.interactions.kinds import HistoryState
from crm.interactions.models import InteractionBody
from crm.interactions.services import history
from crm.interactions.timeline_models import HistoryFile
from crm.lifecycle import nightly
from crm.lifecycle.kinds import BulkField
from crm.lifecycle.privacy_models import Erasure, RetentionRun
from crm.lifecycle.rules.retention import DEFAULT_DAYS, DataClass
from crm.lifecycle.services import bulk_edit, changes, retaining
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.services import receive

RAW = b"From: Ann <ann@example.com>\r\nTo: s@x.example\r\nMessage-ID: <%d@x.example>\r\n\r\nYes.\r\n"


@pytest.fixture
def full(fresh_database):
    """A committed workspace with an old mail, a fresh one, a removed text, and people who are long gone."""
    with fresh_database.database.scope() as session:
        actor = make_house(session, name="Lanterna").actor
        now = database_now(session)
        account = outreach.account(session, actor, is_sandbox=True, now=now)
        for number in range(2):
            assert receive(session, account, RAW % number, now) is not None
        first = session.scalars(select(InboundEvent).order_by(InboundEvent.id)).first()
        assert first is not None
        first.received_at = now - timedelta(days=500)
        ann = contacts.contact(session, actor, "Ann Bo", now=now)
        gone = contacts.interaction(session, actor, ann.id, body="removed", now=now)
        timeline.remove(session, actor, interaction_id=gone.id, now=now)
        gone.removed_at = now - timedelta(days=100)
        contacts.interaction(session, actor, ann.id, body="kept", now=now)
        old = contacts.contact(session, actor, "Old Lead", now=now - timedelta(days=900))
        deleted = contacts.contact(session, actor, "Long Deleted", now=now)
        deleted.deleted_at = now - timedelta(days=400)
        session.flush()
        assert old.created_at < now
    return fresh_database.database, actor


def outlook(database, actor) -> dict:
    with database.scope(actor.workspace_id) as session:
        found = retaining.outlook(session, actor, now=database_now(session))
        return {line.data_class: (line.count, line.people) for line in found}


def test_by_default_nobody_is_deleted_or_erased(full, tmp_path):
    database, actor = full
    people = [DataClass.INACTIVE_LEADS, DataClass.DELETED_PEOPLE]
    assert [DEFAULT_DAYS[kind] for kind in people] == [None, None]
    assert outlook(database, actor)[DataClass.RAW_MAILS] == (1, ())
    done = nightly.run(database, workspace_id=actor.workspace_id, home=tmp_path)
    assert done == {"raw_mails": 1, "removed_texts": 1}
    with database.scope(actor.workspace_id) as session:
        assert len(session.scalars(select(InboundRaw.id)).all()) == 1
        bodies = session.scalars(select(InteractionBody.body)).all()
        assert "removed" not in bodies
        assert "kept" in bodies
        assert session.scalars(select(Contact.id).where(Contact.erased_at.is_not(None))).all() == []


def test_the_dry_run_says_what_the_night_does(full, tmp_path):
    database, actor = full
    chosen = {DataClass.INACTIVE_LEADS: 730, DataClass.DELETED_PEOPLE: 365, DataClass.AUDIT_VALUES: 30}
    with database.scope(actor.workspace_id) as session:
        retaining.choose(session, actor, days=chosen)
    said = outlook(database, actor)
    assert said[DataClass.INACTIVE_LEADS] == (1, ("Old Lead",))
    assert said[DataClass.DELETED_PEOPLE] == (1, ("Long Deleted",))
    done = nightly.run(database, workspace_id=actor.workspace_id, home=tmp_path)
    assert done == {kind.value: count for kind, (count, _people) in said.items() if count}
    again = nightly.run(database, workspace_id=actor.workspace_id, home=tmp_path)
    assert again == done, "a second look in the night finds nothing more"
    with database.scope(actor.workspace_id) as session:
        assert session.scalars(select(Erasure.cause)).all() == ["retention"]
        lead = session.scalars(select(Contact).where(Contact.display_name == "Old Lead")).one()
        assert lead.deleted_at is not None
        assert session.scalars(select(RetentionRun)).one().done_at is not None
        assert session.scalars(select(AuditDetail.id)).all()


@pytest.mark.parametrize("days", [0, 6, 40_000, -1])
def test_too_few_and_too_many_days_are_refused_beside_the_field(session, actor, days):
    with pytest.raises(InvalidInputError) as error:
        retaining.choose(session, actor, days={DataClass.RAW_MAILS: days})
    assert set(error.value.fields) == {"raw_mails"}


def test_an_unread_mail_is_not_taken_however_old(full, tmp_path):
    database, actor = full
    with database.scope(actor.workspace_id) as session:
        session.execute(text("update inbound_event set state = 'stored'"))
    assert outlook(database, actor)[DataClass.RAW_MAILS] == (0, ())


def test_what_was_there_before_goes_with_the_time_to_undo_and_in_parts(full, tmp_path, monkeypatch):
    database, actor = full
    monkeypatch.setattr(retaining, "ROWS", 2)
    with database.scope(actor.workspace_id) as session:
        now = database_now(session)
        ids = [contacts.contact(session, actor, f"Ann {n}", now=now).id for n in range(5)]
        chosen = bulk_edit.Chosen(contact_ids=tuple(ids))
        change = bulk_edit.BulkChange(field=BulkField.IMPORTANCE, value="key")
        fresh = bulk_edit.bulk_edit(session, actor, chosen=chosen, change=change, now=now)
        change = bulk_edit.BulkChange(field=BulkField.LIFECYCLE, value="customer")
        old = bulk_edit.bulk_edit(session, actor, chosen=chosen, change=change, now=now - timedelta(days=31))
        kept = [done.change_set_id for done in (fresh, old)]
    assert outlook(database, actor)[DataClass.CHANGE_VALUES] == (5, ())
    assert nightly.run(database, workspace_id=actor.workspace_id, home=tmp_path)["change_values"] == 5
    with database.scope(actor.workspace_id) as session:
        count = select(func.count(Change.id)).where(Change.change_set_id.in_(kept))
        assert session.scalar(count) == 5
        with pytest.raises(changes.NotUndoableError) as error:
            changes.undo(session, actor, change_set_id=kept[1], now=now)
        assert (error.value.code, "30 days" in str(error.value)) == ("undo_over", True)
        assert changes.undo(session, actor, change_set_id=kept[0], now=now).restored == 5


def test_nobody_chooses_for_how_long_something_can_be_undone(session, actor):
    with pytest.raises(InvalidInputError) as error:
        retaining.choose(session, actor, days={DataClass.CHANGE_VALUES: 7})
    assert set(error.value.fields) == {"change_values"}


def test_files_of_chats_go_with_the_names_found_in_them(full, tmp_path):
    database, actor = full
    folder = tmp_path / "files"
    with database.scope(actor.workspace_id) as session:
        now = database_now(session)
        rows = [
            history.upload(
                session,
                actor,
                folder=folder,
                name="chat.txt",
                stream=io.BytesIO(f"23/11/2025, 10:15 - Ann Bo: Hello {days}\n".encode()),
                limit=10_000,
                now=now - timedelta(days=days),
            )
            for days in (200, 1, 300)
        ]
        rows[2].state = HistoryState.RUNNING.value
        names = [row.id for row in rows]
    assert len(list(folder.rglob("*"))) >= 3
    assert outlook(database, actor)[DataClass.CHAT_FILES] == (1, ())
    assert nightly.run(database, workspace_id=actor.workspace_id, home=tmp_path)["chat_files"] == 1
    with database.scope(actor.workspace_id) as session:
        old, young, read = (session.get_one(HistoryFile, key) for key in names)
        assert [path_of(folder, row.file_id).is_file() for row in (old, young, read)] == [False, True, True]
        assert (old.state, old.found, old.people) == ("failed", [], {})
        assert young.state == "uploaded"
        assert young.found


def test_the_api_says_what_would_go_and_takes_days(client):
    before = client.get("/api/v1/retention").json
    rule = {line["data_class"]: line for line in before["rules"]}
    assert (rule["raw_mails"]["days"], rule["change_values"]["is_fixed"], before["nights"]) == (365, True, [])
    after = client.put("/api/v1/retention", json={"days": {"raw_mails": 30, "read_files": None}}).json
    rule = {line["data_class"]: line["days"] for line in after["rules"]}
    assert (rule["raw_mails"], rule["read_files"], rule["refused_rows"]) == (30, None, 180)
    wrong = client.put("/api/v1/retention", json={"days": {"raw_mails": 3}})
    assert (wrong.status_code, list(wrong.json["errors"])) == (422, ["raw_mails"])
    assert client.put("/api/v1/retention", json={"days": {"nonsense": 30}}).status_code == 422

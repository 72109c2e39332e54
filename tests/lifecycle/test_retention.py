"""What is kept no longer: the dry run says what goes, the night takes that alone, and people only on request."""

from datetime import timedelta

import pytest
from conftest import make_house
from factories import contacts, outreach
from sqlalchemy import select, text

from crm.accounts.models import AuditDetail
from crm.contacts.models import Contact
from crm.db import database_now
from crm.errors import InvalidInputError
from crm.interactions import services as timeline
from crm.interactions.models import InteractionBody
from crm.lifecycle import nightly
from crm.lifecycle.privacy_models import Erasure, RetentionRun
from crm.lifecycle.rules.retention import DEFAULT_DAYS, DataClass
from crm.lifecycle.services import retaining
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

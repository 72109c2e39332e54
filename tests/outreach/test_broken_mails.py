"""Mails that are broken or made to hurt: kept or refused by a code, never a crash, never somebody else's words."""

import pytest
from factories.broken_mails import broken_mails, mails_of_nobody
from sqlalchemy import func, select

from crm.contacts.models import Handle
from crm.outreach import setup as outreach_setup
from crm.outreach.inbound_models import InboundEvent
from crm.outreach.models import Message
from crm.outreach.services.receive import receive

from .conftest import NOW

BROKEN, OF_NOBODY = broken_mails(), mails_of_nobody()


@pytest.fixture(autouse=True)
def home(monkeypatch, settings):
    """Services keep files below this test's home."""
    monkeypatch.setattr(outreach_setup, "current", lambda: settings)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_mail_is_kept_as_its_authors_or_refused_by_a_code(desk, name):
    message = receive(desk.session, desk.account, BROKEN[name], NOW)
    (event,) = desk.session.scalars(select(InboundEvent)).all()
    if message is None:
        assert event.error or event.kind == "bounce"
        assert desk.session.scalar(select(func.count()).select_from(Message)) == 0
    else:
        assert message.contact_id == desk.contact_id
        assert message.sent_at <= NOW
    # The other names in it are nobody we heard from.
    assert desk.session.scalar(select(func.count()).select_from(Handle)) == 1


@pytest.mark.parametrize("name", OF_NOBODY)
def test_a_mail_of_nobody_is_kept_raw_and_is_nobodys_message(desk, name):
    assert receive(desk.session, desk.account, OF_NOBODY[name], NOW) is None
    assert desk.session.scalar(select(func.count()).select_from(Message)) == 0
    assert desk.session.scalar(select(func.count()).select_from(Handle)) == 1
    (event,) = desk.session.scalars(select(InboundEvent)).all()
    assert event.handled_at == NOW

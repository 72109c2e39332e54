"""How a person can be reached at an address, and what helps when not."""

from datetime import UTC, datetime, timedelta

import pytest
from factories import contacts as make
from factories import outreach as send

from crm.channels.base import ChannelKind
from crm.consent import services as consents
from crm.consent.kinds import SuppressionReason
from crm.contacts import services
from crm.contacts.kinds import HandleState
from crm.desk.rules import OPEN, Address, ReachReason, reach_reason

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ({"channel": ChannelKind.EMAIL}, ReachReason.USABLE),
        ({"channel": ChannelKind.EMAIL, "takes_promotional": False}, ReachReason.PERSONAL_ONLY),
        ({"channel": ChannelKind.LINKEDIN, "is_served": False}, ReachReason.BY_HAND),
        ({"channel": ChannelKind.EMAIL, "state": HandleState.BOUNCED, "is_suppressed": True}, ReachReason.BOUNCED),
        ({"channel": ChannelKind.EMAIL, "state": HandleState.BLOCKED}, ReachReason.BLOCKED),
        ({"channel": ChannelKind.EMAIL, "state": HandleState.GONE}, ReachReason.GONE),
        ({"channel": ChannelKind.EMAIL, "is_suppressed": True, "takes_personal": False}, ReachReason.SUPPRESSED),
        ({"channel": ChannelKind.EMAIL, "takes_personal": False}, ReachReason.NO_CONSENT),
        ({"channel": ChannelKind.TELEGRAM}, ReachReason.MUST_START),
        ({"channel": ChannelKind.TELEGRAM, "last_inbound": NOW - 900 * DAY}, ReachReason.USABLE),
        ({"channel": ChannelKind.TELEGRAM, "is_served": False}, ReachReason.BY_HAND),
        ({"channel": ChannelKind.WHATSAPP}, ReachReason.WINDOW_CLOSED),
        ({"channel": ChannelKind.WHATSAPP, "last_inbound": NOW - DAY}, ReachReason.USABLE),
        ({"channel": ChannelKind.WHATSAPP, "last_inbound": NOW - 1.01 * DAY}, ReachReason.WINDOW_CLOSED),
        ({"channel": ChannelKind.WHATSAPP, "is_served": False}, ReachReason.BY_HAND),
    ],
)  # fmt: skip
def test_the_worst_that_holds_is_the_reason(address, reason):
    assert reach_reason(Address(**address), now=NOW) is reason


def test_what_is_open_takes_a_personal_message():
    assert {ReachReason.USABLE, ReachReason.BY_HAND, ReachReason.PERSONAL_ONLY} == OPEN


def test_head_and_composer_give_one_reason_and_what_helps(client, session, actor, now):
    send.account(session, actor, now=now)
    ann = make.contact(session, actor, "Ann Bo", email="ann@example.com")
    row = make.handle(session, actor, ann.id, address="second@example.com")
    page = client.get(f"/contacts/{ann.id}").text
    assert "messages came back" not in page
    first = next(one for one in services_handles(session, actor, ann.id) if one.id != row.id)
    services.remove_handle(session, actor, handle_id=row.id, now=now)
    services.set_handle_state(
        session, actor, handle_id=first.id, state=HandleState.BOUNCED, reason="no_mailbox", now=now
    )
    page = client.get(f"/contacts/{ann.id}").text
    assert "messages came back" in page
    assert "Ask for the right address, or correct it." in page
    assert f'href="/handles/{first.id}"' in page
    composer = client.post(f"/contacts/{ann.id}/composer", data={"to": "message"}, headers={"HX-Request": "true"}).text
    assert "E-mail: messages came back" in composer
    assert "Ask for the right address, or correct it." in composer


def services_handles(session, actor, contact_id):
    from crm.contacts import queries

    return queries.handles_of(session, actor, contact_ids=[contact_id])[contact_id]


def test_a_suppressed_address_leads_to_the_consents(client, session, actor, now):
    ann = make.contact(session, actor, "Ann Bo", email="ann@example.com")
    consents.suppress_typed(
        session, actor, channel=ChannelKind.EMAIL, address="ann@example.com", reason=SuppressionReason.OPERATOR, now=now
    )
    page = client.get(f"/contacts/{ann.id}").text
    assert "gets nothing any more" in page
    assert "Only the person can take that back." in page

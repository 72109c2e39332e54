"""Mail that somebody copies to their history address, as real programs write it."""

from email.message import EmailMessage
from pathlib import Path

import pytest
from factories import outreach
from factories.contacts import contact
from sqlalchemy import func, select

from crm.consent.kinds import ConsentAction
from crm.consent.models import ConsentEvent
from crm.interactions import queries
from crm.interactions.models import Interaction
from crm.interactions.services import copies
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.models import Conversation, Message
from crm.outreach.services import receive

MAILS = Path(__file__).parents[1] / "channels" / "mails"


@pytest.fixture
def account(session, actor, now):
    return outreach.account(session, actor, address="sales@lanterna.example", now=now)


@pytest.fixture
def ann(session, actor):
    return contact(session, actor, "Ann Bo", email="ann@example.com")


@pytest.fixture
def address(session, actor, now):
    return f"history+{copies.renew_history_token(session, actor, now=now)}@lanterna.example"


def mail(sender, to, *, bcc="", cc="", text="Dear Ann", message_id="<1@elsewhere.example>"):
    written = EmailMessage()
    written["From"], written["To"], written["Subject"] = sender, to, "Offerta è pronta"
    if cc:
        written["Cc"] = cc
    if bcc:
        written["Delivered-To"] = bcc
    written["Message-ID"], written["Date"] = message_id, "Mon, 23 Nov 2026 08:00:00 +0100"
    written.set_content(text)
    return written.as_bytes()


def told(session, actor, person):
    items = queries.timeline(session, actor, contact_id=person.id).items
    return [(one.kind, one.direction, one.subject, one.body, one.author_id) for one in items]


def test_what_a_colleague_wrote_lands_on_each_known_recipient(session, house, actor, account, ann, address, now):
    bea = contact(session, actor, "Bea Sun", email="bea@example.com")
    raw = mail(
        f"Giulia <{house.user.email}>", "Ann <ann@example.com>, x@stranger.example", cc="BEA@example.com", bcc=address
    )
    receive(session, account, raw, now)
    expected = [("message.sent", "outbound", "Offerta è pronta", "Dear Ann", actor.user_id)]
    assert told(session, actor, ann) == told(session, actor, bea) == expected
    assert [row.address_norm for row in copies.unknown_correspondents(session, actor)] == ["x@stranger.example"]
    assert session.scalar(select(func.count()).select_from(Conversation)) == 0
    assert session.scalar(select(func.count()).select_from(InboundRaw)) == 1


def test_the_same_mail_twice_or_by_two_ways_is_logged_once(session, house, actor, account, ann, address, now):
    raw = mail(house.user.email, "ann@example.com", bcc=address)
    receive(session, account, raw, now)
    receive(session, account, raw, now)
    receive(session, account, b"Received: from somewhere\r\n" + raw.replace(b"Dear", b"Dear "), now)
    assert len(told(session, actor, ann)) == 1


def test_a_mail_of_a_known_person_that_is_redirected_lands_as_received(session, actor, account, ann, address, now):
    raw = mail(
        "Ann Bo <Ann@example.com>", "giulia@private.example", bcc=address, text="Yes\n\nOn Monday you wrote:\n> x"
    )
    receive(session, account, raw, now)
    assert [(one[0], one[1]) for one in told(session, actor, ann)] == [("message.received", "inbound")]
    assert session.scalar(select(func.count()).select_from(Message)) == 0
    receive(session, account, mail("Ann Bo <ann@example.com>", account.address), now)
    assert len(told(session, actor, ann)) == 1


def test_what_this_program_sent_itself_is_not_doubled(session, house, actor, account, ann, address, now):
    sent = outreach.message(session, actor, ann.id, account_id=account.id, now=now)
    sent.reference = "<1@elsewhere.example>"
    session.flush()
    receive(session, account, mail(house.user.email, "ann@example.com", bcc=address), now)
    assert told(session, actor, ann) == []


def test_a_stranger_who_writes_is_listed_and_nobody_is_made(session, actor, account, address, now):
    from crm.contacts.models import Contact, Handle

    before = session.scalar(select(func.count()).select_from(Handle))
    for number in range(2):
        receive(session, account, mail("X <x@stranger.example>", address, message_id=f"<{number}@s.example>"), now)
    (row,) = copies.unknown_correspondents(session, actor)
    assert (row.address_norm, row.name, row.mails) == ("x@stranger.example", "X", 2)
    assert session.scalar(select(func.count()).select_from(Contact)) == 0
    assert session.scalar(select(func.count()).select_from(Handle)) == before
    assert session.scalar(select(func.count()).select_from(Interaction)) == 0


def test_an_old_address_takes_no_copies(session, house, actor, account, ann, address, now):
    copies.renew_history_token(session, actor, now=now)
    receive(session, account, mail(house.user.email, "ann@example.com", bcc=address), now)
    assert [one for one in told(session, actor, ann) if one[0] == "message.sent"] == []


def test_people_whom_the_colleague_may_not_see_get_nothing(session, house, actor, account, ann, address, now):
    from crm.accounts.kinds import Role
    from crm.accounts.models import Membership

    session.scalars(select(Membership).where(Membership.user_id == actor.user_id)).one().role = Role.TILL
    session.flush()
    receive(session, account, mail(house.user.email, "ann@example.com", bcc=address), now)
    assert session.scalar(select(func.count()).select_from(Interaction)) == 0
    assert copies.unknown_correspondents(session, actor) == []


@pytest.mark.parametrize("name", sorted(path.name for path in MAILS.glob("*.eml")))
def test_no_real_mail_breaks_on_a_history_address(session, account, address, now, name):
    raw = b"Delivered-To: " + address.encode() + b"\r\n" + (MAILS / name).read_bytes()
    receive(session, account, raw, now)
    assert session.scalars(select(InboundEvent.state)).all() == ["handled"]


def test_the_page_makes_shows_and_renews_the_address(client, session, actor, account):
    page = "/settings/history-address"
    assert "Make my address" in client.get(page).text
    client.post(f"{page}/renew")
    token = copies.history_token(session, actor)
    assert f"sales+{token}@lanterna.example" in client.get(page).text
    client.post(f"{page}/renew")
    assert token not in client.get(page).text
    assert client.post(f"{page}/forget").status_code == 303


@pytest.mark.parametrize("shown", ["to", "cc"])
def test_who_answers_to_the_history_address_openly_is_heard(session, actor, account, ann, address, now, shown):
    to, cc = (address, "") if shown == "to" else ("sales@lanterna.example", address)
    message = receive(session, account, mail("ann@example.com", to, cc=cc, text="STOP"), now)
    assert message is not None
    assert message.contact_id == ann.id
    found = session.scalars(select(ConsentEvent.action).where(ConsentEvent.contact_id == ann.id)).all()
    assert ConsentAction.WITHDRAWN in found

"""Mail as it really comes: twice, cut off, far too large, before its time - nothing lost, nothing done twice."""

from datetime import timedelta
from pathlib import Path

import pytest
from factories import outreach
from sqlalchemy import func, select

from crm.channels.base import ChannelKind, Outcome, OutcomeKind
from crm.consent import queries as consent
from crm.contacts.models import Handle
from crm.outreach import services
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.models import Message, MessageText
from crm.outreach.services.claim import claim
from crm.outreach.services.outcomes import Finished
from crm.outreach.services.receive import MAX_RAW
from crm.outreach.services.wave import wave
from crm.outreach.setup import links

MAILS = Path(__file__).parent.parent / "channels" / "mails"
OURS = b"<019b0000-7c00-7000-8000-000000000001@crm.example>"
LEASE = timedelta(minutes=2)


def begun(desk, now):
    """A message whose attempt runs; (message id, claim, started)."""
    message = outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    later = now + timedelta(seconds=2)
    claimed = claim(desk.session, desk.actor, account_id=desk.account.id, worker="t", lease=LEASE, now=later)
    result = wave(desk.session, desk.actor, claimed=claimed, finished=[], following=claimed.items, now=later)
    return message.id, claimed, result.started


def ended(desk, running, kind: OutcomeKind, now) -> Message:
    message_id, claimed, started = running
    done = [Finished(each, Outcome(kind=kind, code=kind.value)) for each in started]
    wave(desk.session, desk.actor, claimed=claimed, finished=done, following=[], now=now + timedelta(seconds=3))
    return row(desk, message_id)


def row(desk, message_id) -> Message:
    return desk.session.get_one(Message, message_id, populate_existing=True)


def mail(name: str, message: Message) -> bytes:
    """The file, about our message and from its recipient."""
    raw = (MAILS / f"{name}.eml").read_bytes().replace(b"anna@cliente.example", b"ann@example.com")
    token = links().reply_token(message.id)
    return raw.replace(OURS, message.reference.encode()).replace(b"tok12", token.encode())


def reply(message: Message, text: bytes = b"Grazie!", head: bytes = b"") -> bytes:
    return (
        head + b"From: Ann <ann@example.com>\r\nTo: sales@lanterna.example.com\r\nMessage-ID: <r1@example.com>\r\n"
        b"Date: Mon, 23 Nov 2026 10:30:00 +0000\r\nIn-Reply-To: " + message.reference.encode() + b"\r\n\r\n" + text
    )


def received(desk) -> int:
    return desk.session.scalar(select(func.count()).select_from(Message).where(Message.direction == "inbound"))


@pytest.mark.parametrize(
    ("name", "delivery", "handle"),
    [
        ("qmail_no_mailbox", "bounced", "bounced"),
        ("exim_unrouteable", "bounced", "bounced"),
        ("exim_still_trying", "delayed", "active"),
        ("exchange_undeliverable", "bounced", "bounced"),
        ("italian_full_mailbox", "bounced", "active"),
        ("italian_unknown_user", "bounced", "bounced"),
        ("pec_not_delivered", "bounced", "bounced"),
        ("pec_delivered", "delivered", "active"),
        ("pec_accepted", "none", "active"),
        ("complaint_arf", "complained", "active"),
        ("bounce_cut_off", "none", "active"),
    ],
)
def test_a_report_reaches_its_message_and_address(desk, now, name, delivery, handle):
    message = ended(desk, begun(desk, now), OutcomeKind.ACCEPTED, now)
    services.receive(desk.session, desk.account, mail(name, message), now + timedelta(hours=1))
    assert row(desk, message.id).delivery == delivery
    assert desk.session.get_one(Handle, message.handle_id, populate_existing=True).state == handle
    assert received(desk) == 0
    pairs = [(ChannelKind.EMAIL, "ann@example.com")]
    found = consent.suppressed(desk.session, desk.actor, pairs=pairs)
    assert bool(found) is (name == "complaint_arf"), "a complaint ends everything at once"


def test_a_mail_that_comes_by_two_ways_is_one(desk, now):
    message = ended(desk, begun(desk, now), OutcomeKind.ACCEPTED, now)
    for head in (b"", b"Received: from b\r\nDelivered-To: sales@lanterna.example.com\r\n", b""):
        services.receive(desk.session, desk.account, reply(message, head=head), now + timedelta(hours=1))
    assert received(desk) == 1


def test_a_mail_of_fifty_megabytes_keeps_its_beginning_and_says_so(desk, now):
    message = ended(desk, begun(desk, now), OutcomeKind.ACCEPTED, now)
    raw = reply(message, b"Ecco il file.\r\n")
    raw += (b"A" * 76 + b"\r\n") * ((52 * 1024 * 1024 - len(raw)) // 78)
    services.receive(desk.session, desk.account, raw, now + timedelta(hours=1))
    event = desk.session.scalars(select(InboundEvent)).one()
    assert (event.state, event.kind, event.error) == ("handled", "reply", "truncated")
    assert desk.session.scalar(select(func.length(InboundRaw.raw))) == MAX_RAW
    body = desk.session.scalars(select(MessageText.body).where(MessageText.message_id == event.message_id)).one()
    assert body.startswith("Ecco il file.")


@pytest.mark.parametrize("evidence", ["reply", "qmail_no_mailbox"])
def test_news_that_comes_while_the_try_runs_is_parked_and_settles_it(desk, now, evidence):
    running = begun(desk, now)
    message = row(desk, running[0])
    raw = reply(message) if evidence == "reply" else mail(evidence, message)
    services.receive(desk.session, desk.account, raw, now + timedelta(seconds=2))
    parked = row(desk, message.id)
    assert (parked.state, parked.delivery) == ("sending", "delivered" if evidence == "reply" else "bounced")
    assert ended(desk, running, OutcomeKind.ACCEPTED, now).state == "sent"


@pytest.mark.parametrize("evidence", ["reply", "pec_delivered"])
def test_whoever_answers_gets_no_second_copy_of_what_was_to_be_tried_again(desk, now, evidence):
    message = ended(desk, begun(desk, now), OutcomeKind.RETRY_LATER, now)
    assert message.state == "scheduled"
    raw = reply(message) if evidence == "reply" else mail(evidence, message)
    services.receive(desk.session, desk.account, raw, now + timedelta(minutes=1))
    assert row(desk, message.id).state == "sent"
    late = now + timedelta(hours=1)
    assert claim(desk.session, desk.actor, account_id=desk.account.id, worker="t", lease=LEASE, now=late) is None


def test_a_broken_mail_does_not_keep_the_next_one_waiting(desk, now):
    message = ended(desk, begun(desk, now), OutcomeKind.ACCEPTED, now)
    broken = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"Content-Type: multipart/x\r\n" * 100
    for raw in (
        broken,
        b"\x00\xff" * 500,
        reply(message, b"\xff\xfe Perch\xe9?", head=b"Content-Type: text/plain; charset=no\r\n"),
    ):
        services.receive(desk.session, desk.account, raw, now + timedelta(hours=1))
    states = dict(desk.session.execute(select(InboundEvent.error, InboundEvent.state)).all())
    assert states["too_nested"] == "failed"
    assert received(desk) == 1
    assert desk.session.scalar(select(func.count()).select_from(InboundRaw)) == 3, "nothing is lost"

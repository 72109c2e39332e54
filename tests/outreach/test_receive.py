"""What comes in: whose it is, what it answers, and what it means."""

from datetime import UTC, datetime, timedelta

import pytest
from factories import outreach
from sqlalchemy import select

from crm.channels.base import ChannelKind, Outcome, OutcomeKind
from crm.consent import queries as consent
from crm.consent.kinds import ConsentAction, ConsentPurpose, Purpose
from crm.contacts import services as contacts
from crm.contacts.models import Contact, Handle
from crm.db import new_id
from crm.events import OptedOut, ReplyReceived
from crm.interactions import queries as interactions
from crm.outreach import queries, services
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.links import PreferenceToken
from crm.outreach.models import Conversation, Message
from crm.outreach.rules import Reason
from crm.outreach.services.claim import claim
from crm.outreach.services.outcomes import Finished
from crm.outreach.services.wave import wave
from crm.outreach.setup import links


def mail(
    *,
    sender: str = "ann@example.com",
    to: str = "sales@lanterna.example.com",
    answers: str = "",
    text: str = "Grazie, va bene!",
    subject: str = "Re: News",
    more: str = "",
    reference: str = "",
) -> bytes:
    """A raw mail as a mailbox would hold it."""
    lines = [
        f"From: Ann <{sender}>",
        f"To: {to}",
        f"Subject: {subject}",
        f"Message-ID: {reference or f'<{new_id().hex}@example.com>'}",
        "Date: Mon, 23 Nov 2026 10:30:00 +0000",
    ]
    if answers:
        lines += [f"In-Reply-To: {answers}", f"References: {answers}"]
    return ("\r\n".join(lines) + f"\r\n{more}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n").encode()


def report(*, original: str, action: str = "failed", status: str = "5.1.1") -> bytes:
    """A delivery report (RFC 3464)."""
    return (
        "From: MAILER-DAEMON@mx.example.com\r\nTo: sales@lanterna.example.com\r\nSubject: Undelivered\r\n"
        f"Message-ID: <{new_id().hex}@mx.example.com>\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n"
        f"Final-Recipient: rfc822; ann@example.com\r\nAction: {action}\r\nStatus: {status}\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {original}\r\nSubject: News\r\n\r\nHello\r\n--b--\r\n"
    ).encode()


def complaint(*, original: str) -> bytes:
    """A feedback report (RFC 5965)."""
    return (
        "From: abuse@provider.example\r\nTo: sales@lanterna.example.com\r\nSubject: complaint\r\n"
        f"Message-ID: <{new_id().hex}@provider.example>\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nUser-Agent: Provider/1\r\nVersion: 1\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {original}\r\nSubject: News\r\n\r\nHello\r\n--b--\r\n"
    ).encode()


def sent(desk, now, *, kind: OutcomeKind = OutcomeKind.ACCEPTED, purpose: Purpose = Purpose.PERSONAL) -> Message:
    """A message that was handed over."""
    message = outreach.message(desk.session, desk.actor, desk.contact_id, purpose=purpose, now=now)
    later = now + timedelta(seconds=2)
    claimed = claim(
        desk.session, desk.actor, account_id=desk.account.id, worker="t", lease=timedelta(minutes=2), now=later
    )
    begun = wave(desk.session, desk.actor, claimed=claimed, finished=[], following=claimed.items, now=later)
    done = [Finished(each, Outcome(kind=kind, code=kind.value)) for each in begun.started]
    wave(desk.session, desk.actor, claimed=claimed, finished=done, following=[], now=later)
    return desk.session.get_one(Message, message.id, populate_existing=True)


#: The date in the head of every `mail`.
WROTE = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)


@pytest.fixture
def later(now):
    return now + timedelta(hours=1)


def test_an_exchange_is_dated_when_the_person_wrote(desk, now):
    wrote = (now - timedelta(hours=16)).replace(microsecond=0)
    raw = mail().replace(b"Mon, 23 Nov 2026 10:30:00", f"{wrote:%a, %d %b %Y %H:%M:%S}".encode())
    received = services.receive(desk.session, desk.account, raw, now)
    conversation = desk.session.get_one(Conversation, received.conversation_id)
    assert (conversation.last_at, conversation.last_inbound_at, conversation.unanswered_since) == (wrote, wrote, wrote)


def test_a_reply_joins_its_conversation_and_its_person_s_timeline(desk, now, later, told):
    message = sent(desk, now)
    received = services.receive(desk.session, desk.account, mail(answers=message.reference), later)
    assert (received.contact_id, received.conversation_id, received.in_reply_to_id) == (
        desk.contact_id,
        message.conversation_id,
        message.id,
    )
    conversation = desk.session.get_one(Conversation, message.conversation_id)
    assert (conversation.state, conversation.unanswered_since) == ("open", WROTE)
    entry = interactions.timeline(desk.session, desk.actor, contact_id=desk.contact_id).items[0]
    assert (entry.kind, entry.body) == ("message.received", "Grazie, va bene!")
    (event,) = [event for event in told if isinstance(event, ReplyReceived)]
    assert (event.contact_id, event.message_id) == (desk.contact_id, received.id)
    verdict = queries.verdict(
        desk.session,
        desk.actor,
        contact_id=desk.contact_id,
        purpose=Purpose.PROMOTIONAL,
        channel=ChannelKind.EMAIL,
        now=later,
    )
    assert verdict.reason is Reason.UNANSWERED


def test_an_answer_of_ours_closes_the_wait_and_names_the_thread(desk, now, later):
    message = sent(desk, now)
    received = services.receive(desk.session, desk.account, mail(answers=message.reference), later)
    reply = services.reply(desk.session, desk.actor, conversation_id=received.conversation_id, body="Prego!", now=later)
    view = queries.message(desk.session, desk.actor, message_id=reply.id)
    assert view.frozen.headers["in_reply_to"] == received.remote_id
    assert view.frozen.headers["references"] == [message.reference, received.remote_id]
    assert (view.subject, reply.purpose) == ("Re: News", "reply")
    thread = queries.thread(desk.session, desk.actor, conversation_id=received.conversation_id)
    assert [entry.direction for entry in thread.items] == ["outbound", "inbound", "outbound"]


def test_the_same_mail_twice_is_one_message(desk, now, later):
    message = sent(desk, now)
    raw = mail(answers=message.reference)
    assert services.receive(desk.session, desk.account, raw, later) is not None
    assert services.receive(desk.session, desk.account, raw, later) is None
    assert len(desk.session.scalars(select(Message).where(Message.direction == "inbound")).all()) == 1
    assert desk.session.scalars(select(InboundRaw.raw)).one() == raw


def test_a_stored_event_is_handled_once(desk, now):
    event_id = services.store_inbound(
        desk.session, desk.actor, account_id=desk.account.id, raw=mail(), external_id="x", now=now
    )
    assert services.handle_inbound(desk.session, desk.actor, event_id=event_id, now=now) is not None
    assert services.handle_inbound(desk.session, desk.actor, event_id=event_id, now=now) is None
    event = desk.session.get_one(InboundEvent, event_id)
    assert (event.state, event.kind) == ("handled", "reply")


def test_bytes_that_are_no_mail_are_set_aside(desk, now):
    event_id = services.store_inbound(
        desk.session, desk.actor, account_id=desk.account.id, raw=b"\x00" * 50, external_id="x", now=now
    )
    services.handle_inbound(desk.session, desk.actor, event_id=event_id, now=now)
    assert desk.session.get_one(InboundEvent, event_id).state in {"failed", "handled"}
    assert desk.session.scalars(select(Message)).all() == []


def test_an_answer_from_another_address_belongs_to_the_person_we_wrote_to(desk, now, later):
    message = sent(desk, now)
    raw = mail(sender="ann.private@example.org", answers=message.reference)
    received = services.receive(desk.session, desk.account, raw, later)
    assert received.contact_id == desk.contact_id
    assert desk.session.get_one(Handle, received.handle_id).contact_id is None


def test_a_plus_address_leads_an_answer_back(desk, now, later):
    message = sent(desk, now)
    to = f"sales+{links().reply_token(message.id)}@lanterna.example.com"
    received = services.receive(desk.session, desk.account, mail(to=to, subject="Ciao"), later)
    assert received.in_reply_to_id == message.id


def test_a_stranger_becomes_a_conversation_and_later_a_person(desk, now, later):
    received = services.receive(desk.session, desk.account, mail(sender="new@example.org"), now)
    (line,) = queries.conversations(desk.session, desk.actor, where=queries.InboxFilter(only_unanswered=True)).items
    assert (line.contact_id, line.address, line.name) == (None, "new@example.org", "Ann")
    person = outreach.contact(desk.session, desk.actor, "Neo Uno", now=later)
    contacts.link_handle(desk.session, desk.actor, handle_id=received.handle_id, contact_id=person.id, now=later)
    (line,) = queries.conversations(desk.session, desk.actor, where=queries.InboxFilter(contact_id=person.id)).items
    assert line.name == "Neo Uno"
    entries = interactions.timeline(desk.session, desk.actor, contact_id=person.id).items
    assert "message.received" in [entry.kind for entry in entries]


def test_an_out_of_office_note_is_no_reply(desk, now, later, told):
    message = sent(desk, now)
    raw = mail(answers=message.reference, subject="Automatic reply: News", more="Auto-Submitted: auto-replied\r\n")
    received = services.receive(desk.session, desk.account, raw, later)
    conversation = desk.session.get_one(Conversation, received.conversation_id)
    assert (conversation.unanswered_since, conversation.last_inbound_at) == (None, None)
    assert [event for event in told if isinstance(event, ReplyReceived)] == []


@pytest.mark.parametrize("word", ["STOP", "basta!", "Cancella", "unsubscribe"])
def test_a_stop_word_is_an_opt_out_and_no_reply(desk, now, later, told, word):
    message = sent(desk, now, purpose=Purpose.PROMOTIONAL)
    waiting = outreach.message(
        desk.session,
        desk.actor,
        desk.contact_id,
        purpose=Purpose.PROMOTIONAL,
        send_at=later + timedelta(days=3),
        now=now,
    )
    services.receive(desk.session, desk.account, mail(answers=message.reference, text=word), later)
    states = consent.states(desk.session, desk.actor, contact_ids=[desk.contact_id])[desk.contact_id]
    assert states[ConsentPurpose.PROMOTIONAL, "email"].action is ConsentAction.WITHDRAWN
    assert {event.purpose for event in told if isinstance(event, OptedOut)} == {"promotional", "personal"}
    assert [event for event in told if isinstance(event, ReplyReceived)] == []
    skipped = desk.session.get_one(Message, waiting.id, populate_existing=True)
    assert (skipped.state, skipped.reason) == ("skipped", "consent_withdrawn")


def test_a_stranger_s_stop_word_suppresses_the_address(desk, now):
    services.receive(desk.session, desk.account, mail(sender="new@example.org", text="STOP"), now)
    pairs = [("email", "new@example.org")]
    assert consent.suppressed(desk.session, desk.actor, pairs=pairs) == set(pairs)


def test_a_bounce_marks_the_message_and_the_address(desk, now, later):
    message = sent(desk, now)
    services.receive(desk.session, desk.account, report(original=message.reference), later)
    bounced = desk.session.get_one(Message, message.id, populate_existing=True)
    assert (bounced.delivery, bounced.delivery_at, bounced.state) == ("bounced", later, "sent")
    assert desk.session.get_one(Handle, message.handle_id, populate_existing=True).state == "bounced"


def test_a_late_delivered_never_hides_a_bounce(desk, now, later):
    message = sent(desk, now)
    services.receive(desk.session, desk.account, report(original=message.reference), later)
    services.receive(
        desk.session,
        desk.account,
        report(original=message.reference, action="delivered", status="2.0.0"),
        later + timedelta(hours=1),
    )
    assert desk.session.get_one(Message, message.id, populate_existing=True).delivery == "bounced"


def test_a_bounce_about_nothing_we_sent_changes_nothing(desk, now):
    services.receive(desk.session, desk.account, report(original="<forged@example.com>"), now)
    handle = desk.session.scalars(select(Handle).where(Handle.address_norm == "ann@example.com")).one()
    assert handle.state == "active"


def test_a_complaint_ends_everything_for_that_address(desk, now, later):
    message = sent(desk, now, purpose=Purpose.PROMOTIONAL)
    services.receive(desk.session, desk.account, complaint(original=message.reference), later)
    assert desk.session.get_one(Message, message.id, populate_existing=True).delivery == "complained"
    pairs = [("email", "ann@example.com")]
    assert consent.suppressed(desk.session, desk.actor, pairs=pairs) == set(pairs)
    states = consent.states(desk.session, desk.actor, contact_ids=[desk.contact_id])[desk.contact_id]
    assert states[ConsentPurpose.PROMOTIONAL, ""].action is ConsentAction.WITHDRAWN


@pytest.mark.parametrize("evidence", ["reply", "bounce", "complaint"])
def test_whoever_answers_has_got_an_uncertain_message(desk, now, later, evidence):
    message = sent(desk, now, kind=OutcomeKind.UNKNOWN)
    assert message.state == "uncertain"
    raw = {
        "reply": mail(answers=message.reference),
        "bounce": report(original=message.reference),
        "complaint": complaint(original=message.reference),
    }[evidence]
    services.receive(desk.session, desk.account, raw, later)
    assert desk.session.get_one(Message, message.id, populate_existing=True).state == "sent"


# Ways out


def token(desk, contact_id=None) -> PreferenceToken:
    return PreferenceToken(
        workspace_id=desk.actor.workspace_id, contact_id=contact_id or desk.contact_id, channel=ChannelKind.EMAIL
    )


def test_one_click_ends_promotions_and_twice_is_once(desk, now):
    services.unsubscribe(desk.session, token=token(desk), now=now)
    services.unsubscribe(desk.session, token=token(desk), now=now)
    history = consent.history(desk.session, desk.actor, contact_id=desk.contact_id).items
    assert [event.action for event in history].count(ConsentAction.WITHDRAWN) == 1
    shown = services.preferences(desk.session, token=token(desk))
    assert shown.wants == {ConsentPurpose.PROMOTIONAL: False, ConsentPurpose.PERSONAL: True}


def test_a_person_chooses_and_only_changes_are_recorded(desk, now):
    wants = {ConsentPurpose.PROMOTIONAL: True, ConsentPurpose.PERSONAL: False}
    after = services.set_preferences(
        desk.session, token=token(desk), wants=wants, wording="Sì, voglio", wording_version="1", now=now + timedelta(1)
    )
    assert after.wants == wants
    history = consent.history(desk.session, desk.actor, contact_id=desk.contact_id).items
    assert [(event.purpose, event.wording) for event in history if event.source == "preference_page"] == [
        ("personal", "Sì, voglio")
    ]


def test_a_link_follows_a_merge_and_ends_with_an_erasure(desk, now):
    old = outreach.contact(desk.session, desk.actor, "Ann Doppia", now=now)
    old.merged_into_id, old.deleted_at = desk.contact_id, now
    desk.session.flush()
    assert services.preferences(desk.session, token=token(desk, old.id)).contact_id == desk.contact_id
    desk.session.get_one(Contact, desk.contact_id).erased_at = now
    desk.session.flush()
    with pytest.raises(services.NobodyError):
        services.preferences(desk.session, token=token(desk, old.id))

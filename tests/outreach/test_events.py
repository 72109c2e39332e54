"""What chat programs tell: who wrote, whatever they are called today, and what each kind of event does."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from factories import outreach
from sqlalchemy import select, update

from crm.channels import registry
from crm.channels.base import (
    AutoReply,
    ChannelKind,
    Inbound,
    OutcomeKind,
    PublicPost,
    Reachability,
    Receipt,
    ReceiptKind,
    Reply,
    Started,
    Unread,
)
from crm.channels.inbound import InboundError
from crm.consent import queries as consent
from crm.consent.kinds import ConsentAction, ConsentPurpose
from crm.contacts import services as contacts
from crm.contacts.models import Handle
from crm.db import new_id
from crm.events import ReplyReceived
from crm.interactions import queries as interactions
from crm.interactions.kinds import Sentiment
from crm.interactions.models import Interaction
from crm.interactions.services import vocabulary
from crm.outreach import services
from crm.outreach.inbound_models import InboundEvent
from crm.outreach.kinds import DeliveryState, InboundState
from crm.outreach.models import Conversation, Message, SenderAccount
from crm.outreach.services.start_links import VALID

CHAT = ChannelKind.TELEGRAM


@dataclass
class Chat:
    """A chat account whose parser gives what the test says."""

    desk: object
    account: SenderAccount
    events: dict[bytes, list[Inbound]] = field(default_factory=dict)

    def tell(self, *events: Inbound, at, name: str | None = None) -> Message | None:
        """Store a piece that holds these events, and handle it."""
        name = name or events[0].event_id
        self.events[name.encode()] = list(events)
        session, actor = self.desk.session, self.desk.actor
        event_id = services.store_inbound(
            session, actor, account_id=self.account.id, raw=name.encode(), external_id=name, now=at
        )
        return services.handle_inbound(session, actor, event_id=event_id, now=at) if event_id else None

    def stored(self) -> InboundEvent:
        return self.desk.session.scalars(select(InboundEvent).order_by(InboundEvent.id.desc()).limit(1)).one()


@pytest.fixture
def chat(desk, monkeypatch):
    account = SenderAccount(channel=CHAT.value, name="Bot", address="@lanterna_bot")
    desk.session.add(account)
    desk.session.flush()
    made = Chat(desk, account)
    monkeypatch.setitem(registry.PARSERS, CHAT, lambda raw: made.events[raw])
    return made


def word(event_id="1:1", *, who="42", name="", text="Ciao!", kind=Reply, **more):
    return kind(event_id=event_id, platform_id=who, from_address=name, text=text, **more)


def handle_of(chat, address):
    return chat.desk.session.scalars(
        select(Handle).where(Handle.channel == CHAT, Handle.address_norm == address, Handle.deleted_at.is_(None))
    ).one_or_none()


def known(chat, now, *, address="@annabo", platform_id=None):
    """The desk's contact with an address in the chat program."""
    desk = chat.desk
    return contacts.add_handle(
        desk.session,
        desk.actor,
        channel=CHAT,
        address=address,
        platform_id=platform_id,
        contact_id=desk.contact_id,
        now=now,
    )


def sent(chat, now, *, remote_id="42:7", state="sent"):
    """A message of ours, as it is after it was handed over."""
    desk = chat.desk
    message = outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    desk.session.execute(
        update(Message)
        .where(Message.id == message.id)
        .values(channel=CHAT.value, account_id=chat.account.id, remote_id=remote_id, state=state, tries=1, sent_at=now)
    )
    return desk.session.get_one(Message, message.id, populate_existing=True)


def fresh(chat, row):
    chat.desk.session.flush()
    return chat.desk.session.get_one(type(row), row.id, populate_existing=True)


def test_somebody_without_a_name_is_known_by_their_id_and_keeps_their_talk_when_they_take_one(chat, now):
    first = chat.tell(word(from_name="Ann"), at=now)
    handle = handle_of(chat, "id:42")
    assert (handle.platform_id, handle.display_name, first.handle_id) == ("42", "Ann", handle.id)
    second = chat.tell(word("1:2", name="annabo"), at=now)
    assert (second.handle_id, second.conversation_id) == (handle.id, first.conversation_id)
    assert fresh(chat, handle).address == "@annabo"


def test_a_name_that_somebody_else_took_is_never_the_person_who_had_it(chat, now):
    row = known(chat, now)
    mine = chat.tell(word(name="annabo"), at=now)
    assert (mine.contact_id, fresh(chat, row).platform_id) == (chat.desk.contact_id, "42")
    theirs = chat.tell(word("1:2", who="99", name="annabo"), at=now)
    assert (theirs.contact_id, theirs.handle_id == row.id) == (None, False)
    back = chat.tell(word("1:3", who="42", name="anna_b"), at=now)
    assert (back.contact_id, back.handle_id, back.conversation_id) == (
        chat.desk.contact_id,
        row.id,
        mine.conversation_id,
    )


def test_a_number_that_is_left_out_now_and_then_stays(chat, now, monkeypatch):
    desk = chat.desk
    account = SenderAccount(channel="whatsapp", name="WA", address="")
    desk.session.add(account)
    desk.session.flush()
    phone = Chat(desk, account)
    monkeypatch.setitem(registry.PARSERS, ChannelKind.WHATSAPP, lambda raw: phone.events[raw])
    first = phone.tell(word("w1", who="IT.1", name="+393471234567"), at=now)
    assert phone.tell(word("w2", who="IT.1"), at=now).handle_id == first.handle_id
    assert desk.session.get_one(Handle, first.handle_id).address_norm == "+393471234567"
    # The number went to somebody else, whose id is another one; and who was never told with a number has only the id.
    other = phone.tell(word("w3", who="IT.2", name="+393471234567"), at=now)
    silent = phone.tell(word("w4", who="IT.3"), at=now)
    assert len({first.handle_id, other.handle_id, silent.handle_id}) == 3
    assert desk.session.get_one(Handle, silent.handle_id).address_norm == "id:IT.3"


def test_an_answer_finds_its_original_by_the_platform_s_id_within_the_account(chat, now):
    known(chat, now, platform_id="42")
    message = sent(chat, now, remote_id="42:7")
    answer = chat.tell(word("42:8", in_reply_to="42:7"), at=now + timedelta(minutes=1))
    assert answer.in_reply_to_id == message.id
    stranger = SenderAccount(channel=CHAT.value, name="Other", address="@other_bot")
    chat.desk.session.add(stranger)
    chat.desk.session.flush()
    chat.account = stranger
    other = chat.tell(word("42:9", in_reply_to="42:7"), at=now + timedelta(minutes=2))
    assert other.in_reply_to_id is None


def test_the_same_message_in_two_events_is_one(chat, now):
    assert chat.tell(word("42:8"), at=now, name="webhook-1") is not None
    assert chat.tell(word("42:8"), at=now, name="poll-1") is None
    assert len(chat.desk.session.scalars(select(Message).where(Message.direction == "inbound")).all()) == 1


def test_ids_of_two_accounts_may_be_alike(chat, now):
    assert chat.tell(word("5", text="one"), at=now) is not None
    other = SenderAccount(channel=CHAT.value, name="Other", address="@other_bot")
    chat.desk.session.add(other)
    chat.desk.session.flush()
    chat.account = other
    assert chat.tell(word("5", text="two"), at=now) is not None
    assert len(chat.desk.session.scalars(select(Interaction).where(Interaction.channel == CHAT)).all()) == 2


def test_one_piece_may_hold_several_events(chat, now):
    message = sent(chat, now)
    receipt = Receipt(event_id="r", kind=ReceiptKind.READ, remote_id=message.remote_id)
    assert chat.tell(word("1:1"), receipt, Unread(event_id="u", what="poll_answer"), at=now) is not None
    assert fresh(chat, message).delivery == DeliveryState.READ
    assert (chat.stored().state, chat.stored().kind, chat.stored().error) == (
        InboundState.HANDLED,
        "reply,receipt,unread",
        "poll_answer",
    )


def test_a_start_link_says_who_it_is_once(chat, now):
    desk = chat.desk
    token = services.start_link(
        desk.session, desk.actor, contact_id=desk.contact_id, account_id=chat.account.id, now=now
    )
    assert len(token) <= 64
    assert chat.tell(word("s1", name="annabo", kind=Started, text="", payload=token), at=now) is None
    handle = handle_of(chat, "annabo")
    assert (handle.contact_id, handle.verified_at) == (desk.contact_id, now)
    chat.tell(word("s2", who="77", kind=Started, text="", payload=token), at=now)
    assert handle_of(chat, "id:77").contact_id is None
    kinds = [one.kind for one in interactions.timeline(desk.session, desk.actor, contact_id=desk.contact_id).items]
    assert kinds.count("follow") == 1


def test_a_start_link_moves_nobody(chat, now):
    desk = chat.desk
    other = outreach.contact(desk.session, desk.actor, "Neo Uno", now=now)
    row = known(chat, now, platform_id="42")
    link = {"account_id": chat.account.id, "now": now}
    token = services.start_link(desk.session, desk.actor, contact_id=other.id, **link)
    chat.tell(word("s1", name="annabo", kind=Started, text="", payload=token), at=now)
    assert fresh(chat, row).contact_id == desk.contact_id
    # It still works for whom it was made, but not after its time.
    chat.tell(word("s2", who="9", kind=Started, text="", payload=token), at=now + VALID)
    assert handle_of(chat, "id:9").contact_id is None
    chat.tell(word("s3", who="9", kind=Started, text="", payload=token), at=now + VALID - timedelta(days=1))
    assert handle_of(chat, "id:9").contact_id == other.id


def test_who_starts_without_a_link_is_a_stranger(chat, now):
    chat.tell(word("s1", kind=Started, text="", payload="nonsense"), at=now)
    assert handle_of(chat, "id:42").contact_id is None


def test_a_public_comment_is_a_talk_of_its_own_and_its_tone_is_noted(chat, now, told):
    desk = chat.desk
    known(chat, now, platform_id="42")
    private = chat.tell(word("1:1"), at=now)
    post = {"post_url": "https://x.example/p/1#c", "parent_url": "https://x.example/p/1"}
    public = chat.tell(word("1:2", kind=PublicPost, text="STOP", **post), at=now)
    again = chat.tell(word("1:3", kind=PublicPost, text="Davvero", **post), at=now)
    mention = chat.tell(word("1:4", kind=PublicPost, post_url="https://x.example/p/9"), at=now)
    assert public.conversation_id == again.conversation_id
    assert len({private.conversation_id, public.conversation_id, mention.conversation_id}) == 3
    talk = desk.session.get_one(Conversation, public.conversation_id)
    assert (talk.visibility, talk.post_url) == ("public", "https://x.example/p/1")
    assert talk.unanswered_since is not None
    entries = desk.session.scalars(select(Interaction).where(Interaction.visibility == "public")).all()
    assert {(one.kind, one.post_url) for one in entries} == {
        ("comment", "https://x.example/p/1#c"),
        ("mention", "https://x.example/p/9"),
    }
    # What is said below a post to everybody neither ends a sequence nor takes a consent back.
    assert len([one for one in told if isinstance(one, ReplyReceived)]) == 1
    states = consent.states(desk.session, desk.actor, contact_ids=[desk.contact_id])[desk.contact_id]
    assert {channel for _purpose, channel in states} == {"email"}


def test_keyword_rules_judge_comments_as_they_judge_messages(chat, now):
    desk = chat.desk
    known(chat, now, platform_id="42")
    rule = vocabulary.KeywordInput(phrase="pessimo", sentiment=Sentiment.NEGATIVE)
    vocabulary.add_rule(desk.session, desk.actor, data=rule, now=now)
    chat.tell(word("1:2", kind=PublicPost, text="Servizio pessimo!", post_url="https://x.example/p/1"), at=now)
    entry = desk.session.scalars(select(Interaction).where(Interaction.visibility == "public")).one()
    assert entry.sentiment == "negative"


@pytest.mark.parametrize("text", ["STOP", "basta!", "Cancella"])
def test_a_stop_word_in_a_chat_counts_for_that_channel(chat, now, text):
    desk = chat.desk
    known(chat, now, platform_id="42")
    chat.tell(word(text=text), at=now)
    states = consent.states(desk.session, desk.actor, contact_ids=[desk.contact_id])[desk.contact_id]
    assert states[ConsentPurpose.PROMOTIONAL, "telegram"].action is ConsentAction.WITHDRAWN
    assert states[ConsentPurpose.PROMOTIONAL, "email"].action is ConsentAction.GRANTED


def test_a_stranger_s_stop_word_in_a_chat_suppresses_their_address(chat, now):
    desk = chat.desk
    chat.tell(word(text="stop"), at=now)
    pairs = [("telegram", "id:42")]
    assert consent.suppressed(desk.session, desk.actor, pairs=pairs) == set(pairs)


def test_a_machine_s_answer_in_a_chat_is_no_reply(chat, now, told):
    known(chat, now, platform_id="42")
    message = chat.tell(word(kind=AutoReply), at=now)
    assert chat.desk.session.get_one(Conversation, message.conversation_id).unanswered_since is None
    assert not [one for one in told if isinstance(one, ReplyReceived)]


def test_receipts_in_any_order_keep_the_gravest(chat, now):
    message = sent(chat, now)

    def news(event_id, kind, **more):
        chat.tell(Receipt(event_id=event_id, kind=kind, remote_id=message.remote_id, **more), at=now)
        return fresh(chat, message).delivery

    assert news("a", ReceiptKind.READ) == "read"
    assert news("b", ReceiptKind.DELIVERED) == "read"
    assert news("c", ReceiptKind.FAILED, outcome=OutcomeKind.POLICY, code="131047") == "failed"
    assert news("d", ReceiptKind.DELIVERED) == "failed"
    assert fresh(chat, message).reason == "policy"
    assert fresh(chat, message).state == "sent"


def test_a_late_no_for_good_marks_the_address_and_one_about_the_account_holds_it(chat, now):
    row = known(chat, now, platform_id="42")
    message = sent(chat, now)
    chat.desk.session.execute(update(Message).where(Message.id == message.id).values(handle_id=row.id))
    fresh(chat, message)
    gone = Receipt(
        event_id="g", kind=ReceiptKind.FAILED, remote_id="42:7", outcome=OutcomeKind.PERMANENT, code="131026"
    )
    chat.tell(gone, at=now)
    assert (fresh(chat, row).state, fresh(chat, row).state_reason) == ("bounced", "131026")
    assert fresh(chat, message).delivery == "bounced"
    other = sent(chat, now, remote_id="42:8")
    locked = Receipt(event_id="l", kind=ReceiptKind.FAILED, remote_id="42:8", outcome=OutcomeKind.AUTH, code="131031")
    chat.tell(locked, at=now)
    assert fresh(chat, other).delivery == "failed"
    assert (fresh(chat, chat.account).state, fresh(chat, chat.account).hold_reason) == ("held", "131031")


def test_a_receipt_ahead_of_its_message_waits_for_it(chat, now):
    early = Receipt(event_id="e", kind=ReceiptKind.READ, remote_id="42:7")
    chat.tell(early, at=now)
    event = chat.stored()
    assert event.state == InboundState.PARKED
    message = sent(chat, now)
    services.handle_inbound(chat.desk.session, chat.desk.actor, event_id=event.id, now=now + timedelta(seconds=6))
    assert (fresh(chat, message).delivery, fresh(chat, event).state) == ("read", "handled")
    chat.tell(Receipt(event_id="never", kind=ReceiptKind.READ, remote_id="unknown"), at=now)
    event = chat.stored()
    services.handle_inbound(chat.desk.session, chat.desk.actor, event_id=event.id, now=now + timedelta(minutes=11))
    assert fresh(chat, event).state == "handled"


def test_a_receipt_settles_an_uncertain_message(chat, now):
    message = sent(chat, now, state="uncertain")
    chat.tell(Receipt(event_id="e", kind=ReceiptKind.DELIVERED, reference=message.reference), at=now)
    assert (fresh(chat, message).state, fresh(chat, message).delivery) == ("sent", "delivered")


def test_who_blocks_us_is_not_reached_until_they_come_back(chat, now):
    row = known(chat, now, platform_id="42")
    chat.tell(Reachability(event_id="b", platform_id="42", reachable=False, code="kicked"), at=now)
    assert (fresh(chat, row).state, fresh(chat, row).state_reason) == ("blocked", "kicked")
    chat.tell(word(name="annabo"), at=now)
    assert fresh(chat, row).state == "active"
    chat.tell(Reachability(event_id="c", platform_id="unknown", reachable=False), at=now)
    assert chat.stored().state == "handled"


def test_texts_that_no_database_holds_are_cleaned_and_ids_refused(chat, now):
    message = chat.tell(word(text="a\0b\ud800c", from_name="N\0" * 500), at=now)
    assert message is not None
    assert chat.tell(word("x\0y"), at=now, name="bad-id") is None
    assert (chat.stored().state, chat.stored().error) == ("failed", "id_unreadable")
    assert chat.tell(word("1:5", who="4" * 2000), at=now) is None
    assert (chat.stored().state, chat.stored().error) == ("failed", "id_too_long")


def test_what_the_parser_refuses_and_what_has_no_parser_is_kept_with_its_reason(chat, now, monkeypatch):
    def refuses(raw):
        raise InboundError("not_json")

    monkeypatch.setitem(registry.PARSERS, CHAT, refuses)
    assert chat.tell(word(), at=now) is None
    assert (chat.stored().state, chat.stored().error) == ("failed", "not_json")
    monkeypatch.delitem(registry.PARSERS, CHAT)
    assert chat.tell(word("2"), at=now) is None
    assert chat.stored().error == "no_parser"


def test_an_id_of_a_platform_without_end_is_kept_as_its_digest(chat, now):
    name = new_id().hex * 100
    assert chat.tell(word(), at=now, name=name) is not None
    assert chat.stored().external_id.startswith("sha256:")
    assert chat.tell(word(), at=now, name=name) is None

"""Owns what comes in: stored raw once, then told apart - reply, automatic answer, stop word, bounce, complaint."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor, system_actor
from crm.channels.addresses import AddressError, normalise
from crm.channels.base import AutoReply, Bounce, BounceAction, ChannelKind, Complaint, OutcomeKind, Reply
from crm.channels.inbound import InboundError, parse_email
from crm.channels.mail_parts import fingerprint
from crm.consent import erased
from crm.consent import services as consent
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose, SuppressionReason
from crm.contacts import queries as contacts
from crm.contacts import services as contact_services
from crm.contacts.kinds import HandleState
from crm.contacts.models import Contact, Handle
from crm.db import new_id
from crm.events import ReplyReceived, publish
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.kinds import DeliveryState, InboundState, MessageDirection, MessageState
from crm.outreach.links import hide_tokens
from crm.outreach.models import Conversation, Message, MessageText, SenderAccount
from crm.outreach.services import conversations
from crm.outreach.services.copies import copied_by, record_bcc_mail, speaks_to_us
from crm.outreach.services.settle import mark_sent
from crm.outreach.setup import links

#: Mailbox programs and people send everything; what we look at is bounded before it is parsed.
MAX_RAW = 30 * 1024 * 1024
#: What an event says whose end was not kept: the words come first in a mail, its files are what is missing.
TRUNCATED = "truncated"
_SEVERITY = {state: number for number, state in enumerate(DeliveryState)}


def store_inbound(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID,
    raw: bytes,
    external_id: str | None = None,
    now: datetime,
) -> UUID | None:
    """Keep what a channel told us, before anything is done with it; None when it is known already.

    `external_id` is the platform's id; without one the mail names itself. The edge commits, then wakes a worker. Of a
    payload above `MAX_RAW` the beginning is kept, and the event says so.
    """
    event_id = new_id()
    stored = session.execute(
        insert(InboundEvent)
        .values(
            id=event_id,
            workspace_id=actor.workspace_id,
            account_id=account_id,
            external_id=external_id or fingerprint(raw),
            error=TRUNCATED if len(raw) > MAX_RAW else "",
            state=InboundState.STORED.value,
            received_at=now,
        )
        .on_conflict_do_nothing(index_elements=["workspace_id", "account_id", "external_id"])
        .returning(InboundEvent.id)
    ).scalar()
    if stored is None:
        return None
    session.add(InboundRaw(event_id=event_id, raw=raw[:MAX_RAW]))
    session.flush()
    return event_id


def receive(session: Session, account: SenderAccount, raw: bytes, now: datetime) -> Message | None:
    """Store and handle in one transaction; None for what is known already or is no message."""
    actor = system_actor(account.workspace_id)
    event_id = store_inbound(session, actor, account_id=account.id, raw=raw, now=now)
    return None if event_id is None else handle_inbound(session, actor, event_id=event_id, now=now)


def handle_inbound(session: Session, actor: Actor, *, event_id: UUID, now: datetime) -> Message | None:
    """Do what a stored event asks for, once; returns the message it became, if it became one."""
    event = session.scalars(
        select(InboundEvent)
        .where(InboundEvent.id == event_id, InboundEvent.state == InboundState.STORED)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if event is None:
        return None
    raw = session.scalars(select(InboundRaw.raw).where(InboundRaw.event_id == event_id)).one()
    account = session.get_one(SenderAccount, event.account_id)
    try:
        parsed = parse_email(raw)
        copied_for = copied_by(session, raw) if isinstance(parsed, Reply) else None
    except InboundError as error:
        event.state, event.error, event.handled_at = InboundState.FAILED.value, str(error)[:200], now
        session.flush()
        return None
    event.kind = type(parsed).__name__.lower()
    message = None
    if (
        copied_for is not None
        and isinstance(parsed, Reply)
        and not speaks_to_us(session, actor, user_id=copied_for, parsed=parsed, raw=raw)
    ):
        event.kind = "copy"
        record_bcc_mail(session, actor, user_id=copied_for, parsed=parsed, raw=raw, now=now)
    elif isinstance(parsed, Bounce):
        _bounced(session, actor, parsed, now=now)
    elif isinstance(parsed, Complaint):
        _complained(session, actor, parsed, now=now)
    else:
        message = _written(session, actor, account, parsed, now=now)
    event.state, event.handled_at = InboundState.HANDLED.value, now
    event.message_id = message.id if message else None
    session.flush()
    return message


def give_up(session: Session, *, event_id: UUID, error: str, now: datetime) -> None:
    """Set an event aside that can't be handled, so that it doesn't come up for ever."""
    session.execute(
        update(InboundEvent)
        .where(InboundEvent.id == event_id, InboundEvent.state == InboundState.STORED)
        .values(state=InboundState.FAILED.value, error=error[:200], handled_at=now)
    )


# A person (or their machine) wrote


@dataclass(frozen=True, slots=True)
class _Author:
    """Who wrote: the contact when known, and the address in any case."""

    contact: Contact | None
    handle: Handle


def _written(session: Session, actor: Actor, account: SenderAccount, parsed: Reply, *, now: datetime) -> Message | None:
    author = _author(session, actor, parsed, now=now)
    if author is None or author.handle.address_norm == account.address.lower():
        return None
    original = _original(session, references=_named(parsed), token=parsed.token)
    if original is not None:
        _arrived(session, actor, original, now=now)
        if author.contact is None and author.handle.company_id is None:
            author = _adopted(session, actor, author, original)
    at = min(parsed.occurred_at or now, now)
    conversation = _conversation(session, account, author, original, parsed, at=at, now=now)
    is_automatic = isinstance(parsed, AutoReply)
    message = Message(
        id=new_id(),
        direction=MessageDirection.INBOUND.value,
        channel=account.channel,
        purpose=Purpose.REPLY.value,
        state=MessageState.RECEIVED.value,
        contact_id=author.contact.id if author.contact else None,
        handle_id=author.handle.id,
        account_id=account.id,
        conversation_id=conversation.id,
        in_reply_to_id=original.id if original else None,
        remote_id=parsed.event_id,
        sent_at=at,
        created_at=now,
        updated_at=now,
    )
    session.add(message)
    session.flush()
    session.add(MessageText(message_id=message.id, subject=parsed.subject, body=hide_tokens(parsed.text)))
    if not is_automatic and not parsed.opt_out:
        conversations.note_inbound(conversation, at=at)
    else:
        conversation.last_at = max(conversation.last_at, at)
    session.flush()
    interactions.log(
        session,
        actor,
        kind=InteractionKind.MESSAGE_RECEIVED,
        direction=Direction.INBOUND,
        contact_id=message.contact_id,
        company_id=None if message.contact_id else author.handle.company_id,
        handle_id=author.handle.id,
        channel=account.channel,
        happened_at=at,
        subject=parsed.subject,
        body=hide_tokens(parsed.text),
        external_id=parsed.event_id,
        source_kind="message",
        source_id=message.id,
        is_automatic=is_automatic,
        now=now,
    )
    if parsed.opt_out:
        _opted_out(session, actor, author, ChannelKind(account.channel), parsed.text, now=now)
    elif not is_automatic and message.contact_id is not None:
        publish(
            session,
            ReplyReceived(
                workspace_id=actor.workspace_id,
                now=now,
                contact_id=message.contact_id,
                conversation_id=conversation.id,
                message_id=message.id,
            ),
        )
    return message


def _named(parsed: Reply) -> Sequence[str]:
    """The Message-IDs an answer names, the nearest first."""
    first = [parsed.in_reply_to] if parsed.in_reply_to else []
    return list(dict.fromkeys([*first, *reversed(parsed.references)]))


def _author(session: Session, actor: Actor, parsed: Reply, *, now: datetime) -> _Author | None:
    """Whose address it is; a new address is kept as a stranger's. None when there is no usable address."""
    try:
        known = normalise(ChannelKind.EMAIL, parsed.from_address)
    except AddressError:
        return None
    handle = contacts.handle_by_address(session, actor, channel=ChannelKind.EMAIL, address_norm=known.address_norm)
    if handle is None:
        # Whoever was erased and writes again may be written to again, and is somebody new.
        erased.came_back(session, actor, channel=ChannelKind.EMAIL, address_norm=known.address_norm, now=now)
        handle = contact_services.add_handle(
            session,
            actor,
            channel=ChannelKind.EMAIL,
            address=known.address,
            display_name=parsed.from_name,
            now=now,
        )
    contact = session.get(Contact, handle.contact_id) if handle.contact_id else None
    return _Author(contact, handle)


def _adopted(session: Session, actor: Actor, author: _Author, original: Message) -> _Author:
    """An answer from an address nobody owns belongs to the person we wrote to; the address stays a stranger's."""
    if original.contact_id is None:
        return author
    found = contacts.contacts(session, actor, contact_ids=[original.contact_id])
    return _Author(found.get(original.contact_id), author.handle)


def _original(session: Session, *, references: Sequence[str], token: str | None) -> Message | None:
    """The message of ours that an answer, bounce or complaint is about."""
    for reference in references:
        found = session.scalars(select(Message).where(Message.reference == reference)).one_or_none()
        if found is not None:
            return found
    message_id = links().read_reply_token(token) if token else None
    return session.get(Message, message_id) if message_id else None


def _conversation(
    session: Session,
    account: SenderAccount,
    author: _Author,
    original: Message | None,
    parsed: Reply,
    *,
    at: datetime,
    now: datetime,
) -> Conversation:
    contact_id = author.contact.id if author.contact else None
    if original is not None and original.conversation_id is not None and original.contact_id == contact_id:
        return conversations.load(session, original.conversation_id, lock=True)
    conversation = conversations.ensure(
        session,
        channel=ChannelKind(account.channel),
        account_id=account.id,
        contact_id=contact_id,
        handle_id=author.handle.id,
        subject=parsed.subject,
        at=at,
        now=now,
    )
    if original is not None and original.conversation_id is None and original.contact_id == contact_id:
        # What we wrote first (a promotion) belongs to the exchange that it began.
        original.conversation_id = conversation.id
    return conversation


def _opted_out(
    session: Session, actor: Actor, author: _Author, channel: ChannelKind, text: str, *, now: datetime
) -> None:
    """A stop word ends everything but answers on this channel; a stranger's address is suppressed."""
    if author.contact is None:
        consent.suppress(
            session,
            actor,
            channel=channel,
            address_norm=author.handle.address_norm,
            reason=SuppressionReason.ASKED,
            now=now,
        )
        return
    for purpose in (ConsentPurpose.PROMOTIONAL, ConsentPurpose.PERSONAL):
        consent.record(
            session,
            actor,
            contact_id=author.contact.id,
            purpose=purpose,
            channel=channel,
            action=ConsentAction.WITHDRAWN,
            basis=Basis.CONSENT,
            source="stop_word",
            wording=text[:200],
            happened_at=now,
            now=now,
        )


# The channel tells what became of something we sent


#: Nobody but the recipient's side knows our Message-ID: news that names it proves that a copy left.
_UNDECIDED = (MessageState.UNCERTAIN, MessageState.SCHEDULED, MessageState.HELD)


def _arrived(session: Session, actor: Actor, original: Message, *, now: datetime) -> None:
    """Whoever answers or complains has got it: an uncertain message is settled by that.

    So is one that waits for another try, which would be a second copy. While the try still runs, the news is parked as
    a delivery, and the clock settles the message when the try has an end that nobody understands.
    """
    state = MessageState(original.state)
    if state is MessageState.SENDING:
        _delivery(session, original.id, DeliveryState.DELIVERED, now=now)
    elif state in _UNDECIDED and original.tries > 0:
        mark_sent(session, actor, original.id, when=state, now=now)


def _delivery(session: Session, message_id: UUID, state: DeliveryState, *, now: datetime) -> None:
    """Note a receipt, unless a worse one is known: a late "delivered" never hides a bounce."""
    rank = case({known.value: number for known, number in _SEVERITY.items()}, value=Message.delivery, else_=0)
    session.execute(
        update(Message)
        .where(Message.id == message_id, rank < _SEVERITY[state])
        .values(delivery=state.value, delivery_at=now)
        .execution_options(synchronize_session=False)
    )


_DELIVERIES = {
    BounceAction.FAILED: DeliveryState.BOUNCED,
    BounceAction.DELAYED: DeliveryState.DELAYED,
    BounceAction.DELIVERED: DeliveryState.DELIVERED,
}


def _bounced(session: Session, actor: Actor, parsed: Bounce, *, now: datetime) -> None:
    references = [parsed.original_reference] if parsed.original_reference else []
    original = _original(session, references=references, token=parsed.token)
    if original is None:
        # Anybody can write a bounce: one that names nothing we sent changes nothing.
        return
    for recipient in parsed.recipients:
        state = _DELIVERIES.get(recipient.action)
        if state is not None:
            _arrived(session, actor, original, now=now)
            _delivery(session, original.id, state, now=now)
        if (
            recipient.action is BounceAction.FAILED
            and recipient.outcome is OutcomeKind.PERMANENT
            and original.handle_id
        ):
            contact_services.set_handle_state(
                session,
                actor,
                handle_id=original.handle_id,
                state=HandleState.BOUNCED,
                reason=recipient.status or "bounced",
                now=now,
            )


def _complained(session: Session, actor: Actor, parsed: Complaint, *, now: datetime) -> None:
    """Nothing goes any more to the address of who said "this is spam", and nothing promotional to that person."""
    references = [parsed.original_reference] if parsed.original_reference else []
    original = _original(session, references=references, token=None)
    if original is None or original.handle_id is None:
        return
    _arrived(session, actor, original, now=now)
    _delivery(session, original.id, DeliveryState.COMPLAINED, now=now)
    handle = session.get_one(Handle, original.handle_id)
    consent.suppress(
        session,
        actor,
        channel=ChannelKind(original.channel),
        address_norm=handle.address_norm,
        reason=SuppressionReason.COMPLAINT,
        now=now,
    )
    if original.contact_id is not None:
        consent.record(
            session,
            actor,
            contact_id=original.contact_id,
            purpose=ConsentPurpose.PROMOTIONAL,
            channel=None,
            action=ConsentAction.WITHDRAWN,
            basis=Basis.CONSENT,
            source="complaint",
            happened_at=now,
            now=now,
        )

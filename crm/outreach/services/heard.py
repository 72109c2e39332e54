"""Owns what people bring in by hand: answers that came outside of any account, and public words about the house."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.addresses import BY_ID, AddressError, normalise
from crm.channels.assisted import ASSISTED_CHANNELS
from crm.channels.base import ChannelKind, PublicPost, Reply
from crm.channels.sentences import N_
from crm.contacts import queries as contacts
from crm.contacts import services as contact_services
from crm.contacts.models import Handle
from crm.errors import InvalidInputError
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind, Sentiment, Visibility
from crm.interactions.models import Interaction
from crm.outreach.models import Conversation, Message, SenderAccount
from crm.outreach.pasted import Said
from crm.outreach.queries.verdicts import best_handles
from crm.outreach.services import conversations, statements
from crm.outreach.services.written import written
from crm.roundtrip import Step, array, together


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of words that were brought in: the new messages, and how many were there already."""

    messages: tuple[Message, ...]
    known: int


def hear(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    channel: ChannelKind,
    said: Sequence[Said],
    now: datetime,
) -> Heard:
    """Take in what a person answered outside of any account, as any other answer: conversation, stop words, campaigns.

    The same words brought in twice are one message. Raises `InvalidInputError` where the person has no address there,
    and the contact's not-found error.
    """
    actor.require(Permission.WRITE)
    contacts.contact(session, actor, contact_id=contact_id)
    if channel not in ASSISTED_CHANNELS:
        sentence = N_("Words of this channel come in by themselves.")
        raise InvalidInputError(sentence, code="not_by_hand", fields={"channel": sentence})
    handle = best_handles(session, contact_ids=[contact_id], channel=channel).get(contact_id)
    if handle is None:
        sentence = N_("This person has no address on this channel.")
        raise InvalidInputError(sentence, code="no_handle", fields={"channel": sentence})
    place = _place(actor, channel)
    made: list[Message] = []
    for one in sorted(said, key=lambda each: each.at or now):
        at = one.at or now
        # What has no time of its own is told apart by its day: a button pressed twice brings it in once.
        moment = one.at.isoformat() if one.at else now.date().isoformat()
        reply = Reply(
            event_id=_key(handle, moment, one.text, one.number),
            occurred_at=at,
            from_address="" if handle.address_norm.startswith(BY_ID) else handle.address,
            platform_id=handle.platform_id if handle.address_norm.startswith(BY_ID) else None,
            text=one.text,
            full_text=one.text,
        )
        message = written(session, actor, place, reply, now=now)
        if message is not None:
            made.append(message)
    return Heard(tuple(made), len(said) - len(made))


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A comment or mention that everybody can read, as somebody saw it.

    `author` is the name on the network of whoever wrote, when it is nobody known by `contact_id`.
    """

    channel: ChannelKind
    post_url: str
    text: str
    contact_id: UUID | None = None
    author: str = ""
    author_name: str = ""
    parent_url: str = ""
    is_negative: bool = False
    at: datetime | None = None


def log_public_post(session: Session, actor: Actor, *, post: Posted, now: datetime) -> Message:
    """Take in a public comment or mention: a public conversation, and the timeline of whoever wrote it.

    A negative one waits as a complaint and counts for the alert about unusually many. Brought in twice it is one.
    Raises `InvalidInputError` by field.
    """
    actor.require(Permission.WRITE)
    handle = _author(session, actor, post, now=now)
    place = _place(actor, post.channel)
    event_id = _key(handle, post.post_url, post.text, 1)
    known = _known(session, post.channel, event_id)
    if known is not None:
        return known
    parsed = PublicPost(
        event_id=event_id,
        occurred_at=post.at or now,
        from_address=handle.address,
        from_name=post.author_name,
        text=post.text,
        full_text=post.text,
        post_url=post.post_url,
        parent_url=post.parent_url,
    )
    message = written(session, actor, place, parsed, now=now)
    if message is None:
        sentence = N_("This can’t be taken in.")
        raise InvalidInputError(sentence, code="unusable")
    if post.is_negative:
        for entry in _entries(session, [message.id]):
            interactions.set_sentiment(session, actor, interaction_id=entry.id, sentiment=Sentiment.NEGATIVE, now=now)
    return message


def answered_there(
    session: Session, actor: Actor, *, conversation_id: UUID, answer_url: str = "", text: str = "", now: datetime
) -> Conversation:
    """Note that somebody of us answered where everybody reads it, with the address and words of the answer if given."""
    actor.require(Permission.WRITE)
    found = conversations.load(session, conversation_id, lock=True)
    if found.visibility != Visibility.PUBLIC:
        raise InvalidInputError(N_("This is no public conversation."), code="not_public")
    for entry in _entries(session, _inbound(session, conversation_id)):
        interactions.mark_answered(session, actor, interaction_id=entry.id, now=now)
    interactions.log(
        session,
        actor,
        kind=InteractionKind.COMMENT,
        direction=Direction.OUTBOUND,
        contact_id=found.contact_id,
        handle_id=found.handle_id,
        channel=found.channel,
        happened_at=now,
        body=text,
        visibility=Visibility.PUBLIC,
        post_url=answer_url or found.post_url,
        now=now,
    )
    together(session, Step(statements.ANSWERED, {"ids": array([conversation_id]), "since": now, "now": now}))
    session.refresh(found)
    return found


def _inbound(session: Session, conversation_id: UUID) -> Sequence[UUID]:
    wanted = select(Message.id).where(Message.conversation_id == conversation_id, Message.direction == "inbound")
    return session.scalars(wanted).all()


def _entries(session: Session, message_ids: Sequence[UUID]) -> Sequence[Interaction]:
    """What stands on timelines about messages."""
    if not message_ids:
        return []
    of_messages = select(Interaction).where(
        Interaction.source_kind == "message", Interaction.source_id.in_(message_ids), Interaction.removed_at.is_(None)
    )
    return session.scalars(of_messages).all()


def _author(session: Session, actor: Actor, post: Posted, *, now: datetime) -> Handle:
    """The address of whoever wrote on that network, made where it is new."""
    if post.contact_id is not None:
        contacts.contact(session, actor, contact_id=post.contact_id)
        known = best_handles(session, contact_ids=[post.contact_id], channel=post.channel).get(post.contact_id)
        if known is not None and not post.author:
            return known
    if not post.author:
        sentence = N_("Write the name of whoever wrote it, as it stands on the network.")
        raise InvalidInputError(sentence, fields={"author": sentence})
    try:
        named = normalise(post.channel, post.author)
    except AddressError as error:
        raise InvalidInputError(error.sentence, code=error.code, fields={"author": error.sentence}) from error
    there = contacts.handle_by_address(session, actor, channel=post.channel, address_norm=named.address_norm)
    if there is not None:
        return there
    return contact_services.add_handle(
        session,
        actor,
        contact_id=post.contact_id,
        channel=post.channel,
        address=named.address,
        display_name=post.author_name,
        now=now,
    )


def _known(session: Session, channel: ChannelKind, event_id: str) -> Message | None:
    wanted = select(Message).where(
        Message.account_id.is_(None), Message.remote_id == event_id, Message.channel == channel
    )
    return session.scalars(wanted.limit(1)).one_or_none()


def _place(actor: Actor, channel: ChannelKind) -> SenderAccount:
    """Where words arrive that no account heard: it stands for one, and nobody keeps it."""
    return SenderAccount(public_id=actor.workspace_id, channel=channel.value, address="")


def _key(handle: Handle, *parts: object) -> str:
    named = "\x1f".join((handle.channel, handle.address_norm, *map(str, parts)))
    return "hand:" + hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:40]

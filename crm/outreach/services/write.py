"""Owns writing one message to one person: now with time to take it back, at a time, as an answer, or for the hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Handle
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError
from crm.files.models import StoredFile
from crm.outreach.content import render
from crm.outreach.kinds import ConversationState, MessageDirection, MessageState
from crm.outreach.letter_models import MessageFile
from crm.outreach.models import Conversation, Message, MessageText, SenderAccount
from crm.outreach.moments import check_moment
from crm.outreach.queries.verdicts import best_handles, verdict
from crm.outreach.reasons import sentence
from crm.outreach.rules import Disposition, Verdict
from crm.outreach.services import conversations
from crm.outreach.services.accounts import choose_account
from crm.outreach.services.compose import RICH, Recipient, Thread, Words, check_words, freeze, values_of
from crm.outreach.services.network_templates import ChosenTemplate, approved_words
from crm.outreach.services.transitions import Moved, move, tell
from crm.outreach.variables import check_fields
from crm.settings import current


class BlockedError(ConflictError):
    """The gate says no, and no waiting helps; `verdict` says why and what to do instead."""

    def __init__(self, answer: Verdict) -> None:
        reason = answer.reason.value if answer.reason else "blocked"
        super().__init__(sentence(reason), code=reason)
        self.verdict = answer


class MissingValuesError(InvalidInputError):
    """The text uses variables that have no value for this person; `names` lists them."""

    code = "missing_values"

    def __init__(self, names: Sequence[str]) -> None:
        sentence_ = N_("The text needs something that is missing for this person.")
        super().__init__(sentence_, fields={"body": sentence_})
        self.names = tuple(names)


class TooLateError(ConflictError):
    """The message is under way already."""

    code = "too_late"


@dataclass(frozen=True, slots=True)
class _Target:
    """Whom, through what, and within which exchange."""

    contact: Contact | None
    handle: Handle
    account: SenderAccount | None
    conversation: Conversation | None


def write(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    channel: ChannelKind,
    subject: str,
    body: str,
    purpose: Purpose,
    send_at: datetime | None = None,
    account_id: UUID | None = None,
    handle_id: UUID | None = None,
    voucher_id: UUID | None = None,
    values: Mapping[str, Mapping[str, Any]] | None = None,
    files: Sequence[StoredFile] = (),
    chosen: ChosenTemplate | None = None,
    now: datetime,
) -> Message:
    """One message to one person, approved by its writer.

    `send_at` None leaves `undo_seconds` ahead, so that it can be taken back; a time in the past is refused. On
    channels without a machine it becomes an assisted message: the text is ready, a person sends it. Subject and body
    may use the variables of templates; `values` adds groups (`voucher`, `offer`); `files` are those of `keep_uploads`,
    and travel with e-mail alone. With a `chosen` template the words are the network's own, and `body` counts for
    nothing. Raises `InvalidInputError` by field,
    `BlockedError`, `ForbiddenError` and the contact's not-found error.
    """
    actor.require(Permission.WRITE)
    _check_files(files, channel)
    contact = contacts.contact(session, actor, contact_id=contact_id)
    handle = _handle(session, actor, contact_id=contact_id, channel=channel, handle_id=handle_id)
    account = _account(session, actor, channel=channel, account_id=account_id)
    conversation = None
    if purpose is Purpose.REPLY:
        conversation = _open_conversation(session, contact_id=contact_id, channel=channel)
    target = _Target(contact, handle, account, conversation)
    at = _moment(send_at, now=now)
    _ask(session, actor, contact_id, channel=channel, purpose=purpose, at=at, chosen=chosen, now=now)
    words = _words(session, actor, target, channel=channel, subject=subject, body=body, values=values, chosen=chosen)
    return _make(
        session,
        actor,
        target,
        words,
        channel=channel,
        purpose=purpose,
        at=at,
        voucher_id=voucher_id,
        files=files,
        now=now,
    )


def reply(
    session: Session,
    actor: Actor,
    *,
    conversation_id: UUID,
    body: str,
    subject: str = "",
    send_at: datetime | None = None,
    files: Sequence[StoredFile] = (),
    chosen: ChosenTemplate | None = None,
    now: datetime,
) -> Message:
    """Answer in a conversation, on its channel and from its account, also to somebody not yet known.

    With a `chosen` template the words are the network's own, and `body` counts for nothing.
    """
    actor.require(Permission.WRITE)
    conversation = conversations.load(session, conversation_id, lock=True)
    if conversation.merged_into_id is not None:
        # The other may be on another channel: nobody's words go there unseen.
        raise ConflictError(N_("This thread has gone up in another one: answer there."), code="merged_already")
    if conversation.state == ConversationState.CLOSED:
        conversation.state = ConversationState.WAITING.value
    channel = ChannelKind(conversation.channel)
    _check_files(files, channel)
    contact = None
    if conversation.contact_id is not None:
        contact = contacts.contact(session, actor, contact_id=conversation.contact_id)
    handle_id = conversation.handle_id
    if handle_id is None and contact is not None:
        handle = _handle(session, actor, contact_id=contact.id, channel=channel, handle_id=None)
    elif handle_id is not None:
        handle = contacts.handle(session, actor, handle_id=handle_id)
    else:
        raise InvalidInputError(N_("There is nobody to answer."))
    account = _account(session, actor, channel=channel, account_id=conversation.account_id)
    target = _Target(contact, handle, account, conversation)
    at = _moment(send_at, now=now)
    if contact is not None:
        _ask(session, actor, contact.id, channel=channel, purpose=Purpose.REPLY, at=at, chosen=chosen, now=now)
    title = subject or _answering(conversation.subject)
    words = _words(session, actor, target, channel=channel, subject=title, body=body, chosen=chosen)
    return _make(session, actor, target, words, channel=channel, purpose=Purpose.REPLY, at=at, files=files, now=now)


def _check_files(files: Sequence[StoredFile], channel: ChannelKind) -> None:
    if files and channel is not ChannelKind.EMAIL:
        sentence_ = N_("Files travel by e-mail alone.")
        raise InvalidInputError(sentence_, code="no_files_here", fields={"files": sentence_})


def _ask(
    session: Session, actor: Actor, contact_id: UUID, *, chosen: ChosenTemplate | None, now: datetime, **about: Any
) -> None:
    """The gate, before anything is written; raises `BlockedError` where no waiting helps."""
    has_template = chosen is not None
    answer = verdict(session, actor, contact_id=contact_id, has_template=has_template, now=now, **about)
    if answer.disposition is Disposition.SKIP:
        raise BlockedError(answer)


def _answering(subject: str) -> str:
    return subject if subject[:3].lower() == "re:" or not subject else f"Re: {subject}"


def _moment(send_at: datetime | None, *, now: datetime) -> datetime:
    if send_at is None:
        return now + timedelta(seconds=current().undo_seconds)
    check_moment(send_at, now=now, field="send_at")
    return max(send_at, now)


def _handle(
    session: Session, actor: Actor, *, contact_id: UUID, channel: ChannelKind, handle_id: UUID | None
) -> Handle:
    if handle_id is not None:
        handle = contacts.handle(session, actor, handle_id=handle_id)
        if handle.contact_id == contact_id and handle.channel == channel:
            return handle
    else:
        found = best_handles(session, contact_ids=[contact_id], channel=channel).get(contact_id)
        if found is not None:
            return found
    sentence_ = N_("This person has no address on this channel.")
    raise InvalidInputError(sentence_, code="no_handle", fields={"channel": sentence_})


def _account(session: Session, actor: Actor, *, channel: ChannelKind, account_id: UUID | None) -> SenderAccount | None:
    """The sender account; None on a channel that a person serves by hand."""
    account = choose_account(session, channel=channel, account_id=account_id, owner_id=actor.user_id)
    if account is None and channel is ChannelKind.EMAIL:
        sentence_ = N_("There is no e-mail account to send from. Add one in the settings.")
        raise InvalidInputError(sentence_, code="no_account", fields={"account_id": sentence_})
    if account is not None and account.channel != channel:
        sentence_ = N_("This account belongs to another channel.")
        raise InvalidInputError(sentence_, code="other_channel", fields={"account_id": sentence_})
    return account


def _open_conversation(session: Session, *, contact_id: UUID, channel: ChannelKind) -> Conversation:
    """The conversation an answer belongs to: one in which the person wrote."""
    found = session.scalars(
        select(Conversation)
        .where(
            Conversation.contact_id == contact_id,
            Conversation.channel == channel,
            Conversation.last_inbound_at.is_not(None),
        )
        .order_by(Conversation.last_at.desc(), Conversation.id.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        sentence_ = N_("This person has not written on this channel, so there is nothing to answer.")
        raise InvalidInputError(sentence_, code="nothing_to_answer", fields={"purpose": sentence_})
    return found


def _make(
    session: Session,
    actor: Actor,
    target: _Target,
    words: Words,
    *,
    channel: ChannelKind,
    purpose: Purpose,
    at: datetime,
    voucher_id: UUID | None = None,
    files: Sequence[StoredFile] = (),
    now: datetime,
) -> Message:
    contact_id = target.contact.id if target.contact else None
    account_id = target.account.id if target.account else None
    conversation = target.conversation or conversations.ensure(
        session,
        channel=channel,
        account_id=account_id,
        contact_id=contact_id,
        handle_id=target.handle.id,
        subject=words.subject,
        now=now,
    )
    thread, answered_id = thread_of(session, conversation.id)
    message = Message(
        id=new_id(),
        direction=MessageDirection.OUTBOUND.value,
        channel=channel.value,
        purpose=purpose.value,
        state=MessageState.SCHEDULED.value,
        contact_id=contact_id,
        handle_id=target.handle.id,
        account_id=account_id,
        conversation_id=conversation.id,
        voucher_id=voucher_id,
        in_reply_to_id=answered_id,
        planned_at=at,
        due_at=at,
        is_assisted=target.account is None,
        approved_by_id=actor.user_id,
        approved_at=now,
        created_by_id=actor.user_id,
        created_at=now,
        updated_at=now,
    )
    frozen = freeze(
        session,
        actor,
        message=message,
        words=words,
        handle=target.handle,
        contact=target.contact,
        account=target.account,
        thread=thread,
        files=files,
        now=now,
    )
    session.add(message)
    session.flush()
    session.add_all([frozen, MessageText(message_id=message.id, subject=words.subject, body=words.body)])
    session.add_all(
        MessageFile(message_id=message.id, file_id=file.id, position=number) for number, file in enumerate(files)
    )
    session.flush()
    tell(session, actor, [Moved(message.id, contact_id, voucher_id)], state=MessageState.SCHEDULED, now=now)
    return message


def _words(
    session: Session,
    actor: Actor,
    target: _Target,
    *,
    channel: ChannelKind,
    subject: str,
    body: str,
    values: Mapping[str, Mapping[str, Any]] | None = None,
    chosen: ChosenTemplate | None = None,
) -> Words:
    """What the person wrote with its variables filled; complains about the fields."""
    if chosen is not None:
        return approved_words(session, account=target.account, chosen=chosen)
    check_words(channel, subject=subject, body=body)
    check_fields(subject=subject, body=body)
    words, missing = fill_words(
        session, actor, target.contact, target.account, channel=channel, subject=subject, body=body, values=values
    )
    if missing:
        raise MissingValuesError(missing)
    return words


def fill_words(
    session: Session,
    actor: Actor,
    contact: Contact | None,
    account: SenderAccount | None,
    *,
    channel: ChannelKind,
    subject: str,
    body: str,
    values: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Words, tuple[str, ...]]:
    """Subject and body with variables filled, `values` beside the person's, and the names of those without value."""
    if "{{" not in subject + body and "{%" not in subject + body:
        return Words(subject=subject.strip(), body=body.strip()), ()
    known: Mapping[str, Mapping[str, Any]] = values or {}
    if contact is not None:
        recipient = Recipient(contact=contact, company=contact.company)
        known = values_of(session, actor, recipient, account=account, extra=values)
    filled = render(subject, body, known, is_rich=channel in RICH)
    return Words(subject=filled.subject, body=filled.body), filled.missing


def thread_of(session: Session, conversation_id: UUID | None) -> tuple[Thread, UUID | None]:
    """The Message-IDs of a conversation, oldest first, and the message that an answer answers."""
    if conversation_id is None:
        return Thread(), None
    rows = session.execute(
        select(Message.id, Message.channel, Message.direction, Message.reference, Message.remote_id)
        .where(
            Message.conversation_id == conversation_id,
            Message.state.in_([MessageState.SENT.value, MessageState.RECEIVED.value]),
        )
        .order_by(Message.created_at, Message.id)
    ).all()
    named = [(row.id, name) for row in rows if (name := _name_in_thread(row))]
    if not named:
        return Thread(), rows[-1].id if rows else None
    return Thread(in_reply_to=named[-1][1], references=[name for _, name in named]), named[-1][0]


def _name_in_thread(row: Any) -> str | None:
    """What an answer calls a message: mail names its whole thread, a chat what the person wrote."""
    if row.direction == MessageDirection.INBOUND:
        return row.remote_id
    return row.reference if row.channel == ChannelKind.EMAIL else None


def take_back(session: Session, actor: Actor, *, message_id: UUID, now: datetime) -> Message:
    """Undo "send now" while it still waits; raises `TooLateError` when it is under way."""
    actor.require(Permission.WRITE)
    moved = move(
        session,
        actor,
        message_ids=[message_id],
        when=[MessageState.SCHEDULED],
        to=MessageState.CANCELLED,
        now=now,
        reason="taken_back",
    )
    if not moved:
        raise TooLateError(N_("It is too late: the message is under way."))
    return session.get_one(Message, message_id, populate_existing=True)

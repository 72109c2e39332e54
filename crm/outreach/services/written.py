"""Owns what people (or their machines) wrote to us: its conversation, the timeline, stop words, start links."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import AutoReply, ChannelKind, PublicPost, Reply, Started
from crm.channels.quotes import is_stop_word
from crm.consent import services as consent
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose, SuppressionReason
from crm.db import new_id
from crm.events import ReplyReceived, publish
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind, Visibility
from crm.outreach.kinds import MessageDirection, MessageState
from crm.outreach.links import hide_tokens
from crm.outreach.models import Conversation, Message, MessageText, SenderAccount
from crm.outreach.services import conversations
from crm.outreach.services.authors import Author, adopted, author_of
from crm.outreach.services.letters import keep_letter
from crm.outreach.services.news import already_received, arrived, original_of
from crm.outreach.services.start_links import redeem
from crm.outreach.setup import files_folder


def written(
    session: Session,
    actor: Actor,
    account: SenderAccount,
    parsed: Reply,
    *,
    now: datetime,
    entries: list[interactions.Entry] | None = None,
) -> Message | None:
    """Take in what somebody wrote; None when nobody usable wrote it, or it was told before.

    With `entries` its entry on the timeline is put there, for whoever logs those of many events at once.
    """
    if already_received(session, account, parsed.event_id):
        return None
    author = author_of(session, actor, account, parsed, now=now)
    if author is None:
        return None
    if isinstance(parsed, Started):
        author = _started(session, actor, account, parsed, author, now=now)
        if not parsed.text.strip():
            return None
    original = original_of(session, account, references=_named(parsed), token=parsed.token)
    if original is not None:
        arrived(session, actor, original, now=now)
        if author.contact_id is None and author.handle.company_id is None and parsed.platform_id is None:
            author = adopted(session, actor, author, original)
    at = min(parsed.occurred_at or now, now)
    conversation = _conversation(session, account, author, original, parsed, at=at, now=now)
    message = _kept(
        session, account, author, conversation=conversation, original=original, parsed=parsed, at=at, now=now
    )
    opts_out = _opts_out(account, parsed)
    if not isinstance(parsed, AutoReply) and not opts_out:
        conversations.note_inbound(conversation, at=at)
    else:
        conversation.last_at = max(conversation.last_at, at)
    session.flush()
    entry = _entry(account, author, message=message, parsed=parsed, at=at)
    if entries is None:
        interactions.log_many(session, actor, entries=[entry], now=now)
    else:
        entries.append(entry)
    _took_effect(session, actor, author, message, parsed, opts_out=opts_out, now=now)
    return message


def _took_effect(
    session: Session, actor: Actor, author: Author, message: Message, parsed: Reply, *, opts_out: bool, now: datetime
) -> None:
    """A stop word ends what we send; any other answer of a person is told to whoever waits for one."""
    if opts_out:
        _opted_out(session, actor, author, ChannelKind(message.channel), parsed.text, now=now)
    elif (
        message.contact_id is not None
        and message.conversation_id is not None
        and not isinstance(parsed, AutoReply | PublicPost)
    ):
        publish(
            session,
            ReplyReceived(
                workspace_id=actor.workspace_id,
                now=now,
                contact_id=message.contact_id,
                conversation_id=message.conversation_id,
                message_id=message.id,
            ),
        )


def _named(parsed: Reply) -> Sequence[str]:
    """The messages an answer names, the nearest first."""
    first = [parsed.in_reply_to] if parsed.in_reply_to else []
    return list(dict.fromkeys([*first, *reversed(parsed.references)]))


def _opts_out(account: SenderAccount, parsed: Reply) -> bool:
    """Whether the whole message is a stop word; below a public post it speaks to everybody, not to us."""
    if isinstance(parsed, PublicPost):
        return False
    return parsed.opt_out or (account.channel != ChannelKind.EMAIL and is_stop_word(parsed.text))


def _started(
    session: Session, actor: Actor, account: SenderAccount, parsed: Started, author: Author, *, now: datetime
) -> Author:
    """The link says who they are; without a good one they stay a stranger, or who they were."""
    handle = redeem(session, actor, token=parsed.payload, account_id=account.id, handle=author.handle, now=now)
    found = Author(handle.contact_id, handle)
    interactions.log(
        session,
        actor,
        kind=InteractionKind.FOLLOW,
        direction=Direction.INBOUND,
        contact_id=found.contact_id,
        company_id=handle.company_id,
        handle_id=handle.id,
        channel=account.channel,
        happened_at=min(parsed.occurred_at or now, now),
        external_id=_external_id(account, f"start:{parsed.event_id}"),
        now=now,
    )
    return found


def _external_id(account: SenderAccount, event_id: str) -> str:
    """The id of an event on the timeline. Mail has ids that are unique everywhere, the others within the account."""
    return event_id if account.channel == ChannelKind.EMAIL else f"{account.public_id.hex}:{event_id}"


def _conversation(
    session: Session,
    account: SenderAccount,
    author: Author,
    original: Message | None,
    parsed: Reply,
    *,
    at: datetime,
    now: datetime,
) -> Conversation:
    contact_id = author.contact_id
    post_url = (parsed.parent_url or parsed.post_url) if isinstance(parsed, PublicPost) else ""
    if original is not None and original.conversation_id is not None and original.contact_id == contact_id:
        # Two threads may be put together at this moment: what comes in belongs where people look.
        joined = conversations.load_kept(session, original.conversation_id)
        if contact_id is not None or joined.handle_id == author.handle.id:
            return joined
    conversation = conversations.ensure(
        session,
        channel=ChannelKind(account.channel),
        account_id=account.id,
        contact_id=contact_id,
        handle_id=author.handle.id,
        subject=parsed.subject,
        post_url=post_url,
        at=at,
        now=now,
    )
    if original is not None and original.conversation_id is None and original.contact_id == contact_id:
        # What we wrote first (a promotion) belongs to the exchange that it began.
        original.conversation_id = conversation.id
    return conversation


def _kept(
    session: Session,
    account: SenderAccount,
    author: Author,
    *,
    conversation: Conversation,
    original: Message | None,
    parsed: Reply,
    at: datetime,
    now: datetime,
) -> Message:
    message = Message(
        id=new_id(),
        direction=MessageDirection.INBOUND.value,
        channel=account.channel,
        purpose=Purpose.REPLY.value,
        state=MessageState.RECEIVED.value,
        contact_id=author.contact_id,
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
    keep_letter(session, message.id, html=parsed.html, files=parsed.attachments, folder=files_folder())
    return message


def _entry(
    account: SenderAccount, author: Author, *, message: Message, parsed: Reply, at: datetime
) -> interactions.Entry:
    """The entry on the timeline: a message, or what they wrote where everybody reads it."""
    kind, visibility, post_url = InteractionKind.MESSAGE_RECEIVED, Visibility.TEAM, ""
    if isinstance(parsed, PublicPost):
        kind = InteractionKind.COMMENT if parsed.parent_url else InteractionKind.MENTION
        visibility, post_url = Visibility.PUBLIC, parsed.post_url
    return interactions.Entry(
        kind=kind,
        direction=Direction.INBOUND,
        contact_id=message.contact_id,
        company_id=None if message.contact_id else author.handle.company_id,
        handle_id=author.handle.id,
        channel=account.channel,
        happened_at=at,
        subject=parsed.subject,
        body=hide_tokens(parsed.text),
        external_id=_external_id(account, parsed.event_id),
        source_kind="message",
        source_id=message.id,
        is_automatic=isinstance(parsed, AutoReply),
        visibility=visibility,
        post_url=post_url,
    )


def _opted_out(
    session: Session, actor: Actor, author: Author, channel: ChannelKind, text: str, *, now: datetime
) -> None:
    """A stop word ends everything but answers on this channel; a stranger's address is suppressed."""
    if author.contact_id is None:
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
            contact_id=author.contact_id,
            purpose=purpose,
            channel=channel,
            action=ConsentAction.WITHDRAWN,
            basis=Basis.CONSENT,
            source="stop_word",
            wording=text[:200],
            happened_at=now,
            now=now,
        )

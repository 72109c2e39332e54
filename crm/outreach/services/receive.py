"""Owns what comes in: stored raw once, read by its channel's parser, and each event of it given to whom it concerns."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor, system_actor
from crm.channels.base import Bounce, ChannelKind, Complaint, Inbound, Piece, Reachability, Receipt, Reply, Unread
from crm.channels.inbound import InboundError
from crm.channels.mail_parts import fingerprint
from crm.channels.registry import PARSERS
from crm.db import new_id
from crm.interactions.services import Entry
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.kinds import InboundState
from crm.outreach.models import Message, SenderAccount
from crm.outreach.services import news
from crm.outreach.services.copies import copied_by, record_bcc_mail, speaks_to_us
from crm.outreach.services.written import written

#: Mailbox programs and people send everything; what we look at is bounded before it is parsed.
MAX_RAW: Final = 30 * 1024 * 1024
#: What an event says whose end was not kept: the words come first in a mail, its files are what is missing.
TRUNCATED: Final = "truncated"
#: The longest id of a platform that is kept as it is.
MAX_ID: Final = 1000
#: What people wrote or are called: characters that no text column holds are left out. In an id they are an error.
_WORDS: Final = frozenset({"text", "full_text", "html", "subject", "from_name", "code", "what"})
_MAX_NAME: Final = 200
#: A parked receipt is looked at again after this; the clock's function waits as long.
PARKED_PAUSE: Final = timedelta(seconds=5)
_KEEP_ROWS: Final = {"synchronize_session": False}
_OPEN: Final = (InboundState.STORED.value, InboundState.PARKED.value)


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
            external_id=_kept_id(external_id) if external_id else fingerprint(raw),
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


def store_pieces(session: Session, actor: Actor, *, account_id: UUID, pieces: Sequence[Piece], now: datetime) -> int:
    """`store_inbound` for the events of one delivery with the same two statements; how many are new."""
    rows = {
        _kept_id(piece.event_id): {
            "id": new_id(),
            "workspace_id": actor.workspace_id,
            "account_id": account_id,
            "external_id": _kept_id(piece.event_id),
            "error": TRUNCATED if len(piece.raw) > MAX_RAW else "",
            "state": InboundState.STORED.value,
            "received_at": now,
        }
        for piece in pieces
    }
    if not rows:
        return 0
    stored = set(
        session.scalars(
            insert(InboundEvent)
            .values(list(rows.values()))
            .on_conflict_do_nothing(index_elements=["workspace_id", "account_id", "external_id"])
            .returning(InboundEvent.external_id)
        )
    )
    raw = {_kept_id(piece.event_id): piece.raw[:MAX_RAW] for piece in reversed(pieces)}
    bodies = [
        {"id": new_id(), "workspace_id": actor.workspace_id, "event_id": rows[one]["id"], "raw": raw[one]}
        for one in rows
        if one in stored
    ]
    if bodies:
        session.execute(insert(InboundRaw), bodies)
    return len(bodies)


def _kept_id(external_id: str) -> str:
    """The id as it is, or a digest of one that is too long or holds what no text column takes."""
    if len(external_id) <= MAX_ID and _fits(external_id):
        return external_id
    return f"sha256:{hashlib.sha256(external_id.encode('utf-8', 'surrogatepass')).hexdigest()}"


def receive(session: Session, account: SenderAccount, raw: bytes, now: datetime) -> Message | None:
    """Store and handle in one transaction; None for what is known already or is no message."""
    actor = system_actor(account.workspace_id)
    event_id = store_inbound(session, actor, account_id=account.id, raw=raw, now=now)
    return None if event_id is None else handle_inbound(session, actor, event_id=event_id, now=now)


def handle_inbound(session: Session, actor: Actor, *, event_id: UUID, now: datetime) -> Message | None:
    """Do what a stored piece asks for, once; returns the (first) message it became, if it became one.

    A piece may hold several events. What can't be read is set aside with its error; a receipt whose message is not
    known yet is parked for `news.PARKED_FOR`.
    """
    event = session.scalars(
        select(InboundEvent)
        .where(InboundEvent.id == event_id, InboundEvent.state.in_(_OPEN))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if event is None:
        return None
    raw = session.scalars(select(InboundRaw.raw).where(InboundRaw.event_id == event_id)).one()
    account = session.get_one(SenderAccount, event.account_id)
    stored = Stored(event.id, event.received_at, event.error, raw)
    done = handle_stored(session, actor, account, stored, now=now)
    session.execute(
        update(InboundEvent).where(InboundEvent.id == event_id).values(**done), execution_options=_KEEP_ROWS
    )
    session.expire(event)
    return session.get(Message, done["message_id"]) if done["message_id"] else None


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored piece that this transaction has locked."""

    id: UUID
    received_at: datetime
    error: str
    raw: bytes


def handle_stored(
    session: Session,
    actor: Actor,
    account: SenderAccount,
    stored: Stored,
    *,
    now: datetime,
    entries: list[Entry] | None = None,
) -> dict[str, Any]:
    """`handle_inbound` for a locked piece; the columns of its event as they are to be from now on.

    With `entries` what belongs on timelines is put there, and the caller logs it.
    """
    raw, kind = stored.raw, ""
    try:
        parsed = _read(account, raw)
        copied_for = _copied_for(session, account, parsed, raw)
    except InboundError as error:
        return _ended(InboundState.FAILED, error=str(error)[:200], now=now)
    messages: list[Message] = []
    waits = False
    for one in parsed:
        if (
            copied_for is not None
            and isinstance(one, Reply)
            and not speaks_to_us(session, actor, user_id=copied_for, parsed=one, raw=raw)
        ):
            kind = "copy"
            record_bcc_mail(session, actor, user_id=copied_for, parsed=one, raw=raw, now=now)
            continue
        message, is_known = _handled(session, actor, account, one, now=now, entries=entries)
        messages += [message] if message else []
        waits = waits or not is_known
    # What is handled again must have no effect the second time, and that is true of receipts alone.
    parks = waits and all(isinstance(one, Receipt) for one in parsed) and now - stored.received_at < news.PARKED_FOR
    session.flush()
    return _ended(
        InboundState.PARKED if parks else InboundState.HANDLED,
        kind=kind or ",".join(dict.fromkeys(type(one).__name__.lower() for one in parsed)) or "nothing",
        error=", ".join(one.what[:80] for one in parsed if isinstance(one, Unread))[:200] or stored.error,
        message_id=messages[0].id if messages else None,
        now=now,
    )


def _ended(
    state: InboundState, *, kind: str = "", error: str = "", message_id: UUID | None = None, now: datetime
) -> dict[str, Any]:
    return {"state": state.value, "kind": kind, "error": error, "message_id": message_id, "handled_at": now}


def give_up(session: Session, *, event_id: UUID, error: str, now: datetime) -> None:
    """Set an event aside that can't be handled, so that it doesn't come up for ever."""
    session.execute(
        update(InboundEvent)
        .where(InboundEvent.id == event_id, InboundEvent.state.in_(_OPEN))
        .values(state=InboundState.FAILED.value, error=error[:200], handled_at=now)
        .execution_options(synchronize_session=False)
    )


def _handled(
    session: Session,
    actor: Actor,
    account: SenderAccount,
    event: Inbound,
    *,
    now: datetime,
    entries: list[Entry] | None = None,
) -> tuple[Message | None, bool]:
    """Do what one event asks for: the message it became, and whether what it is about is known."""
    if isinstance(event, Reply):
        return written(session, actor, account, event, now=now, entries=entries), True
    if isinstance(event, Receipt):
        return None, news.receipt(session, actor, account, event, now=now)
    if isinstance(event, Bounce):
        news.bounced(session, actor, account, event, now=now)
    elif isinstance(event, Complaint):
        news.complained(session, actor, account, event, now=now)
    elif isinstance(event, Reachability):
        news.reachability(session, actor, account, event, now=now)
    return None, True


def _read(account: SenderAccount, raw: bytes) -> Sequence[Inbound]:
    """The events of a stored piece. Raises `InboundError` for what can't be read."""
    parser = PARSERS.get(ChannelKind(account.channel))
    if parser is None:
        raise InboundError("no_parser")
    return [_storable(one) for one in parser(raw)]


def _copied_for(session: Session, account: SenderAccount, parsed: Sequence[Inbound], raw: bytes) -> UUID | None:
    """The colleague whose history address a mail went to. Raises `InboundError`."""
    if account.channel != ChannelKind.EMAIL or not any(isinstance(one, Reply) for one in parsed):
        return None
    return copied_by(session, raw)


def _storable(event: Inbound) -> Inbound:
    """The event in texts that a column holds. Raises `InboundError` for an id that can't be kept letter by letter."""
    changed: dict[str, str] = {}
    for one in fields(event):
        value = getattr(event, one.name)
        if not isinstance(value, str):
            continue
        if one.name == "from_name" and len(value) > _MAX_NAME:
            changed[one.name] = value = value[:_MAX_NAME]
        if _fits(value):
            if one.name.endswith("_id") and len(value) > MAX_ID:
                raise InboundError("id_too_long")
        elif one.name in _WORDS:
            changed[one.name] = value.replace("\0", "").encode("utf-8", "replace").decode()
        else:
            raise InboundError("id_unreadable")
    return replace(event, **changed) if changed else event


def _fits(text: str) -> bool:
    """Whether PostgreSQL takes the text: no NUL, no half of a surrogate pair."""
    if text.isascii():
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text

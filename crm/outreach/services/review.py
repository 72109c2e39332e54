"""Owns deciding about drafts and what waits: approve, schedule, hold, release, skip, reject, cancel."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text, and_, cast, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Handle
from crm.outreach.kinds import MessageState
from crm.outreach.models import FrozenContent, Message, MessageText, SenderAccount
from crm.outreach.moments import check_moment
from crm.outreach.queries.gate import among
from crm.outreach.rules import Reason
from crm.outreach.services.compose import TextTooLongError, Words, freeze
from crm.outreach.services.transitions import PENDING, Moved, move, tell
from crm.settings import current

_S = MessageState


@dataclass(frozen=True, slots=True)
class Changed:
    """What a decision about many messages did: whose state changed, and why others' did not."""

    done: tuple[UUID, ...] = ()
    refused: Mapping[UUID, str] = field(default_factory=dict)


def _visible(session: Session, actor: Actor, message_ids: Collection[UUID]) -> list[UUID]:
    """Those of the ids that exist for the actor, in the given order."""
    found = set(
        session.scalars(
            select(Message.id)
            .outerjoin(Contact, Contact.id == Message.contact_id)
            .where(among(Message.id, message_ids), Message.contact_id.is_(None) | contacts.visible(actor))
        )
    )
    return [message_id for message_id in message_ids if message_id in found]


def _decide(
    session: Session,
    actor: Actor,
    message_ids: Collection[UUID],
    *,
    when: Collection[MessageState],
    to: MessageState,
    now: datetime,
    **values: Any,
) -> Changed:
    ids = _visible(session, actor, message_ids)
    moved = move(session, actor, message_ids=ids, when=when, to=to, now=now, **values)
    done = tuple(row.message_id for row in moved)
    return Changed(done, dict.fromkeys(set(ids) - set(done), "other_state"))


def submit(session: Session, actor: Actor, *, message_ids: Collection[UUID], now: datetime) -> Changed:
    """Drafts are ready for review."""
    actor.require(Permission.WRITE)
    return _decide(session, actor, message_ids, when=[_S.DRAFT], to=_S.IN_REVIEW, now=now)


def approve(session: Session, actor: Actor, *, message_ids: Collection[UUID], now: datetime) -> Changed:
    """Freeze the words of drafts: what was approved is what will leave.

    Refused with a code: `text_too_long`, `missing_values`, `no_handle`, `no_account`, `own` (the workspace asks for a
    second person), `other_state`.
    """
    actor.require(Permission.APPROVE)
    ids = _visible(session, actor, message_ids)
    rows = session.execute(
        select(Message, MessageText, Contact, Handle, SenderAccount)
        .join(MessageText, MessageText.message_id == Message.id)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .outerjoin(Handle, and_(Handle.id == Message.handle_id, Handle.deleted_at.is_(None)))
        .outerjoin(SenderAccount, and_(SenderAccount.id == Message.account_id, SenderAccount.deleted_at.is_(None)))
        .where(among(Message.id, ids), Message.state.in_([_S.DRAFT.value, _S.IN_REVIEW.value]))
        .with_for_update(of=Message)
        .execution_options(populate_existing=True)
    ).all()
    house = session.get_one(Workspace, actor.workspace_id)
    refused = dict.fromkeys(set(ids) - {row[0].id for row in rows}, "other_state")
    frozen_before = select(FrozenContent.message_id, FrozenContent.hash)
    approved_before = frozen_before.where(among(FrozenContent.message_id, [row[0].id for row in rows]))
    known = {(row.message_id, row.hash) for row in session.execute(approved_before)}
    moved: list[Moved] = []
    for message, text, contact, handle, account in rows:
        problem = _why_not(message, text, handle, account, actor=actor, house=house)
        if problem is not None or handle is None:
            refused[message.id] = problem or Reason.NO_HANDLE.value
            continue
        words = Words(subject=text.subject, body=text.body)
        try:
            frozen = freeze(
                session,
                actor,
                message=message,
                words=words,
                handle=handle,
                contact=contact,
                account=account,
                now=now,
            )
        except TextTooLongError as error:
            refused[message.id] = error.code
            continue
        # Words that were approved before, then changed and changed back, are frozen already.
        if (message.id, frozen.hash) not in known:
            session.add(frozen)
        message.state, message.reason = _S.APPROVED.value, ""
        message.approved_by_id, message.approved_at = actor.user_id, now
        message.updated_at, message.version = now, message.version + 1
        moved.append(Moved(message.id, message.contact_id, message.voucher_id))
    session.flush()
    tell(session, actor, moved, state=_S.APPROVED, now=now)
    return Changed(tuple(row.message_id for row in moved), refused)


def _why_not(
    message: Message,
    text: MessageText,
    handle: Handle | None,
    account: SenderAccount | None,
    *,
    actor: Actor,
    house: Workspace,
) -> str | None:
    if text.missing:
        return Reason.MISSING_VALUES.value
    if handle is None:
        return Reason.NO_HANDLE.value
    if account is None and message.channel == ChannelKind.EMAIL:
        return Reason.NO_ACCOUNT.value
    if house.second_approval and actor.user_id is not None and message.created_by_id == actor.user_id:
        return "own"
    return None


def reject(
    session: Session, actor: Actor, *, message_ids: Collection[UUID], reason: str = "by_hand", now: datetime
) -> Changed:
    """The reviewer says no to these drafts."""
    actor.require(Permission.APPROVE)
    return _decide(
        session,
        actor,
        message_ids,
        when=[_S.DRAFT, _S.IN_REVIEW, _S.APPROVED, _S.HELD],
        to=_S.REJECTED,
        now=now,
        reason=reason,
        held_until=None,
    )


def skip(
    session: Session, actor: Actor, *, message_ids: Collection[UUID], reason: str = "by_hand", now: datetime
) -> Changed:
    """These people get nothing this time, with a reason."""
    actor.require(Permission.WRITE)
    return _decide(session, actor, message_ids, when=PENDING, to=_S.SKIPPED, now=now, reason=reason, held_until=None)


def schedule(
    session: Session,
    actor: Actor,
    *,
    message_ids: Collection[UUID] = (),
    at: datetime | None = None,
    times: Mapping[UUID, datetime] | None = None,
    now: datetime,
) -> Changed:
    """Agree on when approved messages leave: all `at` one moment, or each at its own of `times`.

    `at` None is `undo_seconds` ahead. Raises `InvalidInputError` for a time in the past or beyond a year.
    """
    actor.require(Permission.WRITE)
    moment = at or now + timedelta(seconds=current().undo_seconds)
    wanted = dict(times) if times is not None else dict.fromkeys(message_ids, moment)
    for time in wanted.values():
        check_moment(time, now=now, field="at")
    ids = _visible(session, actor, list(wanted))
    table = cast({str(key): wanted[key].isoformat() for key in ids}, JSONB)
    due_at = cast(func.jsonb_extract_path_text(table, cast(Message.id, Text)), DateTime(timezone=True))
    moved = move(
        session,
        actor,
        message_ids=ids,
        when=[_S.APPROVED, _S.SCHEDULED],
        to=_S.SCHEDULED,
        now=now,
        reason="",
        planned_at=due_at,
        due_at=due_at,
    )
    done = tuple(row.message_id for row in moved)
    return Changed(done, dict.fromkeys(set(ids) - set(done), "other_state"))


def cancel(
    session: Session, actor: Actor, *, message_ids: Collection[UUID], reason: str = "by_hand", now: datetime
) -> Changed:
    """These messages will not leave; what a sender has begun to hand over can't be stopped any more."""
    actor.require(Permission.WRITE)
    return _decide(
        session,
        actor,
        message_ids,
        when=[*PENDING, _S.CLAIMED],
        to=_S.CANCELLED,
        now=now,
        reason=reason,
        held_until=None,
        claim_id=None,
    )


def hold(session: Session, actor: Actor, *, message_ids: Collection[UUID], now: datetime) -> Changed:
    """Wait until a person releases them."""
    actor.require(Permission.WRITE)
    return _decide(
        session,
        actor,
        message_ids,
        when=[_S.SCHEDULED, _S.CLAIMED],
        to=_S.HELD,
        now=now,
        reason="by_hand",
        held_until=None,
        claim_id=None,
    )


def release(session: Session, actor: Actor, *, message_ids: Collection[UUID], now: datetime) -> Changed:
    """Let held messages go now, also late ones: a person decided. The gate is asked again all the same.

    One whose words were never approved goes back to review.
    """
    actor.require(Permission.WRITE)
    ids = _visible(session, actor, message_ids)
    approved = select(Message.id).where(among(Message.id, ids), Message.approved_hash.is_not(None))
    ready = list(session.scalars(approved))
    shared: dict[str, Any] = {"reason": "", "held_until": None}
    moved = move(
        session,
        actor,
        message_ids=ready,
        when=[_S.HELD],
        to=_S.SCHEDULED,
        now=now,
        due_at=func.greatest(now, func.coalesce(Message.not_before, now)),
        planned_at=func.coalesce(Message.planned_at, now),
        late_accepted=True,
        **shared,
    )
    moved += move(
        session,
        actor,
        message_ids=[key for key in ids if key not in set(ready)],
        when=[_S.HELD],
        to=_S.IN_REVIEW,
        now=now,
        **shared,
    )
    done = tuple(row.message_id for row in moved)
    return Changed(done, dict.fromkeys(set(ids) - set(done), "other_state"))


def flag_changed(session: Session, actor: Actor, *, template_id: UUID, now: datetime) -> int:
    """A template changed after its drafts were written: flag those that still wait for another look."""
    flagged = session.execute(
        update(Message)
        .where(
            Message.workspace_id == actor.workspace_id,
            Message.template_id == template_id,
            Message.state.in_([state.value for state in PENDING]),
        )
        .values(needs_look="template_changed", updated_at=now)
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    )
    return len(flagged.all())

"""Owns stopping and going on: a batch (a campaign), all promotions, all sending of the workspace."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import workspaces
from crm.channels.sentences import N_
from crm.errors import ConflictError, NotFoundError
from crm.outreach.kinds import BatchState, MessageState
from crm.outreach.models import Batch, Message
from crm.outreach.rules import Reason
from crm.outreach.services.transitions import PENDING, move
from crm.settings import current

_S = MessageState


class BatchNotFoundError(NotFoundError):
    """No such batch in this workspace."""

    code = "batch_not_found"


def _batch(session: Session, batch_id: UUID) -> Batch:
    found = session.scalars(select(Batch).where(Batch.id == batch_id).with_for_update()).one_or_none()
    if found is None:
        raise BatchNotFoundError(N_("There is no such campaign."))
    return found


def pause_batch(session: Session, actor: Actor, *, batch_id: UUID) -> Batch:
    """Nothing of the batch leaves any more, also what a sender has taken but not begun; the times stay agreed."""
    actor.require(Permission.WRITE)
    batch = _batch(session, batch_id)
    if batch.state == BatchState.CANCELLED:
        raise ConflictError(N_("The campaign was cancelled."), code="cancelled")
    batch.state = BatchState.PAUSED.value
    session.flush()
    return batch


def resume_batch(session: Session, actor: Actor, *, batch_id: UUID, now: datetime) -> int:
    """Go on. What fell due during the pause keeps its distances, counted from now, so there is no burst.

    Returns how many messages were moved to a later time.
    """
    actor.require(Permission.WRITE)
    batch = _batch(session, batch_id)
    if batch.state == BatchState.CANCELLED:
        raise ConflictError(N_("The campaign was cancelled."), code="cancelled")
    batch.state = BatchState.OPEN.value
    session.flush()
    paused = (Message.state == _S.HELD) & (Message.reason == Reason.BATCH_PAUSED)
    overdue = Message.state == _S.SCHEDULED
    first = session.scalar(
        select(func.min(Message.due_at)).where(Message.batch_id == batch_id, paused | overdue, Message.due_at < now)
    )
    if first is None:
        return 0
    return len(
        move(
            session,
            actor,
            message_ids=None,
            when=[_S.HELD, _S.SCHEDULED],
            to=_S.SCHEDULED,
            now=now,
            where=[Message.batch_id == batch_id, paused | (overdue & (Message.due_at < now))],
            due_at=func.greatest(Message.due_at, now + (Message.due_at - first)),
            held_until=None,
            reason="",
            late_accepted=True,
        )
    )


def cancel_batch(session: Session, actor: Actor, *, batch_id: UUID, now: datetime) -> int:
    """Nothing more of the batch will ever leave; returns how many messages were cancelled."""
    actor.require(Permission.WRITE)
    batch = _batch(session, batch_id)
    batch.state = BatchState.CANCELLED.value
    session.flush()
    return len(
        move(
            session,
            actor,
            message_ids=None,
            when=[*PENDING, _S.CLAIMED],
            to=_S.CANCELLED,
            now=now,
            where=[Message.batch_id == batch_id],
            reason=Reason.BATCH_CANCELLED.value,
            held_until=None,
            claim_id=None,
        )
    )


def pause_sending(session: Session, actor: Actor, *, promotions_only: bool) -> None:
    """The crisis button: all sending, or all promotions, of the workspace stops at once."""
    _set_pause(session, actor, promotions_only=promotions_only, value=True)


def resume_sending(session: Session, actor: Actor, *, promotions_only: bool, now: datetime) -> int:
    """End the pause. What it held goes back to the schedule, except what is too late now: a person decides about that.

    Returns how many messages go on.
    """
    _set_pause(session, actor, promotions_only=promotions_only, value=False)
    reason = Reason.PROMOTIONS_PAUSED if promotions_only else Reason.SENDING_PAUSED
    return go_on(session, actor, reason=reason, now=now)


def go_on(
    session: Session, actor: Actor, *, reason: Reason, where: Iterable[ColumnElement[bool]] = (), now: datetime
) -> int:
    """Let what was held for `reason` go back to the schedule, but for what is too late; returns how many messages."""
    where = [Message.workspace_id == actor.workspace_id, Message.reason == reason.value, *where]
    too_late = Message.due_at < now - timedelta(seconds=current().late_after_seconds)
    move(
        session,
        actor,
        message_ids=None,
        when=[_S.HELD],
        to=_S.HELD,
        now=now,
        where=[*where, too_late],
        reason=Reason.STALE.value,
        held_until=None,
    )
    return len(
        move(
            session,
            actor,
            message_ids=None,
            when=[_S.HELD],
            to=_S.SCHEDULED,
            now=now,
            where=where,
            reason="",
            held_until=None,
            due_at=func.greatest(Message.due_at, now),
        )
    )


def _set_pause(session: Session, actor: Actor, *, promotions_only: bool, value: bool) -> None:
    if promotions_only:
        workspaces.pause(session, actor, promotions=value)
    else:
        workspaces.pause(session, actor, sending=value)

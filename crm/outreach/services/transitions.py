"""Moves messages from state to state: one conditional UPDATE each, whose row count is the answer."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, text, update
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.events import MessageStateChanged, publish
from crm.outreach.kinds import MessageState
from crm.outreach.models import BudgetUse, Message
from crm.outreach.queries.gate import among
from crm.outreach.rules import LOOK_AGAIN, Disposition, Reason, Verdict
from crm.roundtrip import array, rows

_S = MessageState

#: Not yet under way: a person may still change, stop or discard it.
PENDING = (_S.DRAFT, _S.IN_REVIEW, _S.APPROVED, _S.SCHEDULED, _S.HELD)
#: States nobody but the sender cares about: no event tells of them.
_QUIET = frozenset({_S.CLAIMED, _S.SENDING})


@dataclass(frozen=True, slots=True)
class Moved:
    """A message that changed its state just now."""

    message_id: UUID
    contact_id: UUID | None
    voucher_id: UUID | None


def move(
    session: Session,
    actor: Actor,
    *,
    message_ids: Collection[UUID] | None,
    when: Iterable[MessageState],
    to: MessageState,
    now: datetime,
    where: Iterable[ColumnElement[bool]] = (),
    **values: Any,
) -> list[Moved]:
    """Put messages that are in one of the states `when` into `to`, and tell whoever listens.

    Whoever lost a race is simply not in the answer. `message_ids` None means all that meet `where`.
    """
    conditions = [Message.state.in_([state.value for state in when]), *where]
    if message_ids is not None:
        if not message_ids:
            return []
        conditions.append(among(Message.id, message_ids))
    rows = session.execute(
        update(Message)
        .where(*conditions)
        .values(state=to.value, updated_at=now, version=Message.version + 1, **values)
        .returning(Message.id, Message.contact_id, Message.voucher_id)
        .execution_options(synchronize_session=False)
    ).all()
    moved = [Moved(*row) for row in rows]
    tell(session, actor, moved, state=to, now=now)
    return moved


def tell(session: Session, actor: Actor, moved: Iterable[Moved], *, state: MessageState, now: datetime) -> None:
    """Publish what moved; loyalty releases the codes of what goes nowhere any more."""
    if state in _QUIET:
        return
    for row in moved:
        publish(
            session,
            MessageStateChanged(
                workspace_id=actor.workspace_id,
                now=now,
                message_id=row.message_id,
                contact_id=row.contact_id,
                voucher_id=row.voucher_id,
                state=state.value,
            ),
        )


#: Many messages, each with a moment of its own, in one statement.
_LATER = text(
    "update message set state = 'scheduled', claim_id = null, reason = :reason, due_at = row.due_at, updated_at = :now,"
    " version = message.version + 1"
    " from json_to_recordset(cast(:rows as json)) as row (id uuid, due_at timestamptz)"
    " where message.id = row.id and message.id = any(cast(:ids as uuid[])) and message.state = :state"
    " and message.claim_id = :claim_id returning message.id, message.contact_id, message.voucher_id"
)


def put_later(
    session: Session,
    actor: Actor,
    *,
    due: Mapping[UUID, datetime],
    when: MessageState,
    claim_id: UUID,
    reason: str,
    now: datetime,
) -> list[Moved]:
    """Make messages of a claim due again, each at its own moment; whoever lost a race is not in the answer."""
    if not due:
        return []
    found = session.execute(
        _LATER,
        {
            "reason": reason,
            "now": now,
            "rows": rows(("id", "due_at"), [(message_id, at.isoformat()) for message_id, at in due.items()]),
            "ids": array(due),
            "state": when.value,
            "claim_id": claim_id,
        },
    ).all()
    moved = [Moved(*row) for row in found]
    tell(session, actor, moved, state=_S.SCHEDULED, now=now)
    return moved


def refuse(
    session: Session,
    actor: Actor,
    *,
    refused: Mapping[UUID, Verdict],
    when: MessageState,
    now: datetime,
    where: Iterable[ColumnElement[bool]] = (),
) -> dict[UUID, Verdict]:
    """Give messages in state `when` what their verdicts say: skipped, cancelled, held, or due again later.

    Returns those that did change.
    """
    groups: dict[tuple[Disposition, Reason, datetime | None], list[UUID]] = {}
    for message_id, verdict in refused.items():
        if verdict.disposition is not None and verdict.reason is not None:
            groups.setdefault((verdict.disposition, verdict.reason, verdict.until), []).append(message_id)
    changed: dict[UUID, Verdict] = {}
    for (disposition, reason, until), message_ids in groups.items():
        to, values = _consequence(disposition, reason, until, now=now)
        moved = move(
            session,
            actor,
            message_ids=message_ids,
            when=[when],
            to=to,
            now=now,
            where=where,
            reason=reason.value,
            claim_id=None,
            **values,
        )
        changed.update((row.message_id, refused[row.message_id]) for row in moved)
    return changed


#: Objections that end by themselves at a moment nobody knows: the machine looks again after `LOOK_AGAIN`.
_LOOK_AGAIN = frozenset({Reason.COMPLAINT, Reason.UNANSWERED})


def _consequence(
    disposition: Disposition, reason: Reason, until: datetime | None, *, now: datetime
) -> tuple[MessageState, dict[str, Any]]:
    match disposition:
        case Disposition.SKIP:
            return _S.SKIPPED, {}
        case Disposition.CANCEL:
            return _S.CANCELLED, {}
        case Disposition.DEFER:
            # An account that is held without an end still lets its queue wait; look again in a minute.
            return _S.SCHEDULED, {"due_at": until or now + timedelta(minutes=1)}
        case Disposition.HOLD:
            return _S.HELD, {"held_until": until or (now + LOOK_AGAIN if reason in _LOOK_AGAIN else None)}


def give_back_budget(session: Session, *, message_ids: Collection[UUID]) -> None:
    """What surely did not leave counts for nobody."""
    if message_ids:
        session.execute(
            delete(BudgetUse)
            .where(among(BudgetUse.message_id, message_ids))
            .execution_options(synchronize_session=False)
        )

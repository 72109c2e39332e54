"""Reads the life of one message: written, approved, planned, tried, decided, delivered, answered, in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.outreach.kinds import DeliveryState, MessageDirection, MessageState
from crm.outreach.links import hide_tokens
from crm.outreach.models import Attempt, AttemptEvidence, AttemptOutcome, Claim, Message
from crm.outreach.queries.messages import READ_BACK, AttemptLine, MessageView, message

#: The stage of what a person said about an uncertain message.
DECIDED: Final = "decided"
_ENDED: Final = frozenset({MessageState.CANCELLED, MessageState.SKIPPED, MessageState.REJECTED, MessageState.FAILED})


class Step(StrEnum):
    """What happened."""

    WRITTEN = "written"
    APPROVED = "approved"
    CLAIMED = "claimed"
    TRIED = "tried"
    OUTCOME = "outcome"
    LOOKED = "looked"
    DECIDED = "decided"
    SENT = "sent"
    DELIVERY = "delivery"
    REPLIED = "replied"
    ENDED = "ended"
    PLANNED = "planned"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step of a life: when, by whom ('' for the machine), why (a reason or outcome code), the server's words.

    `at` is None for a deferral that ends with a decision of a person; `attempt` is filled for steps of a try.
    """

    step: Step
    at: datetime | None
    who: str = ""
    code: str = ""
    words: str = ""
    attempt: AttemptLine | None = None


def life(session: Session, actor: Actor, *, message_id: UUID) -> list[Event]:
    """Everything that is known to have happened to a message, then what is to come; raises `NotFoundError`."""
    view = message(session, actor, message_id=message_id)
    tries = session.execute(
        select(Attempt, AttemptOutcome, AttemptEvidence.detail, Claim.created_at)
        .join(Claim, Claim.id == Attempt.claim_id)
        .outerjoin(AttemptOutcome, AttemptOutcome.attempt_id == Attempt.id)
        .outerjoin(AttemptEvidence, AttemptEvidence.attempt_id == Attempt.id)
        .where(Attempt.message_id == message_id)
        .order_by(Attempt.number, AttemptOutcome.at)
    ).all()
    row = view.message
    people = {row.created_by_id, row.approved_by_id, *(outcome.decided_by_id for _, outcome, *_ in tries if outcome)}
    found = session.execute(select(User.id, User.name).where(User.id.in_(people - {None})))
    names: dict[UUID, str] = {user_id: name for user_id, name in found}  # noqa: C416 - rows are no plain pairs.
    past = [*_before(row, names), *_tries(tries, names), *_after(view), *_answers(session, view)]
    # Of two things at the same moment the earlier step of the list is the cause of the other.
    past.sort(key=lambda event: (event.at or row.created_at, list(Step).index(event.step)))
    return [*past, *_ahead(view)]


def _before(row: Message, names: dict[UUID, str]) -> Iterator[Event]:
    yield Event(step=Step.WRITTEN, at=row.created_at, who=names.get(row.created_by_id, "") if row.created_by_id else "")
    if row.approved_at is not None:
        who = names.get(row.approved_by_id, "") if row.approved_by_id else ""
        yield Event(step=Step.APPROVED, at=row.approved_at, who=who)


def _tries(rows, names: dict[UUID, str]) -> Iterator[Event]:  # noqa: ANN001 - rows of the statement above.
    """Each try once with its claim, then its outcomes; of looks that show the same one after the other, the last."""
    seen: set[UUID] = set()
    lines = [(_line(attempt, outcome), attempt, detail, claimed) for attempt, outcome, detail, claimed in rows]
    for index, (line, attempt, detail, claimed) in enumerate(lines):
        if attempt.id not in seen:
            seen.add(attempt.id)
            yield Event(step=Step.CLAIMED, at=claimed)
            yield Event(step=Step.TRIED, at=attempt.started_at, attempt=line)
        if line.ended_at is None or _is_repeated(line, lines[index + 1][0] if index + 1 < len(lines) else None):
            continue
        step = {READ_BACK: Step.LOOKED, DECIDED: Step.DECIDED}.get(line.stage, Step.OUTCOME)
        who = names.get(line.decided_by_id, "") if line.decided_by_id else ""
        words = hide_tokens(detail) if detail and step is Step.OUTCOME else ""
        yield Event(step=step, at=line.ended_at, who=who, code=line.code, words=words, attempt=line)


def _line(attempt: Attempt, outcome: AttemptOutcome | None) -> AttemptLine:
    return AttemptLine(
        number=attempt.number,
        started_at=attempt.started_at,
        ended_at=outcome.at if outcome else None,
        kind=outcome.kind if outcome else "",
        code=outcome.code if outcome else "",
        stage=outcome.stage if outcome else "",
        decided_by_id=outcome.decided_by_id if outcome else None,
    )


def _is_repeated(line: AttemptLine, following: AttemptLine | None) -> bool:
    if following is None or line.stage != READ_BACK:
        return False
    return (line.number, line.stage, line.code) == (following.number, following.stage, following.code)


def _after(view: MessageView) -> Iterator[Event]:
    row, line = view.message, view.line
    if row.sent_at is not None and line.state is MessageState.SENT:
        yield Event(step=Step.SENT, at=row.sent_at)
    if line.delivery is not DeliveryState.NONE and row.delivery_at is not None:
        yield Event(step=Step.DELIVERY, at=row.delivery_at, code=line.delivery.value)
    if line.state in _ENDED:
        yield Event(step=Step.ENDED, at=row.updated_at, code=row.reason)


def _answers(session: Session, view: MessageView) -> Iterator[Event]:
    """What the person wrote back: an answer to this very message, or the first word in its conversation after it."""
    row = view.message
    if row.sent_at is None or row.direction != MessageDirection.OUTBOUND:
        return
    same = and_(Message.conversation_id == row.conversation_id, Message.created_at > row.sent_at)
    related = or_(Message.in_reply_to_id == row.id, same) if row.conversation_id else Message.in_reply_to_id == row.id
    at = session.scalar(
        select(Message.created_at)
        .where(Message.direction == MessageDirection.INBOUND, related)
        .order_by(Message.created_at)
        .limit(1)
    )
    if at is not None:
        yield Event(step=Step.REPLIED, at=at, who=view.line.contact_name)


def _ahead(view: MessageView) -> Iterator[Event]:
    line = view.line
    if line.state in {MessageState.CLAIMED, MessageState.SENDING}:
        yield Event(step=Step.CLAIMED, at=view.message.updated_at)
        return
    if line.planned_at is not None and line.state in {
        MessageState.DRAFT, MessageState.IN_REVIEW, MessageState.APPROVED, MessageState.SCHEDULED, MessageState.HELD,
    }:  # fmt: skip
        yield Event(step=Step.PLANNED, at=line.planned_at)
        if line.state is MessageState.HELD:
            yield Event(step=Step.DEFERRED, at=line.held_until, code=line.reason)
        elif line.is_moved:
            yield Event(step=Step.DEFERRED, at=line.leaves_at, code=line.reason)

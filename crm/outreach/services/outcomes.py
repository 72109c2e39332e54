"""Records what came of attempts: sent with its traces, later again, failed, uncertain, or the whole account held."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import Outcome, OutcomeKind
from crm.consent.kinds import Purpose
from crm.contacts import services as contacts
from crm.contacts.kinds import HandleState
from crm.db import new_id
from crm.events import Event, MessageSent, publish
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind
from crm.outreach import domain_pace
from crm.outreach.kinds import AccountState, MessageState
from crm.outreach.links import hide_tokens
from crm.outreach.models import Attempt, AttemptEvidence, Message, SenderAccount
from crm.outreach.queries.gate import among
from crm.outreach.reasons import KEPT_BACK
from crm.outreach.services import statements
from crm.outreach.services.claim import Claimed, Sendable
from crm.outreach.services.transitions import Moved, give_back_budget, move, put_later
from crm.roundtrip import Step, array, together

#: A message that nobody takes for this long has failed.
GIVE_UP_AFTER = timedelta(hours=48)
#: Pauses between tries, before the jitter (RFC 5321, 4.5.4.1 asks for half an hour and more after the first ones).
PAUSES = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=4))
JITTER = 0.2
#: A refused sign-in is looked at again after this, in case the password was mended elsewhere.
AUTH_HOLD = timedelta(hours=1)
#: The code of every channel for a person who keeps us out; they may let us in again.
BLOCKED = "blocked"
_AUTOMATIC = frozenset({Purpose.SERVICE, Purpose.SYSTEM})


@dataclass(frozen=True, slots=True)
class Started:
    """A message whose attempt is committed: the number and the moment go with it."""

    item: Sendable
    attempt_id: UUID
    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a started message."""

    started: Started
    outcome: Outcome


def ids_of(group: Sequence[Finished]) -> list[UUID]:
    """The messages of some outcomes."""
    return [done.started.item.message_id for done in group]


@dataclass(frozen=True, slots=True)
class Traces:
    """What sent messages leave behind: the steps that write it, and the events to publish afterwards."""

    steps: tuple[Step | None, ...] = ()
    events: tuple[Event, ...] = ()


def traces_of(actor: Actor, items: Sequence[Sendable], *, since: datetime, now: datetime) -> Traces:
    """Sent messages on the timelines of their people and in their conversations.

    They were handed over not before `since`: what somebody wrote later is not answered by them.
    """
    if not items:
        return Traces()
    log = interactions.log_of_sent(
        actor,
        entries=[
            interactions.Entry(
                kind=InteractionKind.MESSAGE_SENT,
                direction=Direction.OUTBOUND,
                contact_id=item.contact_id,
                handle_id=item.handle_id,
                channel=item.channel,
                happened_at=now,
                subject=item.subject,
                body=hide_tokens(item.text),
                source_kind="message",
                source_id=item.message_id,
                author_id=item.author_id,
                # What nobody wrote or approved for this person is no exchange between people.
                is_automatic=item.purpose in _AUTOMATIC,
            )
            for item in items
        ],
        at=now,
        now=now,
    )
    talks = {item.conversation_id for item in items if item.conversation_id is not None}
    told = tuple(
        MessageSent(workspace_id=actor.workspace_id, now=now, message_id=item.message_id, contact_id=item.contact_id)
        for item in items
        if item.contact_id is not None
    )
    return Traces(
        (log.step, Step(statements.ANSWERED, {"ids": array(talks), "since": since, "now": now}) if talks else None),
        (*log.events, *told),
    )


def log_sent(session: Session, actor: Actor, items: Sequence[Sendable], *, now: datetime) -> None:
    """Leave the traces of messages that are out, and tell of them."""
    if not items:
        return
    last = select(func.max(Attempt.started_at)).where(among(Attempt.message_id, [item.message_id for item in items]))
    begun = session.scalars(last.group_by(Attempt.message_id)).all()
    traces = traces_of(actor, items, since=min(begun, default=now), now=now)
    together(session, *traces.steps)
    for event in traces.events:
        publish(session, event)


def record_others(
    session: Session, actor: Actor, claimed: Claimed, finished: Sequence[Finished], *, now: datetime
) -> set[UUID]:
    """Everything but success, which is rare enough for one statement after the other; ids of what did change."""
    by_kind: dict[OutcomeKind, list[Finished]] = {}
    for done in finished:
        by_kind.setdefault(done.outcome.kind, []).append(done)
    moved: list[Moved] = []
    for kind, group in by_kind.items():
        if kind is OutcomeKind.RETRY_LATER:
            moved += _later(session, actor, claimed, group, now=now)
        elif kind is OutcomeKind.AUTH:
            moved += _hold_account(session, actor, claimed, group, now=now)
        elif kind is OutcomeKind.UNKNOWN:
            moved += _close(session, actor, claimed, group, MessageState.UNCERTAIN, now=now)
        elif kind is not OutcomeKind.ACCEPTED:
            moved += _close(session, actor, claimed, group, MessageState.FAILED, now=now)
    settled = {row.message_id for row in moved}
    _slow_down(session, claimed, finished, now=now)
    if settled:
        _after(session, actor, [done for done in finished if done.started.item.message_id in settled], now=now)
    return settled


def _later(
    session: Session, actor: Actor, claimed: Claimed, group: Sequence[Finished], *, now: datetime
) -> list[Moved]:
    """Surely nothing left: again after a pause, or failed when two days are over."""
    first = dict(
        session.execute(select(Message.id, Message.first_tried_at).where(among(Message.id, ids_of(group)))).all()
    )
    due = {done.started.item.message_id: next_try(done, now=now) for done in group}
    kept_back = {done.started.item.message_id for done in group if done.outcome.code in KEPT_BACK}
    # Nobody refused what the sender kept back: that is no reason to give it up.
    over = [key for key, at in due.items() if key not in kept_back and at - (first.get(key) or now) > GIVE_UP_AFTER]
    put_off = {"": kept_back, "retry_later": due.keys() - kept_back - set(over)}
    return [
        *(
            row
            for reason, keys in put_off.items()
            for row in put_later(
                session,
                actor,
                due={key: due[key] for key in keys},
                when=MessageState.SENDING,
                claim_id=claimed.claim_id,
                reason=reason,
                now=now,
            )
        ),
        *move(
            session,
            actor,
            message_ids=over,
            when=[MessageState.SENDING],
            to=MessageState.FAILED,
            now=now,
            where=[Message.claim_id == claimed.claim_id],
            claim_id=None,
            reason="retries_used_up",
        ),
    ]


def _slow_down(session: Session, claimed: Claimed, finished: Sequence[Finished], *, now: datetime) -> None:
    """Leave the mail domains alone for a while that said we write too fast."""
    codes = {
        domain_pace.domain_of(done.started.item.to_address): f"{done.outcome.code} {done.outcome.detail}".strip()
        for done in finished
        if domain_pace.asks_to_slow(done.outcome)
    }
    if codes:
        domain_pace.slow_down(session, account_id=claimed.account_id, codes=codes, now=now)


def next_try(done: Finished, *, now: datetime) -> datetime:
    """When to try again: a growing pause with jitter, never before the moment that the channel asked for."""
    if done.outcome.code in KEPT_BACK:
        return now
    pause = PAUSES[min(done.started.number, len(PAUSES)) - 1]
    spread = 1 + JITTER * random.random()  # noqa: S311 - jitter, no secret.
    return max(now + pause * spread, done.outcome.not_before or now)


def _hold_account(
    session: Session, actor: Actor, claimed: Claimed, group: Sequence[Finished], *, now: datetime
) -> list[Moved]:
    """The account is at fault: all of it waits, the messages stay due and no try of theirs is burned."""
    code = group[0].outcome.code
    session.execute(
        update(SenderAccount)
        .where(SenderAccount.id == claimed.account_id)
        .values(
            state=AccountState.HELD.value,
            hold_reason=code,
            hold_until=now + AUTH_HOLD,
            last_error_at=now,
            last_error_code=code,
        )
        .execution_options(synchronize_session=False)
    )
    return move(
        session,
        actor,
        message_ids=ids_of(group),
        when=[MessageState.SENDING],
        to=MessageState.SCHEDULED,
        now=now,
        where=[Message.claim_id == claimed.claim_id],
        claim_id=None,
        reason="auth",
    )


def _close(
    session: Session,
    actor: Actor,
    claimed: Claimed,
    group: Sequence[Finished],
    to: MessageState,
    *,
    now: datetime,
) -> list[Moved]:
    """Failed or uncertain, each with the kind of its outcome as the reason."""
    moved: list[Moved] = []
    for kind in {done.outcome.kind for done in group}:
        moved += move(
            session,
            actor,
            message_ids=[done.started.item.message_id for done in group if done.outcome.kind is kind],
            when=[MessageState.SENDING],
            to=to,
            now=now,
            where=[Message.claim_id == claimed.claim_id],
            claim_id=None,
            reason=kind.value,
        )
    return moved


def _after(session: Session, actor: Actor, settled: Sequence[Finished], *, now: datetime) -> None:
    """What the outcomes mean beside the message: budget, address, evidence."""
    give_back_budget(
        session, message_ids=[key for done in settled if done.outcome.surely_not_sent for key in ids_of([done])]
    )
    for done in settled:
        if done.outcome.kind is OutcomeKind.PERMANENT and done.started.item.handle_id is not None:
            contacts.set_handle_state(
                session,
                actor,
                handle_id=done.started.item.handle_id,
                state=HandleState.BLOCKED if done.outcome.code == BLOCKED else HandleState.BOUNCED,
                reason=done.outcome.code,
                now=now,
            )
    evidence = [
        {
            "id": new_id(),
            "workspace_id": actor.workspace_id,
            "attempt_id": done.started.attempt_id,
            "detail": f"{done.outcome.code} {done.outcome.detail}".strip(),
        }
        for done in settled
        if done.outcome.kind is not OutcomeKind.ACCEPTED
    ]
    if evidence:
        session.execute(insert(AttemptEvidence), evidence)

"""One wave of a sender run: records what came back and writes the attempts of what goes next, in one transaction.

An attempt is committed before its first byte leaves. The gate is asked once more here, under the row locks of the
recipients, so an opt-out, a reply or a pause counts until the hand-over.
"""

import json
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import insert, literal_column, select, text, update
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import Outcome, OutcomeKind
from crm.consent.kinds import Purpose
from crm.contacts import services as contacts
from crm.contacts.kinds import HandleState
from crm.contacts.models import Company, Contact
from crm.db import new_id
from crm.events import MessageSent, publish
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind
from crm.loyalty import services as loyalty
from crm.outreach.kinds import AccountState, MessageState
from crm.outreach.models import Attempt, AttemptEvidence, AttemptOutcome, Message, SenderAccount
from crm.outreach.pace import take
from crm.outreach.queries.gate import Subject, among, house_policy, subjects, with_uses
from crm.outreach.rules import PURPOSES, Binding, Policy, Verdict, judge
from crm.outreach.services.claim import Claimed, Sendable
from crm.outreach.services.conversations import note_answered
from crm.outreach.services.transitions import Moved, give_back_budget, move, refuse, tell

log = structlog.get_logger(__name__)

#: A message that nobody takes for this long has failed.
GIVE_UP_AFTER = timedelta(hours=48)
#: Pauses between tries, before the jitter (RFC 5321, 4.5.4.1 asks for half an hour and more after the first ones).
PAUSES = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=4))
JITTER = 0.2
#: A refused sign-in is looked at again after this, in case the password was mended elsewhere.
AUTH_HOLD = timedelta(hours=1)


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


@dataclass(slots=True)
class WaveResult:
    """What a wave did: attempts to hand over now, and what the run should know."""

    started: list[Started] = field(default_factory=list)
    refused: dict[UUID, Verdict] = field(default_factory=dict)
    sent: int = 0
    orphaned: int = 0
    is_account_held: bool = False
    is_pace_used_up: bool = False


def wave(
    session: Session,
    actor: Actor,
    *,
    claimed: Claimed,
    finished: Sequence[Finished],
    following: Sequence[Sendable],
    now: datetime,
) -> WaveResult:
    """Record `finished`, then begin those of `following` that the gate still allows."""
    result = WaveResult()
    _lock_people(session, [done.started.item for done in finished], following)
    if finished:
        _record(session, actor, claimed, finished, result, now=now)
    if following and not result.is_account_held:
        _begin(session, actor, claimed, following, result, now=now)
    return result


def _lock_people(session: Session, done: Sequence[Sendable], following: Sequence[Sendable]) -> None:
    """Lock all recipients of the wave in one order, so that two runs can't wait for each other in a circle."""
    contact_ids = {item.contact_id for item in (*done, *following) if item.contact_id is not None}
    if contact_ids:
        session.execute(_LOCK, {"ids": list(contact_ids)})
    counted = [
        item.contact_id for item in following if item.contact_id is not None and _BUDGET[item.purpose] is Binding.BINDS
    ]
    if counted:
        companies = select(Contact.company_id).where(among(Contact.id, counted), Contact.company_id.is_not(None))
        session.execute(
            select(Company.id).where(Company.id.in_(companies)).order_by(Company.id).with_for_update(key_share=True)
        )


_BUDGET: Mapping[str, Binding] = {purpose.value: needs.budget for purpose, needs in PURPOSES.items()}


# The texts never change with the number of rows, so that each is compiled and prepared once per connection.
_LOCK = text("select id from contact where id = any(:ids) order by id for no key update")
_OUTCOMES = text(
    "insert into attempt_outcome (id, workspace_id, attempt_id, kind, code, stage, at)"
    " select id, :workspace_id, attempt_id, kind, code, stage, :now from unnest(cast(:ids as uuid[]),"
    " cast(:attempt_ids as uuid[]), cast(:kinds as text[]), cast(:codes as text[]), cast(:stages as text[]))"
    " as row (id, attempt_id, kind, code, stage)"
)
_SENT = text(
    "update message set state = 'sent', claim_id = null, reason = '', sent_at = :now, updated_at = :now,"
    " version = version + 1, remote_id = cast(:remote_ids as jsonb) ->> cast(id as text)"
    " where id = any(:ids) and state = 'sending' and claim_id = :claim_id returning id, contact_id, voucher_id"
)
_SENDING = text(
    "update message set state = 'sending', tries = tries + 1, first_tried_at = coalesce(first_tried_at, :now),"
    " updated_at = :now where id = any(:ids) and state = 'claimed' and claim_id = :claim_id returning id, tries"
)
_ATTEMPTS = text(
    "insert into attempt (id, workspace_id, message_id, account_id, claim_id, number, content_hash, started_at)"
    " select id, :workspace_id, message_id, :account_id, :claim_id, number, content_hash, :now"
    " from unnest(cast(:ids as uuid[]), cast(:message_ids as uuid[]), cast(:numbers as integer[]),"
    " cast(:hashes as text[])) as row (id, message_id, number, content_hash)"
)
_BUDGET_USES = text(
    "insert into budget_use (id, workspace_id, message_id, contact_id, company_id, purpose, at)"
    " select id, :workspace_id, message_id, contact_id, company_id, purpose, :now from unnest(cast(:ids as uuid[]),"
    " cast(:message_ids as uuid[]), cast(:contact_ids as uuid[]), cast(:company_ids as uuid[]),"
    " cast(:purposes as text[])) as row (id, message_id, contact_id, company_id, purpose)"
    " on conflict (workspace_id, message_id) do update set at = excluded.at"
)
_AUTOMATIC = frozenset({Purpose.SERVICE, Purpose.SYSTEM})


# What came back


def _record(
    session: Session,
    actor: Actor,
    claimed: Claimed,
    finished: Sequence[Finished],
    result: WaveResult,
    *,
    now: datetime,
) -> None:
    by_kind: dict[OutcomeKind, list[Finished]] = {}
    for done in finished:
        by_kind.setdefault(done.outcome.kind, []).append(done)
    _write_outcomes(session, actor, finished, now=now)
    settled: set[UUID] = set()
    for kind, group in by_kind.items():
        if kind is OutcomeKind.ACCEPTED:
            moved = _sent(session, actor, claimed, group, now=now)
            result.sent += len(moved)
        elif kind is OutcomeKind.RETRY_LATER:
            moved = _later(session, actor, claimed, group, now=now)
        elif kind is OutcomeKind.AUTH:
            moved = _hold_account(session, actor, claimed, group, now=now)
            result.is_account_held = True
        elif kind is OutcomeKind.UNKNOWN:
            moved = _close(session, actor, claimed, group, MessageState.UNCERTAIN, now=now)
        else:
            moved = _close(session, actor, claimed, group, MessageState.FAILED, now=now)
        settled |= {row.message_id for row in moved}
    _after(session, actor, [done for done in finished if done.started.item.message_id in settled], now=now)
    orphans = [done.started.item.message_id for done in finished if done.started.item.message_id not in settled]
    result.orphaned += len(orphans)
    if orphans:
        # The claim was taken away meanwhile: whoever took it decides, this run changes nothing.
        log.warning("orphaned_results", claim=str(claimed.claim_id), messages=[str(key) for key in orphans])


def _write_outcomes(session: Session, actor: Actor, finished: Sequence[Finished], *, now: datetime) -> None:
    session.execute(
        _OUTCOMES,
        {
            "workspace_id": actor.workspace_id,
            "now": now,
            "ids": [new_id() for _ in finished],
            "attempt_ids": [done.started.attempt_id for done in finished],
            "kinds": [done.outcome.kind.value for done in finished],
            "codes": [done.outcome.code for done in finished],
            "stages": [done.outcome.detail for done in finished],
        },
    )


def _ids(group: Sequence[Finished]) -> list[UUID]:
    return [done.started.item.message_id for done in group]


def _sent(session: Session, actor: Actor, claimed: Claimed, group: Sequence[Finished], *, now: datetime) -> list[Moved]:
    """Final state, timeline and events of what the channel took, with the channel's own ids."""
    remote = {str(done.started.item.message_id): done.outcome.remote_id for done in group if done.outcome.remote_id}
    rows = session.execute(
        _SENT,
        {"ids": _ids(group), "claim_id": claimed.claim_id, "now": now, "remote_ids": json.dumps(remote)},
    )
    moved = [Moved(*row) for row in rows]
    tell(session, actor, moved, state=MessageState.SENT, now=now)
    fresh = {row.message_id for row in moved}
    log_sent(session, actor, [done.started.item for done in group if done.started.item.message_id in fresh], now=now)
    return moved


def log_sent(session: Session, actor: Actor, items: Sequence[Sendable], *, now: datetime) -> None:
    """Put sent messages on the timelines of their people and into their conversations, and tell of them."""
    conversation_ids = {item.conversation_id for item in items if item.conversation_id is not None}
    note_answered(session, conversation_ids=conversation_ids, now=now)
    entries = [
        interactions.Entry(
            kind=InteractionKind.MESSAGE_SENT,
            direction=Direction.OUTBOUND,
            contact_id=item.contact_id,
            handle_id=item.handle_id,
            channel=item.channel,
            happened_at=now,
            subject=item.subject,
            body=item.text,
            source_kind="message",
            source_id=item.message_id,
            author_id=item.author_id,
            # What nobody wrote or approved for this person is no exchange between people.
            is_automatic=item.purpose in _AUTOMATIC,
        )
        for item in items
    ]
    interactions.log_sent_at_once(session, actor, entries=entries, at=now, now=now)
    for item in items:
        if item.contact_id is not None:
            publish(
                session,
                MessageSent(
                    workspace_id=actor.workspace_id, now=now, message_id=item.message_id, contact_id=item.contact_id
                ),
            )


def _later(
    session: Session, actor: Actor, claimed: Claimed, group: Sequence[Finished], *, now: datetime
) -> list[Moved]:
    """Surely nothing left: again after a pause, or failed when two days are over."""
    first = dict(
        session.execute(select(Message.id, Message.first_tried_at).where(among(Message.id, _ids(group)))).all()
    )
    moved: list[Moved] = []
    for done in group:
        message_id = done.started.item.message_id
        due_at = next_try(done, now=now)
        is_over = due_at - (first.get(message_id) or now) > GIVE_UP_AFTER
        moved += move(
            session,
            actor,
            message_ids=[message_id],
            when=[MessageState.SENDING],
            to=MessageState.FAILED if is_over else MessageState.SCHEDULED,
            now=now,
            where=[Message.claim_id == claimed.claim_id],
            claim_id=None,
            reason="retries_used_up" if is_over else "retry_later",
            **({} if is_over else {"due_at": due_at}),
        )
    return moved


def next_try(done: Finished, *, now: datetime) -> datetime:
    """When to try again: a growing pause with jitter, never before the moment that the channel asked for."""
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
        message_ids=_ids(group),
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
        session, message_ids=[key for done in settled if done.outcome.surely_not_sent for key in _ids([done])]
    )
    for done in settled:
        if done.outcome.kind is OutcomeKind.PERMANENT and done.started.item.handle_id is not None:
            contacts.set_handle_state(
                session,
                actor,
                handle_id=done.started.item.handle_id,
                state=HandleState.BOUNCED,
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


# What goes next


def _begin(
    session: Session,
    actor: Actor,
    claimed: Claimed,
    following: Sequence[Sendable],
    result: WaveResult,
    *,
    now: datetime,
) -> None:
    house = house_policy(session, actor)
    found = subjects(
        session,
        actor,
        message_ids=[item.message_id for item in following],
        house=house,
        at=now,
        attended_since=claimed.attended_since,
        with_warnings=False,
    )
    allowed, refused = _second_look(following, found, policy=house.gate, now=now)
    mine = [Message.claim_id == claimed.claim_id]
    result.refused = refuse(session, actor, refused=refused, when=MessageState.CLAIMED, now=now, where=mine)
    granted = len(allowed)
    if claimed.is_capped:
        granted = take(session, account_id=claimed.account_id, wanted=granted, now=now)
    result.is_pace_used_up = granted < len(allowed)
    result.started = start(
        session, actor, allowed[:granted], claim_id=claimed.claim_id, account_id=claimed.account_id, now=now
    )
    begun = [found[started.item.message_id] for started in result.started]
    take_budget(session, actor, begun, now=now)
    voucher_ids = [subject.voucher_id for subject in begun if subject.voucher_id is not None]
    if voucher_ids:
        loyalty.activate_vouchers(session, voucher_ids=voucher_ids, now=now)


def _second_look(
    following: Sequence[Sendable], found: Mapping[UUID, Subject], *, policy: Policy, now: datetime
) -> tuple[list[Sendable], dict[UUID, Verdict]]:
    """The gate again, one after the other, so that two promotions to one person in a wave share one budget."""
    allowed: list[Sendable] = []
    refused: dict[UUID, Verdict] = {}
    by_person: dict[UUID, list[datetime]] = {}
    by_company: dict[UUID, list[datetime]] = {}
    for item in following:
        subject = found.get(item.message_id)
        if subject is None:
            continue
        person = by_person.setdefault(subject.contact_id, []) if subject.contact_id else []
        company = by_company.setdefault(subject.company_id, []) if subject.company_id else []
        facts = with_uses(subject, person=person, company=company).facts
        verdict = judge(facts, purpose=subject.purpose, at=now, policy=policy)
        if verdict.allowed:
            allowed.append(item)
            if PURPOSES[subject.purpose].budget is Binding.BINDS:
                person.append(now)
                company.append(now)
        else:
            refused[item.message_id] = verdict
    return allowed, refused


def start(
    session: Session,
    actor: Actor,
    items: Sequence[Sendable],
    *,
    claim_id: UUID,
    account_id: UUID,
    now: datetime,
) -> list[Started]:
    """Write the attempts of claimed messages; whatever is no longer ours is left out."""
    if not items:
        return []
    ours = session.execute(_SENDING, {"ids": [item.message_id for item in items], "claim_id": claim_id, "now": now})
    numbers: dict[UUID, int] = dict(ours.all())
    started = [Started(item, new_id(), numbers[item.message_id], now) for item in items if item.message_id in numbers]
    if started:
        session.execute(
            _ATTEMPTS,
            {
                "workspace_id": actor.workspace_id,
                "account_id": account_id,
                "claim_id": claim_id,
                "now": now,
                "ids": [each.attempt_id for each in started],
                "message_ids": [each.item.message_id for each in started],
                "numbers": [each.number for each in started],
                "hashes": [each.item.content_hash for each in started],
            },
        )
    return started


def take_budget(session: Session, actor: Actor, begun: Collection[Subject], *, now: datetime) -> None:
    """Count attempts for their people; a repeated try counts once, at its latest moment."""
    counted = [
        subject
        for subject in begun
        if subject.contact_id is not None and PURPOSES[subject.purpose].budget is not Binding.NONE
    ]
    if counted:
        session.execute(
            _BUDGET_USES,
            {
                "workspace_id": actor.workspace_id,
                "now": now,
                "ids": [new_id() for _ in counted],
                "message_ids": [subject.message_id for subject in counted],
                "contact_ids": [subject.contact_id for subject in counted],
                "company_ids": [subject.company_id for subject in counted],
                "purposes": [subject.purpose.value for subject in counted],
            },
        )


def was_committed(session: Session, *, started: Collection[Started], finished: Collection[Finished]) -> bool:
    """Whether a wave is in the database although the answer to its commit was lost."""
    if started:
        wanted = select(Attempt.id).where(among(Attempt.id, [each.attempt_id for each in started]))
    else:
        wanted = select(AttemptOutcome.id).where(
            among(AttemptOutcome.attempt_id, [done.started.attempt_id for done in finished])
        )
    return session.scalars(wanted.limit(literal_column("1"))).first() is not None

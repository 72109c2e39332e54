"""One wave of a sender run: records what came back and writes the attempts of what goes next, in one transaction.

An attempt is committed before its first byte leaves. The gate is asked here, under the row locks of the recipients,
so an opt-out, a reply or a pause counts until the hand-over.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import literal_column, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import OutcomeKind
from crm.consent.kinds import Purpose
from crm.db import new_id
from crm.events import publish
from crm.loyalty import services as loyalty
from crm.outreach import domain_pace
from crm.outreach.facts import Policy
from crm.outreach.kinds import MessageState
from crm.outreach.models import Attempt, AttemptOutcome, Message
from crm.outreach.pace import take
from crm.outreach.queries.gate import HousePolicy, Subject, among, with_uses
from crm.outreach.queries.quick import answer, question
from crm.outreach.rules import PURPOSES, Binding, Reason, Verdict, judge
from crm.outreach.services import statements
from crm.outreach.services.claim import Claimed, Sendable
from crm.outreach.services.outcomes import Finished, Started, ids_of, record_others, traces_of
from crm.outreach.services.transitions import Moved, put_later, refuse, tell
from crm.roundtrip import Step, array, columns, together

log = structlog.get_logger(__name__)


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
    """Record `finished`, then begin those of `following` that the gate allows, in two round trips."""
    result = WaveResult()
    result.is_account_held = any(done.outcome.kind is OutcomeKind.AUTH for done in finished)
    items = () if result.is_account_held else following
    accepted = [done for done in finished if done.outcome.kind is OutcomeKind.ACCEPTED]
    asked = question(session, actor, items, at=now) if items else None
    sent, *facts = together(
        session,
        *_locks([done.started.item for done in finished], items),
        _outcomes(actor, finished, now=now),
        _sent(claimed, accepted, now=now),
        *(asked.steps if asked else ()),
    )[_LOCKS_AND_OUTCOMES:]
    moved = [Moved(row.id, row.contact_id, row.voucher_id) for row in sent]
    settled = {row.message_id for row in moved}
    since = min((done.started.at for done in accepted), default=now)
    traces = traces_of(actor, [item for item in _items(accepted) if item.message_id in settled], since=since, now=now)
    result.sent = len(moved)
    settled |= record_others(session, actor, claimed, finished, now=now)
    _note_orphans(claimed, finished, settled, result)
    allowed: list[Sendable] = []
    found: Mapping[UUID, Subject] = {}
    if asked is not None:
        found, house = answer(asked, facts, at=now, attended_since=claimed.attended_since)
        allowed = _allowed(session, actor, claimed, items, found=found, house=house, result=result, now=now)
    worked = _worked(claimed, now=now) if result.sent else None
    *_, begun = together(session, *traces.steps, worked, _start(actor, claimed, allowed, found, now=now))
    for event in traces.events:
        publish(session, event)
    tell(session, actor, moved, state=MessageState.SENT, now=now)
    result.started = _started(allowed, begun, now=now)
    _activate(session, result.started, found, now=now)
    return result


#: Steps before the answers that a wave reads: two locks, the outcomes.
_LOCKS_AND_OUTCOMES: Final = 3


def _items(finished: Sequence[Finished]) -> list[Sendable]:
    return [done.started.item for done in finished]


def _locks(done: Sequence[Sendable], following: Sequence[Sendable]) -> tuple[Step | None, Step | None]:
    """All recipients of the wave, and the companies whose budget is taken."""
    people = {item.contact_id for item in (*done, *following) if item.contact_id is not None}
    companies = {
        item.company_id for item in following if item.company_id is not None and _BUDGET[item.purpose] is Binding.BINDS
    }
    return (
        Step(statements.LOCK_PEOPLE, {"ids": array(people)}) if people else None,
        Step(statements.LOCK_COMPANIES, {"ids": array(companies)}) if companies else None,
    )


_BUDGET: Mapping[str, Binding] = {purpose.value: needs.budget for purpose, needs in PURPOSES.items()}


# What came back


def _outcomes(actor: Actor, finished: Sequence[Finished], *, now: datetime) -> Step | None:
    if not finished:
        return None
    return Step(
        statements.OUTCOMES,
        {
            "workspace_id": actor.workspace_id,
            "now": now,
            **columns(
                ("id", "attempt_id", "kind", "code", "stage"),
                [
                    (new_id(), done.started.attempt_id, done.outcome.kind, done.outcome.code, done.outcome.detail)
                    for done in finished
                ],
            ),
        },
    )


def _sent(claimed: Claimed, accepted: Sequence[Finished], *, now: datetime) -> Step | None:
    """The final state of what the channel took, with the channel's own ids, if the claim is still ours."""
    if not accepted:
        return None
    remote = {str(done.started.item.message_id): done.outcome.remote_id for done in accepted if done.outcome.remote_id}
    return Step(
        statements.SENT,
        {"ids": array(ids_of(accepted)), "claim_id": claimed.claim_id, "now": now, "remote_ids": json.dumps(remote)},
    )


#: The account's page tells how long ago the last message left; to the minute is enough, and spares the others.
_OK_EVERY: Final = timedelta(minutes=1)


def _worked(claimed: Claimed, *, now: datetime) -> Step | None:
    """Note that the account works, now and then."""
    if claimed.last_ok_at is not None and now - claimed.last_ok_at < _OK_EVERY:
        return None
    return Step(statements.WORKED, {"account_id": claimed.account_id, "now": now})


def _note_orphans(claimed: Claimed, finished: Sequence[Finished], settled: set[UUID], result: WaveResult) -> None:
    """Results of a claim that was taken away: whoever took it decides, this run changes nothing."""
    orphans = [message_id for message_id in ids_of(finished) if message_id not in settled]
    result.orphaned = len(orphans)
    if orphans:
        log.warning("orphaned_results", claim=str(claimed.claim_id), messages=[str(key) for key in orphans])


# What goes next


def _allowed(
    session: Session,
    actor: Actor,
    claimed: Claimed,
    following: Sequence[Sendable],
    *,
    found: Mapping[UUID, Subject],
    house: HousePolicy,
    result: WaveResult,
    now: datetime,
) -> list[Sendable]:
    """What the gate lets pass and the account's pace has room for; the others get their reasons."""
    allowed, refused = _judge(following, found, policy=house.gate, now=now)
    if refused:
        mine = [Message.claim_id == claimed.claim_id]
        result.refused = refuse(session, actor, refused=refused, when=MessageState.CLAIMED, now=now, where=mine)
    if claimed.is_domain_paced:
        allowed = _by_domain(session, actor, claimed, allowed, now=now)
    if not claimed.is_capped:
        return allowed
    granted = take(session, account_id=claimed.account_id, wanted=len(allowed), now=now)
    result.is_pace_used_up = granted < len(allowed)
    return allowed[:granted]


#: What goes to many at once; everything else was written by hand or is asked for at this moment.
_BULK: Final = frozenset({Purpose.PROMOTIONAL, Purpose.SERVICE})


def _by_domain(
    session: Session, actor: Actor, claimed: Claimed, items: Sequence[Sendable], *, now: datetime
) -> list[Sendable]:
    """Those whose mail domain has room; the others are due again when it will have some."""
    later = domain_pace.admit(
        session,
        account_id=claimed.account_id,
        cap=claimed.domain_cap,
        wanting=[
            domain_pace.Wanting(item.message_id, domain_pace.domain_of(item.to_address), item.purpose not in _BULK)
            for item in items
        ],
        now=now,
    )
    put_later(
        session,
        actor,
        due=later,
        when=MessageState.CLAIMED,
        claim_id=claimed.claim_id,
        reason=Reason.DOMAIN_PACE.value,
        now=now,
    )
    return [item for item in items if item.message_id not in later]


def _judge(
    following: Sequence[Sendable], found: Mapping[UUID, Subject], *, policy: Policy, now: datetime
) -> tuple[list[Sendable], dict[UUID, Verdict]]:
    """The gate, one after the other, so that two promotions to one person in a wave share one budget."""
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


_ATTEMPT: Final = ("id", "ids", "hash", "use_id", "contact_id", "company_id", "purpose")


def _start(
    actor: Actor, claimed: Claimed, items: Sequence[Sendable], found: Mapping[UUID, Subject], *, now: datetime
) -> Step | None:
    """Write the attempts of claimed messages and count them for their people; what is not ours any more is left out."""
    if not items:
        return None
    subjects = [found[item.message_id] for item in items]
    values = [
        (
            new_id(),
            item.message_id,
            item.content_hash,
            new_id() if _counts(subject) else None,
            subject.contact_id,
            subject.company_id,
            item.purpose,
        )
        for item, subject in zip(items, subjects, strict=True)
    ]
    return Step(
        statements.BEGIN,
        {
            "workspace_id": actor.workspace_id,
            "account_id": claimed.account_id,
            "claim_id": claimed.claim_id,
            "now": now,
            **columns(_ATTEMPT, values),
        },
    )


def _counts(subject: Subject) -> bool:
    return subject.contact_id is not None and PURPOSES[subject.purpose].budget is not Binding.NONE


def _started(items: Sequence[Sendable], begun: Sequence[Any], *, now: datetime) -> list[Started]:
    attempts = {row.message_id: row for row in begun}
    return [
        Started(item, attempts[item.message_id].id, attempts[item.message_id].number, now)
        for item in items
        if item.message_id in attempts
    ]


def _activate(session: Session, started: Sequence[Started], found: Mapping[UUID, Subject], *, now: datetime) -> None:
    """A code must work from the moment at which its message may be out, also when nobody knows whether it is."""
    subjects = [found[each.item.message_id] for each in started]
    voucher_ids = [subject.voucher_id for subject in subjects if subject.voucher_id is not None]
    if voucher_ids:
        loyalty.activate_vouchers(session, voucher_ids=voucher_ids, now=now)


def was_committed(session: Session, *, started: Collection[Started], finished: Collection[Finished]) -> bool:
    """Whether a wave is in the database although the answer to its commit was lost."""
    if started:
        wanted = select(Attempt.id).where(among(Attempt.id, [each.attempt_id for each in started]))
    else:
        wanted = select(AttemptOutcome.id).where(
            among(AttemptOutcome.attempt_id, [done.started.attempt_id for done in finished])
        )
    return session.scalars(wanted.limit(literal_column("1"))).first() is not None

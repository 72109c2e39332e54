"""Owns how fast an account writes to one mail domain: its cap a minute, and less after the domain asked for it.

A domain that answers "slow down" is left alone for a while and then tried at a fraction of the pace, which doubles
again for every quiet span; what is due there gets later minutes, everybody else goes on.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BindParameter, Exists, exists, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.channels.base import Outcome, OutcomeKind
from crm.db import new_id
from crm.outreach.pace_models import DomainPace
from crm.roundtrip import rows

MINUTE = timedelta(minutes=1)
#: The pace a minute from which an unlimited account is slowed down.
FIRST_RATE = 60
#: The first pause; each further request while the domain is still slow doubles it, at most `MOST_STEPS` times.
FIRST_PAUSE = MINUTE
MOST_STEPS = 6
#: A step is forgotten after this long without a request to slow down.
EASE_AFTER = timedelta(minutes=10)
#: What a person wrote by hand goes before what was put off in bulk to the same minute.
BULK_AFTER = timedelta(seconds=1)
#: Stages in which the recipient's side speaks; before them it is the account's own server.
_STAGES = frozenset({"mail", "rcpt", "data", "final"})
_CODES = frozenset({"421", "450"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The pace towards one domain: used in `minute`, put off up to `tail`, slow until, and how many steps."""

    minute: datetime
    used: int = 0
    tail: datetime
    tail_used: int = 0
    slow_until: datetime | None = None
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Wanting:
    """A message that wants to go to a domain."""

    message_id: UUID
    domain: str
    is_by_hand: bool


def domain_of(address: str) -> str:
    """The mail domain of an address, in one spelling; empty for what has none."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def asks_to_slow(outcome: Outcome) -> bool:
    """Whether a refusal says that we write too fast: 421, 450, or an enhanced code 4.7.x (RFC 3463, 3.8)."""
    stage, _, code = outcome.code.rpartition("_")
    if outcome.kind is not OutcomeKind.RETRY_LATER or stage not in _STAGES:
        return False
    return code in _CODES or outcome.detail.startswith("4.7.")


def steps_left(lane: Lane, *, now: datetime) -> int:
    """How often the pace is still halved."""
    if lane.slow_until is None or lane.slow_until >= now:
        return lane.steps
    return max(0, lane.steps - (now - lane.slow_until) // EASE_AFTER)


def rate(lane: Lane, *, cap: int | None, now: datetime) -> int | None:
    """Messages a minute, at least one; None without any limit."""
    steps = steps_left(lane, now=now)
    return cap if steps == 0 else max(1, (cap or FIRST_RATE) >> steps)


def slowed(lane: Lane, *, now: datetime) -> Lane:
    """After a request to slow down; answers of what was under way meanwhile don't count again."""
    if lane.slow_until is not None and lane.slow_until > now:
        return lane
    steps = min(steps_left(lane, now=now) + 1, MOST_STEPS)
    return replace(lane, steps=steps, slow_until=now + FIRST_PAUSE * 2 ** (steps - 1))


def granted(lane: Lane, wanted: int, *, cap: int | None, now: datetime) -> tuple[int, Lane]:
    """How many of `wanted` may go now, and the lane with them counted."""
    if lane.slow_until is not None and lane.slow_until > now:
        return 0, lane
    most = rate(lane, cap=cap, now=now)
    if most is None:
        return wanted, lane
    minute = _minute(now)
    used = lane.used if lane.minute == minute else 0
    count = max(0, min(wanted, most - used))
    return count, replace(lane, minute=minute, used=used + count)


def put_off(
    lane: Lane, waiting: Sequence[Wanting], *, cap: int | None, now: datetime
) -> tuple[dict[UUID, datetime], Lane]:
    """Later moments for messages that found no room, in order, as many a minute as the pace allows.

    What a person wrote by hand is tried in the very next minute and doesn't queue behind a mailing.
    """
    slow_until = lane.slow_until if lane.slow_until is not None and lane.slow_until > now else now
    first = _minute(slow_until) + MINUTE
    most = rate(replace(lane, slow_until=min(slow_until, now)), cap=cap, now=now) or FIRST_RATE
    tail, used = (lane.tail, lane.tail_used) if lane.tail >= first else (first, 0)
    moments: dict[UUID, datetime] = {}
    for each in waiting:
        if each.is_by_hand:
            moments[each.message_id] = first
            continue
        if used >= most:
            tail, used = tail + MINUTE, 0
        moments[each.message_id] = tail + BULK_AFTER
        used += 1
    return moments, replace(lane, tail=tail, tail_used=used)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


# In the database


def is_any_slow(*, account_id: UUID | BindParameter[UUID], since: datetime | BindParameter[datetime]) -> Exists:
    """Whether some domain asked the account to slow down after `since`, as a part of a larger question."""
    return exists().where(DomainPace.account_id == account_id, DomainPace.slow_until > since)


def slow_since(now: datetime) -> datetime:
    """A domain that asked before this moment is written to as fast as any other again."""
    return now - EASE_AFTER * MOST_STEPS


def admit(
    session: Session, *, account_id: UUID, cap: int | None, wanting: Sequence[Wanting], now: datetime
) -> dict[UUID, datetime]:
    """Count messages towards their domains, under the lanes' locks; later moments of those without room.

    Three statements for any number of messages. A lane that has no row yet and needs none (no cap) is free.
    """
    by_domain: dict[str, list[Wanting]] = {}
    for each in wanting:
        if each.domain:
            by_domain.setdefault(each.domain, []).append(each)
    lanes = _locked(session, account_id, by_domain, now=now, make=cap is not None)
    later: dict[UUID, datetime] = {}
    changed: dict[UUID, Lane] = {}
    for domain, (row_id, lane) in lanes.items():
        # By hand first: a person waits for it.
        group = sorted(by_domain[domain], key=lambda each: not each.is_by_hand)
        count, counted = granted(lane, len(group), cap=cap, now=now)
        moments, after = put_off(counted, group[count:], cap=cap, now=now)
        later |= moments
        if after != lane:
            changed[row_id] = after
    _keep(session, changed)
    return later


def slow_down(session: Session, *, account_id: UUID, codes: Mapping[str, str], now: datetime) -> None:
    """Leave domains alone for a while; `codes` is what each of them said."""
    lanes = _locked(session, account_id, codes, now=now, make=True)
    _keep(session, {row_id: slowed(lane, now=now) for row_id, lane in lanes.values()}, codes_of(lanes, codes))


def codes_of(lanes: Mapping[str, tuple[UUID, Lane]], codes: Mapping[str, str]) -> dict[UUID, str]:
    """What each lane's domain said, by row."""
    return {row_id: codes[domain] for domain, (row_id, _) in lanes.items()}


def slow_domains(session: Session, *, account_id: UUID, now: datetime) -> list[DomainPace]:
    """The domains that are left alone just now, for the account's page."""
    return list(
        session.scalars(
            select(DomainPace)
            .where(DomainPace.account_id == account_id, DomainPace.slow_until > now)
            .order_by(DomainPace.domain)
        )
    )


def _locked(
    session: Session, account_id: UUID, domains: Collection[str], *, now: datetime, make: bool
) -> dict[str, tuple[UUID, Lane]]:
    """The lanes of some domains, locked in one order."""
    if not domains:
        return {}
    names = sorted(domains)
    if make:
        shared = {"account_id": account_id, "minute": _minute(now), "tail": _minute(now)}
        workspace_id = session.info["workspace_id"]
        session.execute(
            insert(DomainPace)
            .values([{"id": new_id(), "workspace_id": workspace_id, "domain": name, **shared} for name in names])
            .on_conflict_do_nothing(index_elements=["workspace_id", "account_id", "domain"])
        )
    found = session.execute(
        select(DomainPace)
        .where(DomainPace.account_id == account_id, DomainPace.domain.in_(names))
        .order_by(DomainPace.domain)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalars()
    return dict(_lanes(found))


def _lanes(found: Iterator[DomainPace]) -> Iterator[tuple[str, tuple[UUID, Lane]]]:
    for row in found:
        lane = Lane(
            minute=row.minute,
            used=row.used,
            tail=row.tail,
            tail_used=row.tail_used,
            slow_until=row.slow_until,
            steps=row.steps,
        )
        yield row.domain, (row.id, lane)


_KEEP = text(
    "update domain_pace set minute = row.minute, used = row.used, tail = row.tail, tail_used = row.tail_used,"
    " slow_until = row.slow_until, steps = row.steps, code = coalesce(row.code, domain_pace.code)"
    " from json_to_recordset(cast(:rows as json)) as row (id uuid, minute timestamptz, used integer, tail timestamptz,"
    " tail_used integer, slow_until timestamptz, steps integer, code text) where domain_pace.id = row.id"
)


def _keep(session: Session, lanes: Mapping[UUID, Lane], codes: Mapping[UUID, str] | None = None) -> None:
    if not lanes:
        return
    names = ("id", "minute", "used", "tail", "tail_used", "slow_until", "steps", "code")
    values = [
        (
            row_id,
            lane.minute.isoformat(),
            lane.used,
            lane.tail.isoformat(),
            lane.tail_used,
            lane.slow_until.isoformat() if lane.slow_until else None,
            lane.steps,
            (codes or {}).get(row_id),
        )
        for row_id, lane in lanes.items()
    ]
    session.execute(_KEEP, {"rows": rows(names, values)})

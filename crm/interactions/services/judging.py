"""Owns what follows from an entry: keyword rules say what it means, answers end complaints, many complaints ring."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import case, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Role
from crm.accounts.models import Membership, Workspace
from crm.accounts.rules import Actor
from crm.accounts.services import notifications
from crm.clock import local_day, local_instant
from crm.contacts.models import Contact
from crm.contacts.queries import limited
from crm.db import among, new_id
from crm.interactions import queries, rules, spikes
from crm.interactions.keywords import judge
from crm.interactions.kinds import Direction, Sentiment, Visibility
from crm.interactions.models import Interaction
from crm.interactions.queries.timeline import OPEN_COMPLAINT
from crm.interactions.services.entries import Entry
from crm.interactions.timeline_models import LabelledEntry, NegativeSpike

SPIKE: Final = "negatives.spike"
#: Whose business a wave of unhappy people is.
TOLD: Final = (Role.OWNER, Role.MANAGER, Role.COMMUNITY)


def judged(session: Session, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries with what the workspace's keyword rules say about the words of others.

    What somebody chose stays: a rule only speaks where no sentiment was given. Labels add up. Nothing is said about
    people whose data may only be kept.
    """
    meant = {number for number, entry in enumerate(entries) if _is_theirs(entry)}
    known = queries.keyword_rules(session) if meant else []
    if not known:
        return entries
    kept = limited(session, contact_ids={found for number in meant if (found := entries[number].contact_id)})
    meant = {number for number in meant if entries[number].contact_id not in kept}
    return [_judged(entry, known) if number in meant else entry for number, entry in enumerate(entries)]


def _is_theirs(entry: Entry) -> bool:
    direction = entry.direction or rules.direction_of(entry.kind)
    return direction == Direction.INBOUND and not entry.is_automatic and bool(entry.body or entry.subject)


def _judged(entry: Entry, known: Iterable[Any]) -> Entry:
    said = judge(f"{entry.subject}\n{entry.body}", known)
    labels = tuple(dict.fromkeys((*entry.label_ids, *said.label_ids)))
    return replace(entry, sentiment=entry.sentiment or said.sentiment, label_ids=labels)


def put_labels(session: Session, actor: Actor, labels: Iterable[tuple[UUID, UUID]]) -> None:
    """Give entries their labels, each (interaction id, label id) once."""
    rows = [
        {"id": new_id(), "workspace_id": actor.workspace_id, "interaction_id": entry_id, "label_id": label_id}
        for entry_id, label_id in labels
    ]
    if rows:
        session.execute(insert(LabelledEntry).values(rows).on_conflict_do_nothing())


def settle(session: Session, made: Sequence[Interaction]) -> None:
    """End the complaints that these entries answer, and those that were answered before they were brought in.

    Whatever we do in person on any channel answers what the same person complained about before. Automatic messages
    answer nothing, and neither does what nobody else may see.
    """
    answers: dict[UUID, datetime] = {}
    late: set[UUID] = set()
    for row in made:
        if row.contact_id is None:
            continue
        if _answers(row):
            known = answers.get(row.contact_id)
            answers[row.contact_id] = max(known, row.happened_at) if known else row.happened_at
        elif row.sentiment == Sentiment.NEGATIVE and row.direction == Direction.INBOUND:
            late.add(row.contact_id)
    if answers:
        at = case(answers, value=Interaction.contact_id)
        _end(session, among(Interaction.contact_id, sorted(answers)), Interaction.happened_at <= at, at=at)
    if late:
        answered = (
            select(Contact.last_outbound_at).where(Contact.id == Interaction.contact_id).correlate(Interaction)
        ).scalar_subquery()
        _end(session, among(Interaction.contact_id, sorted(late)), Interaction.happened_at < answered, at=answered)


def _answers(row: Interaction) -> bool:
    ours = row.direction in {Direction.OUTBOUND, Direction.NONE}
    is_open = row.visibility != Visibility.PRIVATE
    return ours and is_open and rules.is_exchange(row.kind, is_automatic=row.is_automatic)


def _end(session: Session, *which: Any, at: Any) -> None:
    session.execute(
        update(Interaction)
        .where(*which, OPEN_COMPLAINT)
        .values(answered_at=at)
        .execution_options(synchronize_session=False)
    )
    for held in session.identity_map.values():
        if isinstance(held, Interaction):
            session.expire(held, ["answered_at"])


def watch(session: Session, actor: Actor, made: Iterable[Interaction], *, now: datetime) -> NegativeSpike | None:
    """Ring once when today's negative words are far more than usual (`crm.interactions.spikes` has the formula).

    Days are the workspace's. A spike that goes on the next day is the same one and rings no second time.
    """
    if not any(_counts(row, now) for row in made):
        return None
    tz = session.scalars(select(Workspace.time_zone).where(Workspace.id == actor.workspace_id)).one()
    today = local_day(now, tz=tz)
    counts = _negatives(session, since=today - timedelta(days=spikes.DAYS), tz=tz)
    verdict = spikes.compare(counts[today], [count for day, count in counts.items() if day < today])
    if not verdict.is_spike:
        return None
    fresh = session.scalars(
        insert(NegativeSpike)
        .values(
            id=new_id(),
            workspace_id=actor.workspace_id,
            day=today,
            count=counts[today],
            usual=verdict.usual,
            threshold=verdict.threshold,
            found_at=now,
        )
        .on_conflict_do_nothing()
        .returning(NegativeSpike)
    ).one_or_none()
    if fresh is None or session.scalar(select(NegativeSpike.id).where(NegativeSpike.day == today - timedelta(days=1))):
        return None
    people = session.scalars(
        select(Membership.user_id).where(
            Membership.role.in_([role.value for role in TOLD]), Membership.ended_at.is_(None)
        )
    ).all()
    told = {"count": counts[today], "usual": f"{verdict.usual:.1f}"}
    notifications.notify(session, actor, user_ids=people, kind=SPIKE, params=told, url="/", now=now)
    return fresh


def _counts(row: Interaction, now: datetime) -> bool:
    is_negative = row.sentiment == Sentiment.NEGATIVE and row.direction == Direction.INBOUND
    return is_negative and row.visibility != Visibility.PRIVATE and now - row.happened_at < timedelta(days=1)


def _negatives(session: Session, *, since: date, tz: str) -> Counter[date]:
    """{day: negative entries of others} from a day on, by the workspace's calendar."""
    day = func.date(func.timezone(tz, Interaction.happened_at))
    begins = local_instant(since, time(0), tz=tz)
    rows = session.execute(
        select(day, func.count())
        .where(
            Interaction.happened_at >= begins,
            literal_column(
                "interaction.sentiment = 'negative' and interaction.direction = 'inbound'"
                " and interaction.visibility <> 'private' and interaction.removed_at is null"
            ),
        )
        .group_by(day)
    )
    found: Counter[date] = Counter()
    for on, count in rows:
        found[on] = count
    return found

"""Owns the figures of the reports page: what left and came in by week, points, redemptions, states of messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Date, Select, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.clock import local_day, local_instant
from crm.contacts import queries as contacts
from crm.contacts.models import Contact
from crm.interactions.kinds import InteractionKind, Visibility
from crm.interactions.models import Interaction
from crm.loyalty.kinds import LedgerAccount
from crm.loyalty.models import LedgerTransaction, Posting, Redemption
from crm.outreach.kinds import MessageDirection, MessageState
from crm.outreach.models import Message

WEEKS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Twelve weeks up to now; every tuple has one number per week of `weeks` (their Mondays, the oldest first).

    `states` counts the messages that were planned in these weeks, each in exactly one state.
    """

    weeks: tuple[date, ...]
    sent: tuple[int, ...]
    received: tuple[int, ...]
    calls: tuple[int, ...]
    issued: tuple[int, ...]
    spent: tuple[int, ...]
    redeemed: tuple[int, ...]
    discount_minor: int
    purchases_minor: int
    states: Mapping[MessageState, int]


def figures(session: Session, actor: Actor, *, now: datetime) -> Figures:
    """The figures of what the actor may see, in the actor's weeks; raises `ForbiddenError` without VIEW_OWN."""
    actor.require(Permission.VIEW_OWN)
    today = local_day(now, tz=actor.time_zone)
    this_week = today - timedelta(days=today.weekday())
    weeks = tuple(this_week - timedelta(weeks=WEEKS - 1 - number) for number in range(WEEKS))
    since = local_instant(weeks[0], time(0), tz=actor.time_zone)
    exchanged = _by_week(session, _exchanges(actor, since))
    points = _by_week(session, _points(actor, since))
    used, discount, purchases = _redemptions(session, actor, since)
    return Figures(
        weeks=weeks,
        sent=_row(exchanged, InteractionKind.MESSAGE_SENT, weeks),
        received=_row(exchanged, InteractionKind.MESSAGE_RECEIVED, weeks),
        calls=_row(exchanged, InteractionKind.CALL, weeks),
        issued=tuple(-count for count in _row(points, LedgerAccount.ISSUED, weeks)),
        spent=_row(points, LedgerAccount.REDEEMED, weeks),
        redeemed=_row(used, "", weeks),
        discount_minor=discount,
        purchases_minor=purchases,
        states=_states(session, actor, since, now),
    )


def _row(counted: Mapping[tuple[str, date], int], key: str, weeks: tuple[date, ...]) -> tuple[int, ...]:
    return tuple(counted.get((key, week), 0) for week in weeks)


def _by_week(session: Session, wanted: Select[*tuple[Any, ...]]) -> dict[tuple[str, date], int]:
    return {(key, week): int(count) for key, week, count in session.execute(wanted)}


def _week(actor: Actor, instant: Any) -> ColumnElement[date]:
    """The Monday of an instant in the actor's zone."""
    return cast(func.date_trunc("week", func.timezone(actor.time_zone, instant)), Date)


def _exchanges(actor: Actor, since: datetime) -> Select[*tuple[Any, ...]]:
    week = _week(actor, Interaction.happened_at)
    kinds = (InteractionKind.MESSAGE_SENT, InteractionKind.MESSAGE_RECEIVED, InteractionKind.CALL)
    return (
        select(Interaction.kind, week, func.count())
        .outerjoin(Contact, Contact.id == Interaction.contact_id)
        .where(
            Interaction.kind.in_(kinds),
            Interaction.happened_at >= since,
            Interaction.removed_at.is_(None),
            Interaction.visibility != Visibility.PRIVATE,
            Interaction.is_automatic.is_(False),
            _seen(actor, Interaction.contact_id),
        )
        .group_by(Interaction.kind, week)
    )


def _points(actor: Actor, since: datetime) -> Select[*tuple[Any, ...]]:
    """Net points of the programmes' own accounts: what reversals took back is not in it."""
    week = _week(actor, LedgerTransaction.at)
    return (
        select(Posting.account, week, func.sum(Posting.points))
        .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(Posting.member_id.is_(None), LedgerTransaction.at >= since)
        .group_by(Posting.account, week)
    )


def _redemptions(session: Session, actor: Actor, since: datetime) -> tuple[dict[tuple[str, date], int], int, int]:
    week = _week(actor, Redemption.at)
    rows = session.execute(
        select(
            week.label("week"),
            func.count().label("used"),
            func.coalesce(func.sum(Redemption.discount_minor), 0).label("discount"),
            func.coalesce(func.sum(Redemption.purchase_minor), 0).label("purchases"),
        )
        .where(Redemption.at >= since, Redemption.undone_at.is_(None))
        .group_by(week)
    ).all()
    used = {("", row.week): int(row.used) for row in rows}
    return used, sum(int(row.discount) for row in rows), sum(int(row.purchases) for row in rows)


def _states(session: Session, actor: Actor, since: datetime, now: datetime) -> dict[MessageState, int]:
    counted = session.execute(
        select(Message.state, func.count())
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .where(
            Message.direction == MessageDirection.OUTBOUND,
            Message.state.in_([state.value for state in MessageState if state is not MessageState.RECEIVED]),
            Message.planned_at >= since,
            Message.planned_at <= now,
            _seen(actor, Message.contact_id),
        )
        .group_by(Message.state)
    )
    return {MessageState(state): count for state, count in counted}


def _seen(actor: Actor, reference: Any) -> ColumnElement[bool]:
    return or_(reference.is_(None), and_(contacts.visible(actor), Contact.id.is_not(None)))

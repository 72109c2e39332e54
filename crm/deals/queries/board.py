"""Owns reading many deals: the columns of the board, the list with its order, the totals of both."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.models import Contact
from crm.deals import rules
from crm.deals.kinds import DealSort, StageKind, Step, Whose
from crm.deals.models import Deal, DealCompany, DealContact, DealStage
from crm.deals.queries.access import alive, zone_of
from crm.deals.queries.cards import DealCard, cards
from crm.deals.queries.pipelines import stages
from crm.deals.rules import Total
from crm.web.paging import Page, decode_cursor, encode_cursor, page_of

#: Won and lost deals stay on the board for so long; the list has them all.
SHOWN_CLOSED: Final = timedelta(days=30)
#: Cards of a column before somebody asks for more.
COLUMN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DealFilter:
    """What a board or list shows; None means any. `closing` is the month now running."""

    whose: Whose = Whose.TEAM
    pipeline_id: UUID | None = None
    stage_id: UUID | None = None
    state: StageKind | None = None
    company_id: UUID | None = None
    contact_id: UUID | None = None
    closing: bool = False
    rotting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A stage with its totals per currency and its first cards; `next` continues behind them."""

    stage: DealStage
    totals: Sequence[Total]
    cards: Sequence[DealCard] = field(default_factory=list)
    next: str | None = None

    @property
    def count(self) -> int:
        """How many deals the column has in all."""
        return sum(total.count for total in self.totals)


def _conditions(session: Session, actor: Actor, where: DealFilter, *, now: datetime) -> list[ColumnElement[bool]]:
    tz = zone_of(session, actor)
    found = [alive(actor)]
    same = {"pipeline_id": Deal.pipeline_id, "stage_id": Deal.stage_id, "state": Deal.state}
    found += [column == getattr(where, name) for name, column in same.items() if getattr(where, name) is not None]
    if where.whose is Whose.MINE:
        found.append(Deal.owner_id == actor.user_id)
    if where.company_id is not None:
        of_company = select(DealCompany.id).where(
            DealCompany.deal_id == Deal.id, DealCompany.company_id == where.company_id
        )
        found.append(exists(of_company))
    if where.contact_id is not None:
        of_person = (
            select(DealContact.id)
            .join(Contact, Contact.id == DealContact.contact_id)
            .where(DealContact.deal_id == Deal.id, Contact.id == where.contact_id, contacts.alive(actor))
        )
        found.append(exists(of_person))
    if where.closing:
        found.append(Deal.order_on.between(*rules.month_of(now, tz=tz)))
    if where.rotting:
        found.append(_rotting(session, actor, where, now=now, tz=tz))
    return found


def _rotting(session: Session, actor: Actor, where: DealFilter, *, now: datetime, tz: str) -> ColumnElement[bool]:
    too_long = [
        and_(Deal.stage_id == stage.id, Deal.stage_since < rules.rots_before(now, stage.rot_days, tz=tz))
        for stage in stages(session, actor, pipeline_id=where.pipeline_id)
        if stage.rot_days is not None and stage.kind == StageKind.OPEN
    ]
    return and_(Deal.state == StageKind.OPEN, or_(*too_long)) if too_long else Deal.id.is_(None)


def _chance() -> ColumnElement[int]:
    """The chance in per cent of a deal joined to its stage: `rules.probability_of` for the database."""
    return case(
        (Deal.state == StageKind.WON, 100),
        (Deal.state == StageKind.LOST, 0),
        else_=func.coalesce(Deal.probability, DealStage.probability),
    )


def _totals(session: Session, conditions: Sequence[ColumnElement[bool]]) -> dict[UUID, list[Total]]:
    """The totals per currency of each stage, the largest currency first."""
    amount = func.sum(Deal.amount_minor)
    wanted = (
        select(
            Deal.stage_id,
            Deal.currency,
            func.count().label("count"),
            amount.label("amount"),
            func.sum(Deal.amount_minor * _chance()).label("hundredths"),
        )
        .join(DealStage, DealStage.id == Deal.stage_id)
        .where(*conditions)
        .group_by(Deal.stage_id, Deal.currency)
        .order_by(amount.desc(), Deal.currency)
    )
    found: dict[UUID, list[Total]] = {}
    for stage_id, currency, count, summed, hundredths in session.execute(wanted):
        one = Total(currency, count, int(summed), rules.weighted(int(hundredths)))
        found.setdefault(stage_id, []).append(one)
    return found


def _on_board(now: datetime) -> ColumnElement[bool]:
    return or_(Deal.closed_at.is_(None), Deal.closed_at >= now - SHOWN_CLOSED)


def board(session: Session, actor: Actor, *, where: DealFilter, now: datetime, limit: int = COLUMN) -> list[Column]:
    """The columns of `where.pipeline_id`: open deals by their place, closed ones of late with the newest first."""
    columns = stages(session, actor, pipeline_id=where.pipeline_id)
    if not columns:
        return []
    conditions = [*_conditions(session, actor, where, now=now), _on_board(now)]
    totals = _totals(session, conditions)
    rows: list[Deal] = []
    for is_open in (True, False):
        ids = [stage.id for stage in columns if (stage.kind == StageKind.OPEN) is is_open]
        if ids:
            rows += _first_of_each(session, ids, conditions, is_open=is_open, limit=limit + 1)
    by_stage: dict[UUID, list[Deal]] = {}
    for row in rows:
        by_stage.setdefault(row.stage_id, []).append(row)
    shown = {card.id: card for card in cards(session, actor, deals=rows, now=now)}
    found = []
    for stage in columns:
        page = page_of(by_stage.get(stage.id, []), limit=limit, key=_key)
        held = [shown[row.id] for row in page.items]
        found.append(Column(stage=stage, totals=totals.get(stage.id, []), cards=held, next=page.next))
    return found


def _first_of_each(
    session: Session, stage_ids: Sequence[UUID], conditions: Sequence[ColumnElement[bool]], *, is_open: bool, limit: int
) -> Sequence[Deal]:
    """The first deals of each stage: the index is read from each stage's beginning, however full the others are."""
    order = (Deal.rank, Deal.id) if is_open else (Deal.closed_at.desc(), Deal.id.desc())
    first = (
        select(Deal.id)
        .where(Deal.stage_id == DealStage.id, *conditions)
        .order_by(*order)
        .limit(limit)
        .correlate(DealStage)
        .lateral("first")
    )
    chosen = select(first.c.id).select_from(DealStage).join(first, DealStage.id.is_not(None))
    chosen = chosen.where(DealStage.id.in_(stage_ids)).subquery()
    row = aliased(Deal)
    ordered = (row.rank, row.id) if is_open else (row.closed_at.desc(), row.id.desc())
    return session.scalars(select(row).join(chosen, chosen.c.id == row.id).order_by(*ordered)).all()


def _key(row: Deal) -> tuple[object, ...]:
    return (row.closed_at, row.id) if row.closed_at else (row.rank, row.id)


def column(
    session: Session, actor: Actor, *, stage: DealStage, where: DealFilter, after: str | None, now: datetime
) -> Column:
    """The next cards of one column, behind a cursor of `Column.next`, with its totals."""
    conditions = [*_conditions(session, actor, where, now=now), Deal.stage_id == stage.id, _on_board(now)]
    wanted = select(Deal).where(*conditions)
    if stage.kind == StageKind.OPEN:
        if after:
            wanted = wanted.where(tuple_(Deal.rank, Deal.id) > tuple(decode_cursor(after, str, UUID)))
        wanted = wanted.order_by(Deal.rank, Deal.id)
    else:
        if after:
            wanted = wanted.where(tuple_(Deal.closed_at, Deal.id) < tuple(decode_cursor(after, datetime, UUID)))
        wanted = wanted.order_by(Deal.closed_at.desc(), Deal.id.desc())
    page = page_of(session.scalars(wanted.limit(COLUMN + 1)).all(), limit=COLUMN, key=_key)
    held = cards(session, actor, deals=page.items, now=now)
    totals = _totals(session, conditions).get(stage.id, [])
    return Column(stage=stage, totals=totals, cards=held, next=page.next)


def beside(
    session: Session, actor: Actor, *, deal: Deal, where: DealFilter, step: Step, now: datetime
) -> tuple[UUID | None, UUID | None]:
    """(after which, before which) deal of its column an open one stands when it goes a `step`, among those shown.

    Both None when it is at that end already.
    """
    others = select(Deal.id).where(
        *_conditions(session, actor, where, now=now), Deal.stage_id == deal.stage_id, Deal.id != deal.id
    )
    here, own = tuple_(Deal.rank, Deal.id), (deal.rank, deal.id)
    if step is Step.DOWN:
        found = others.where(here > own).order_by(Deal.rank, Deal.id)
        return session.scalars(found.limit(1)).one_or_none(), None
    above = others.where(here < own)
    order = (Deal.rank, Deal.id) if step is Step.TOP else (Deal.rank.desc(), Deal.id.desc())
    return None, session.scalars(above.order_by(*order).limit(1)).one_or_none()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        # Only a cursor that somebody wrote by hand says so; none of ours stands before the first day.
        return date.min


_ORDERS: Final[dict[DealSort, tuple[Any, type]]] = {
    DealSort.CLOSES: (Deal.order_on, str),
    DealSort.TITLE: (Deal.title_norm, str),
    DealSort.AMOUNT: (Deal.amount_minor, int),
    DealSort.CREATED: (Deal.created_at, datetime),
}


def list_deals(
    session: Session,
    actor: Actor,
    *,
    where: DealFilter,
    sort: DealSort = DealSort.CLOSES,
    descending: bool = False,
    after: str | None = None,
    limit: int = 50,
    now: datetime,
) -> Page[DealCard]:
    """A page of deals in the order of `sort`."""
    key, kind = _ORDERS[sort]
    wanted: Select[Deal] = select(Deal).where(*_conditions(session, actor, where, now=now))
    if after:
        value, deal_id = decode_cursor(after, kind, UUID)
        place = tuple_(_day(value) if sort is DealSort.CLOSES else value, deal_id)
        here = tuple_(key, Deal.id)
        wanted = wanted.where(here < place if descending else here > place)
    order = (key.desc(), Deal.id.desc()) if descending else (key, Deal.id)
    rows = session.scalars(wanted.order_by(*order).limit(limit + 1)).all()
    shown = rows[:limit]
    last = None
    if len(rows) > limit:
        value = getattr(shown[-1], key.key)
        last = encode_cursor(value.isoformat() if sort is DealSort.CLOSES else value, shown[-1].id)
    return Page(cards(session, actor, deals=shown, now=now), last)


def totals(session: Session, actor: Actor, *, where: DealFilter, now: datetime) -> list[Total]:
    """The totals per currency of all deals that `where` shows, the currency with the most deals first."""
    summed: dict[str, list[Total]] = {}
    for of_stage in _totals(session, _conditions(session, actor, where, now=now)).values():
        for one in of_stage:
            summed.setdefault(one.currency, []).append(one)
    found = [
        Total(
            currency,
            sum(one.count for one in parts),
            sum(one.amount_minor for one in parts),
            sum(one.weighted_minor for one in parts),
        )
        for currency, parts in summed.items()
    ]
    return sorted(found, key=lambda one: (-one.count, one.currency))

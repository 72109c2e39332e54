"""Owns the statements behind the occasions to write: full years of a relationship, new jobs, what was found lately."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Label,
    Select,
    and_,
    case,
    cast,
    func,
    join,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy import Date as SqlDate
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from crm.clock import end_of_day, local_instant
from crm.contacts import queries as contacts
from crm.contacts.kinds import FactOrigin, FactState, Importance
from crm.contacts.models import Affiliation, Company, Contact, Fact
from crm.deals.kinds import StageKind
from crm.deals.models import Deal, DealContact
from crm.desk.queue_sources import Kind, View, Waiting, mine, person_line
from crm.interactions.keeping_models import Cadence

#: Years that are remembered.
MOST_YEARS: Final = 40
#: More of one day nobody congratulates. Day by day each is found by its moment: all days together are looked for among
#: everybody ever met, and all that was ever won.
MOST_A_DAY: Final = 200
#: A new job is a reason to write for a month, and what a source found for two weeks.
JOB_DAYS: Final = 30
FOUND_FOR: Final = timedelta(days=14)
#: A suggestion that waited longer for its yes is no news any more.
FOUND_WITHIN: Final = timedelta(days=90)
#: Fields of which a new value is something to write about; a phone number or a VAT number is none.
TELLING: Final = ("description", "staff", "industry", "city", "street", "name", "title")


def spans(today: date, *, tz: str) -> tuple[list[datetime], list[datetime]]:
    """When the same day of each earlier year began and ended in `tz`; a 29 February is one in leap years alone."""
    days = [
        today.replace(year=today.year - years)
        for years in range(1, min(MOST_YEARS, today.year - 1) + 1)
        if (today.month, today.day) != (2, 29) or _is_leap(today.year - years)
    ]
    return [local_instant(day, time(0), tz=tz) for day in days], [end_of_day(day, tz=tz) for day in days]


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _years(view: View) -> Any:
    return func.unnest(view.starts, view.ends).table_valued("begin", "end").render_derived(name="year")


def _reachable(view: View) -> ColumnElement[bool]:
    """Somebody whom the reader looks after, may see, and whose data may be used."""
    return and_(Contact.limited_at.is_(None), mine(view, Contact.owner_id), contacts.alive(view.actor))


def _company_name() -> Label[Any]:
    """Asked for each line that is shown: a join would be planned for all who may be."""
    return select(Company.name).where(Company.id == Contact.company_id).scalar_subquery().label("company")


def known_since(view: View) -> Select[*tuple[Any, ...]]:
    """People with a rhythm whose first contact, of both, is a full number of years ago today."""
    year = _years(view)
    met = (
        select(Cadence.contact_id, Cadence.met_at)
        .where(
            Cadence.met_at >= year.c.begin,
            Cadence.met_at < year.c.end,
            Cadence.days.is_not(None),
            Cadence.paused_at.is_(None),
        )
        .order_by(Cadence.met_at, Cadence.contact_id)
        .limit(MOST_A_DAY)
        .lateral("met")
    )
    return (
        select(Contact, _company_name(), met.c.met_at.label("since"))
        .select_from(join(year, met, true()).join(Contact, Contact.id == met.c.contact_id))
        .where(_reachable(view))
        .order_by(met.c.met_at, Contact.id)
    )


def customers_since(view: View) -> Select[*tuple[Any, ...]]:
    """Main people of a first won deal that is a full number of years ago today."""
    year = _years(view)
    won = (
        select(Deal.id, Deal.title, Deal.closed_at)
        .where(
            Deal.state == StageKind.WON,
            Deal.deleted_at.is_(None),
            Deal.closed_at >= year.c.begin,
            Deal.closed_at < year.c.end,
        )
        .order_by(Deal.closed_at, Deal.id)
        .limit(MOST_A_DAY)
        .lateral("won")
    )
    other, others = aliased(Deal), aliased(DealContact)
    earlier = (
        select(other.id)
        .join(others, others.deal_id == other.id)
        .where(
            others.contact_id == DealContact.contact_id,
            others.is_main,
            other.state == StageKind.WON,
            other.deleted_at.is_(None),
            or_(other.closed_at < won.c.closed_at, and_(other.closed_at == won.c.closed_at, other.id < won.c.id)),
        )
    )
    return (
        select(Contact, _company_name(), won.c.closed_at.label("since"), won.c.title.label("deal"))
        .select_from(
            join(year, won, true())
            .join(DealContact, and_(DealContact.deal_id == won.c.id, DealContact.is_main))
            .join(Contact, Contact.id == DealContact.contact_id)
        )
        .where(~earlier.exists(), _reachable(view))
        .order_by(won.c.closed_at, Contact.id)
    )


def year_line(kind: Kind) -> Any:
    """What makes the line of full years; `until` holds since when, since nobody has waited for it."""

    def make(row: Any) -> Waiting:
        return replace(person_line(kind, row), until=row.since, text=getattr(row, "deal", ""))

    return make


def new_jobs(view: View) -> Select[*tuple[Any, ...]]:
    """People whose place in a company began lately, or who left one for another."""
    today = cast(view.today, SqlDate)
    ago = today - literal_column(str(JOB_DAYS))
    began = select(Affiliation.contact_id, Affiliation.started_on.label("since_on"), Affiliation.company_id).where(
        Affiliation.started_on.between(ago, today), Affiliation.ended_on.is_(None), Affiliation.is_primary
    )
    left = select(Affiliation.contact_id, Affiliation.ended_on, Contact.company_id).join(
        Contact,
        and_(
            Contact.id == Affiliation.contact_id,
            Contact.company_id.is_not(None),
            Contact.company_id != Affiliation.company_id,
        ),
    )
    left = left.where(Affiliation.ended_on.between(ago, today))
    places = union_all(began, left).subquery()
    moved = (
        select(places.c.contact_id, places.c.company_id, func.max(places.c.since_on).label("since_on"))
        .group_by(places.c.contact_id, places.c.company_id)
        .subquery("moved")
    )
    return (
        select(Contact, Company.name.label("company"), moved.c.since_on)
        .join(moved, and_(moved.c.contact_id == Contact.id, moved.c.company_id == Contact.company_id))
        .join(Company, Company.id == Contact.company_id)
        .where(_reachable(view))
        .order_by(moved.c.since_on.desc(), Contact.id)
    )


def job_line(row: Any) -> Waiting:
    """The line of somebody with a new place."""
    return replace(person_line(Kind.JOB, row), text=row.Contact.title, since_on=row.since_on)


def _found_at() -> Any:
    """When a value was found, or taken over by a person."""
    return func.coalesce(Fact.decided_at, Fact.at)


def found_lately(view: View) -> Select[*tuple[Any, ...]]:
    """What a source found about a person or their company: the newest of each, told of the most important person."""
    about = or_(Fact.contact_id == Contact.id, and_(Fact.company_id == Contact.company_id, Fact.contact_id.is_(None)))
    weight = case((Contact.importance == Importance.KEY, 0), (Contact.importance == Importance.HIGH, 1), else_=2)
    subject = func.coalesce(Fact.company_id, Fact.contact_id)
    return (
        select(Contact, Company.name.label("company"), Fact, _found_at().label("found_at"))
        .join(Fact, about)
        .outerjoin(Company, Company.id == Contact.company_id)
        .where(
            Fact.origin == literal_column(f"'{FactOrigin.FOUND.value}'"),
            Fact.state == literal_column(f"'{FactState.CURRENT.value}'"),
            Fact.at >= view.now - FOUND_WITHIN,
            _found_at() >= view.now - FOUND_FOR,
            Fact.field.in_(TELLING),
            _reachable(view),
        )
        .ext(distinct_on(subject))
        .order_by(
            subject,
            _found_at().desc(),
            Fact.id.desc(),
            weight,
            Contact.last_interaction_at.desc().nulls_last(),
            Contact.id,
        )
    )


def found_line(row: Any) -> Waiting:
    """The line of a finding; `reason` names the field, `post_url` where it was read."""
    found: Fact = row.Fact
    return replace(
        person_line(Kind.NEWS, row),
        id=found.id,
        text=found.value,
        reason=found.field,
        post_url=found.source_url,
        is_company=found.company_id is not None,
        until=row.found_at,
    )


def found_at(_view: View) -> Any:
    """The news of a finding."""
    return _found_at()


def morning(view: View) -> Any:
    """The moment at which today began: what is about a day is news once."""
    return cast(view.tonight, DateTime(timezone=True)) - literal_column("interval '1 day'")


def job_news(_view: View) -> Any:
    """The day of a new place as a moment."""
    return func.timezone("UTC", literal_column("moved.since_on", SqlDate).cast(DateTime))

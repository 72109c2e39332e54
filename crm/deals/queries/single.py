"""Owns reading one deal: its card, the people and companies in it, its stays; and the deals of a person or company."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.models import Company, Contact
from crm.contacts.queries import SHORT_LIST, Scope
from crm.contacts.queries.finding import within_time
from crm.deals import rules
from crm.deals.models import Deal, DealCompany, DealContact, DealTask, StageChange
from crm.deals.queries.access import alive, deal, zone_of
from crm.deals.queries.cards import DealCard, cards
from crm.interactions import queries as timeline
from crm.interactions.models import Task

#: What a search looks at before it leaves out what the actor may not see.
CANDIDATES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in a deal; `role` in the words of who added them."""

    contact_id: UUID
    name: str
    title: str
    role: str
    is_main: bool


def card(session: Session, actor: Actor, *, deal_id: UUID, now: datetime) -> DealCard:
    """One deal as a card; raises `DealNotFoundError`."""
    return cards(session, actor, deals=[deal(session, actor, deal_id=deal_id)], now=now)[0]


def people_of(session: Session, actor: Actor, *, deal_id: UUID) -> list[Person]:
    """The people in a deal whom the actor sees, the main one first."""
    deal(session, actor, deal_id=deal_id)
    wanted = (
        select(DealContact, Contact.display_name, Contact.title)
        .join(Contact, Contact.id == DealContact.contact_id)
        .where(DealContact.deal_id == deal_id, contacts.alive(actor))
        .order_by(DealContact.is_main.desc(), Contact.sort_name, Contact.id)
        .limit(SHORT_LIST)
    )
    return [
        Person(contact_id=row.contact_id, name=name, title=title, role=row.role, is_main=row.is_main)
        for row, name, title in session.execute(wanted)
    ]


def companies_of(session: Session, actor: Actor, *, deal_id: UUID) -> Sequence[Company]:
    """The companies in a deal, by name."""
    deal(session, actor, deal_id=deal_id)
    wanted = (
        select(Company)
        .join(DealCompany, DealCompany.company_id == Company.id)
        .where(DealCompany.deal_id == deal_id, Company.deleted_at.is_(None))
        .order_by(Company.name_norm, Company.id)
        .limit(SHORT_LIST)
    )
    return session.scalars(wanted).all()


def tasks_of(session: Session, actor: Actor, *, deal_id: UUID) -> list[timeline.TaskView]:
    """The open tasks about a deal that the actor sees: promises first, then by date."""
    deal(session, actor, deal_id=deal_id)
    wanted = (
        select(DealTask.task_id)
        .join(Task, Task.id == DealTask.task_id)
        .where(DealTask.deal_id == deal_id, Task.done_at.is_(None))
        .limit(SHORT_LIST)
    )
    return timeline.open_tasks(session, actor, task_ids=session.scalars(wanted).all())


def stays(session: Session, actor: Actor, *, deal_id: UUID, now: datetime) -> list[rules.Stay]:
    """Where the deal stood and for how many days, oldest first; a closed deal's last stay goes on."""
    deal(session, actor, deal_id=deal_id)
    wanted = select(StageChange.stage_id, StageChange.at, StageChange.user_id).where(StageChange.deal_id == deal_id)
    rows = session.execute(wanted.order_by(StageChange.at, StageChange.id))
    return rules.stays([(row.stage_id, row.at, row.user_id) for row in rows], now, tz=zone_of(session, actor))


def deals_of(
    session: Session, actor: Actor, *, contact_id: UUID | None = None, company_id: UUID | None = None, now: datetime
) -> list[DealCard]:
    """The deals of a person or of a company: open ones by closing day, then the closed ones, newest first."""
    if contact_id is not None:
        part = select(DealContact.id).where(DealContact.deal_id == Deal.id, DealContact.contact_id == contact_id)
    else:
        part = select(DealCompany.id).where(DealCompany.deal_id == Deal.id, DealCompany.company_id == company_id)
    order = (Deal.closed_at.desc().nulls_first(), Deal.order_on, Deal.id)
    rows = session.scalars(select(Deal).where(exists(part), alive(actor)).order_by(*order).limit(SHORT_LIST)).all()
    return cards(session, actor, deals=rows, now=now)


def search(session: Session, actor: Actor, *, words: str, limit: int, now: datetime) -> list[DealCard]:
    """The visible deals whose title holds every one of the words, case and accents apart; open ones first."""
    if contacts.scope(actor) is Scope.NOTHING or not words.strip():
        return []
    found = text("select id from public.crm_search_deals(:query, :limit)")
    rows = within_time(session, found, {"query": words, "limit": CANDIDATES}) or ()
    ids = [row.id for row in rows]
    if not ids:
        return []
    order = (Deal.closed_at.desc().nulls_first(), Deal.title_norm, Deal.id)
    rows = session.scalars(select(Deal).where(Deal.id.in_(ids), alive(actor)).order_by(*order).limit(limit)).all()
    return cards(session, actor, deals=rows, now=now)

"""Owns what a list, a board or another page shows of a deal: its people, its days, its next task, in a few queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.clock import local_day
from crm.contacts import queries as contacts
from crm.contacts.models import Company, Contact
from crm.deals import rules
from crm.deals.kinds import StageKind
from crm.deals.models import Deal, DealCompany, DealContact, DealStage, DealTask
from crm.deals.queries.access import zone_of
from crm.interactions.models import Task


@dataclass(frozen=True, slots=True)
class NextTask:
    """The open task of a deal or its main person that is due first."""

    id: UUID
    title: str
    due_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DealCard:
    """A deal as a card: amounts in minor units, `probability` in per cent, `days` in its stage.

    `contact_*` is the main person where the actor sees them; `company_*` the first company by name. It stands at the
    `step` of the `steps` open stages of its pipeline, a won one behind the last.
    """

    id: UUID
    version: int
    title: str
    state: StageKind
    pipeline_id: UUID
    stage_id: UUID
    stage_name: str
    amount_minor: int
    currency: str
    closes_on: date | None
    closed_at: datetime | None
    created_at: datetime
    probability: int
    step: int
    steps: int
    days: int
    is_rotting: bool
    is_late: bool
    owner_id: UUID | None
    owner_name: str
    contact_id: UUID | None
    contact_name: str
    company_id: UUID | None
    company_name: str
    next_task: NextTask | None


def cards(session: Session, actor: Actor, *, deals: Sequence[Deal], now: datetime) -> list[DealCard]:
    """The cards of deals that the actor may see, in the given order; five statements, however many they are."""
    if not deals:
        return []
    tz = zone_of(session, actor)
    stages = _stages(session, deals)
    owners = _owners(session, deals)
    people, companies = _people(session, actor, deals), _companies(session, deals)
    tasks = _tasks(session, actor, {deal.id: people.get(deal.id, (None, ""))[0] for deal in deals})
    today = local_day(now, tz=tz)
    found = []
    for deal in deals:
        stage, kind = stages[deal.stage_id], StageKind(deal.state)
        contact_id, contact_name = people.get(deal.id, (None, ""))
        company_id, company_name = companies.get(deal.id, (None, ""))
        days = rules.days_in_stage(deal.stage_since, deal.closed_at or now, tz=tz)
        is_open = kind is StageKind.OPEN
        way = [
            other.id
            for other in stages.values()
            if (other.pipeline_id, other.kind) == (deal.pipeline_id, StageKind.OPEN) and other.archived_at is None
        ]
        found.append(
            DealCard(
                id=deal.id,
                version=deal.version,
                title=deal.title,
                state=kind,
                pipeline_id=deal.pipeline_id,
                stage_id=stage.id,
                stage_name=stage.name,
                amount_minor=deal.amount_minor,
                currency=deal.currency,
                closes_on=deal.closes_on,
                closed_at=deal.closed_at,
                created_at=deal.created_at,
                probability=rules.probability_of(kind, of_stage=stage.probability, own=deal.probability),
                step=way.index(stage.id) + 1 if stage.id in way else len(way) * (kind is StageKind.WON),
                steps=len(way),
                days=days,
                is_rotting=is_open and rules.is_rotting(days, stage.rot_days),
                is_late=is_open and deal.closes_on is not None and deal.closes_on < today,
                owner_id=deal.owner_id,
                owner_name=owners.get(deal.owner_id, "") if deal.owner_id else "",
                contact_id=contact_id,
                contact_name=contact_name,
                company_id=company_id,
                company_name=company_name,
                next_task=tasks.get(deal.id) if is_open else None,
            )
        )
    return found


def _stages(session: Session, deals: Sequence[Deal]) -> dict[UUID, DealStage]:
    wanted = select(DealStage).where(DealStage.pipeline_id.in_({deal.pipeline_id for deal in deals}))
    wanted = wanted.order_by(DealStage.position, DealStage.id)
    return {stage.id: stage for stage in session.scalars(wanted)}


def _owners(session: Session, deals: Sequence[Deal]) -> dict[UUID, str]:
    ids = {deal.owner_id for deal in deals if deal.owner_id}
    wanted = select(User.id, User.name, User.email).where(User.id.in_(ids))
    return {row.id: row.name or row.email for row in session.execute(wanted)} if ids else {}


def _people(session: Session, actor: Actor, deals: Sequence[Deal]) -> dict[UUID, tuple[UUID, str]]:
    wanted = (
        select(DealContact.deal_id, Contact.id, Contact.display_name)
        .join(Contact, Contact.id == DealContact.contact_id)
        .where(DealContact.deal_id.in_([deal.id for deal in deals]), DealContact.is_main, contacts.alive(actor))
    )
    return {row.deal_id: (row.id, row.display_name) for row in session.execute(wanted)}


def _companies(session: Session, deals: Sequence[Deal]) -> dict[UUID, tuple[UUID, str]]:
    wanted = (
        select(DealCompany.deal_id, Company.id, Company.name)
        .join(Company, Company.id == DealCompany.company_id)
        .where(DealCompany.deal_id.in_([deal.id for deal in deals]), Company.deleted_at.is_(None))
        # The first by name is written last and stays.
        .order_by(Company.name_norm.desc(), Company.id.desc())
    )
    return {row.deal_id: (row.id, row.name) for row in session.execute(wanted)}


def _tasks(session: Session, actor: Actor, people: Mapping[UUID, UUID | None]) -> dict[UUID, NextTask]:
    """The next open task of each of these deals: one about itself, or about its main person, whom the actor sees."""
    of_person = (
        select(DealContact.deal_id, Task.id, Task.title, Task.due_on)
        .join(Task, Task.contact_id == DealContact.contact_id)
        .where(
            DealContact.is_main,
            DealContact.deal_id.in_([deal_id for deal_id, contact_id in people.items() if contact_id]),
            Task.done_at.is_(None),
        )
    )
    own = (
        select(DealTask.deal_id, Task.id, Task.title, Task.due_on)
        .join(Task, Task.id == DealTask.task_id)
        .outerjoin(Contact, Contact.id == Task.contact_id)
        .where(
            DealTask.deal_id.in_(people.keys()),
            Task.done_at.is_(None),
            or_(Task.contact_id.is_(None), contacts.alive(actor)),
        )
    )
    both = union_all(of_person, own).subquery()
    wanted = (
        select(both.c.deal_id, both.c.id, both.c.title, both.c.due_on)
        .ext(distinct_on(both.c.deal_id))
        .order_by(both.c.deal_id, both.c.due_on.asc().nulls_last(), both.c.id)
    )
    return {row.deal_id: NextTask(row.id, row.title, row.due_on) for row in session.execute(wanted)}

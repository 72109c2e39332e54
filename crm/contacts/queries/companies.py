"""Owns reading companies."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.models import Company, CompanyTag, Contact, Tag
from crm.contacts.queries.access import CompanyNotFoundError, Scope, alive, behind, scope
from crm.web.paging import Page, page_of


def company(session: Session, actor: Actor, *, company_id: UUID, lock: bool = False) -> Company:
    """The company; raises `CompanyNotFoundError`. Companies are seen by everybody who may see any contact."""
    wanted = select(Company).where(Company.id == company_id, Company.deleted_at.is_(None))
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(wanted).one_or_none() if scope(actor) is not Scope.NOTHING else None
    if found is None:
        raise CompanyNotFoundError(N_("There is no such company."))
    return found


def list_companies(session: Session, actor: Actor, *, after: str | None = None, limit: int = 50) -> Page[Company]:
    """A page of companies by name."""
    if scope(actor) is Scope.NOTHING:
        return Page([])
    wanted = select(Company).where(Company.deleted_at.is_(None))
    wanted = behind(wanted, (Company.name_norm, Company.id), after, (str, UUID))
    rows = session.scalars(wanted.order_by(Company.name_norm, Company.id).limit(limit + 1)).all()
    return page_of(rows, limit=limit, key=lambda row: (row.name_norm, row.id))


def company_tags_of(session: Session, actor: Actor, *, company_id: UUID) -> Sequence[Tag]:
    """The tags of a company, by name."""
    company(session, actor, company_id=company_id)
    wanted = select(Tag).join(CompanyTag, CompanyTag.tag_id == Tag.id).where(CompanyTag.company_id == company_id)
    return session.scalars(wanted.order_by(Tag.name_norm)).all()


def people_counts(session: Session, actor: Actor, *, company_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many visible people each company has now; companies without any are left out."""
    wanted = (
        select(Contact.company_id, func.count())
        .where(Contact.company_id.in_(list(company_ids)), alive(actor))
        .group_by(Contact.company_id)
    )
    return {company_id: count for company_id, count in session.execute(wanted) if company_id is not None}

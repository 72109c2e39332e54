"""Owns reading companies."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.domain_models import CompanyDomain
from crm.contacts.models import Company, CompanyTag, Contact, Tag
from crm.contacts.queries.access import SHORT_LIST, CompanyNotFoundError, Scope, alive, behind, scope
from crm.filters.text import normalise
from crm.web.paging import Page, decode_cursor, page_of


class CompanySort(StrEnum):
    """The orders of the list of companies, each with an index of its own."""

    NAME = "name"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyFilter:
    """Plain filters of the list of companies, each None or empty for "any"; all must hold."""

    owner_id: UUID | None = None
    tag_id: UUID | None = None
    kind: str = ""
    #: As it is written; accents and capitals don't matter.
    city: str = ""
    #: No exchange since this instant with any of its people whom the reader may see, companies without any included.
    quiet_since: datetime | None = None


def company(session: Session, actor: Actor, *, company_id: UUID, lock: bool = False) -> Company:
    """The company; raises `CompanyNotFoundError`. Companies are seen by everybody who may see any contact."""
    wanted = select(Company).where(Company.id == company_id, Company.deleted_at.is_(None))
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(wanted).one_or_none() if scope(actor) is not Scope.NOTHING else None
    if found is None:
        raise CompanyNotFoundError(N_("There is no such company."))
    return found


def list_companies(
    session: Session,
    actor: Actor,
    *,
    where: CompanyFilter | None = None,
    sort: CompanySort = CompanySort.NAME,
    after: str | None = None,
    limit: int = 50,
) -> Page[Company]:
    """A page of companies, by name or the newest first."""
    if scope(actor) is Scope.NOTHING:
        return Page([])
    wanted = select(Company).where(Company.deleted_at.is_(None), *_conditions(actor, where or CompanyFilter()))
    if sort is CompanySort.NEWEST:
        if after:
            wanted = wanted.where(tuple_(Company.created_at, Company.id) < tuple(decode_cursor(after, datetime, UUID)))
        rows = session.scalars(wanted.order_by(Company.created_at.desc(), Company.id.desc()).limit(limit + 1)).all()
        return page_of(rows, limit=limit, key=lambda row: (row.created_at, row.id))
    wanted = behind(wanted, (Company.name_norm, Company.id), after, (str, UUID))
    rows = session.scalars(wanted.order_by(Company.name_norm, Company.id).limit(limit + 1)).all()
    return page_of(rows, limit=limit, key=lambda row: (row.name_norm, row.id))


def _conditions(actor: Actor, where: CompanyFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if where.owner_id is not None:
        found.append(Company.owner_id == where.owner_id)
    if where.kind:
        found.append(Company.kind == where.kind)
    if where.city:
        found.append(Company.city_norm == normalise(where.city))
    if where.tag_id is not None:
        found.append(exists().where(CompanyTag.company_id == Company.id, CompanyTag.tag_id == where.tag_id))
    if where.quiet_since is not None:
        heard = select(Contact.id).where(
            Contact.company_id == Company.id, Contact.last_interaction_at >= where.quiet_since, alive(actor)
        )
        # One look for each company of the page, which NOT EXISTS would turn into reading all people first.
        found.append(heard.limit(1).correlate(Company).scalar_subquery().is_(None))
    return found


def subsidiaries(session: Session, actor: Actor, *, company_id: UUID) -> Sequence[Company]:
    """The companies that belong to a company directly, by name, at most `SHORT_LIST`."""
    if scope(actor) is Scope.NOTHING:
        return []
    wanted = select(Company).where(Company.parent_id == company_id, Company.deleted_at.is_(None))
    return session.scalars(wanted.order_by(Company.name_norm, Company.id).limit(SHORT_LIST)).all()


def company_named(session: Session, actor: Actor, *, name: str) -> Company | None:
    """The oldest company of this name, written with or without accents and capitals."""
    if scope(actor) is Scope.NOTHING or not name.strip():
        return None
    wanted = select(Company).where(Company.name_norm == normalise(name), Company.deleted_at.is_(None))
    return session.scalars(wanted.order_by(Company.id).limit(1)).one_or_none()


def company_names(session: Session, actor: Actor, *, company_ids: Collection[UUID]) -> dict[str, str]:
    """The names of companies by their id as text."""
    if scope(actor) is Scope.NOTHING or not company_ids:
        return {}
    wanted = select(Company.id, Company.name).where(Company.id.in_(list(company_ids)), Company.deleted_at.is_(None))
    return {str(company_id): name for company_id, name in session.execute(wanted)}


def company_by_domain(session: Session, actor: Actor, *, domain: str) -> Company | None:
    """The company with this domain, its main one or a further one."""
    if scope(actor) is Scope.NOTHING or not domain:
        return None
    alive_ones = select(Company).where(Company.deleted_at.is_(None))
    main = session.scalars(alive_ones.where(Company.domain == domain)).one_or_none()
    if main is not None:
        return main
    further = alive_ones.join(CompanyDomain, CompanyDomain.company_id == Company.id)
    return session.scalars(further.where(CompanyDomain.domain == domain).order_by(Company.id).limit(1)).one_or_none()


def domains_of(session: Session, actor: Actor, *, company_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """The further domains of companies, by company."""
    if scope(actor) is Scope.NOTHING or not company_ids:
        return {}
    wanted = select(CompanyDomain.company_id, CompanyDomain.domain).where(
        CompanyDomain.company_id.in_(list(company_ids))
    )
    found: dict[UUID, list[str]] = {}
    for company_id, domain in session.execute(wanted.order_by(CompanyDomain.domain)):
        found.setdefault(company_id, []).append(domain)
    return found


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


def company_exchanges(session: Session, actor: Actor, *, company_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """When anybody visible of each company was last in touch; companies without any exchange are left out."""
    wanted = (
        select(Contact.company_id, func.max(Contact.last_interaction_at))
        .where(Contact.company_id.in_(list(company_ids)), Contact.last_interaction_at.is_not(None), alive(actor))
        .group_by(Contact.company_id)
    )
    return {company_id: at for company_id, at in session.execute(wanted) if company_id and at}


def tags_of_companies(session: Session, actor: Actor, *, company_ids: Collection[UUID]) -> dict[UUID, list[Tag]]:
    """The tags of companies, by name; companies without any are left out."""
    if scope(actor) is Scope.NOTHING or not company_ids:
        return {}
    wanted = select(CompanyTag.company_id, Tag).join(Tag, CompanyTag.tag_id == Tag.id)
    wanted = wanted.where(CompanyTag.company_id.in_(list(company_ids))).order_by(Tag.name_norm)
    found: dict[UUID, list[Tag]] = {}
    for company_id, tag in session.execute(wanted):
        found.setdefault(company_id, []).append(tag)
    return found

"""Owns making and changing companies."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.inputs import CompanyInput, parsed
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Company
from crm.contacts.rules import COMPANY_FIELDS, vat_number
from crm.contacts.services.conflicts import check_version
from crm.contacts.services.custom_values import changed_values, write_custom
from crm.contacts.services.domains import set_company_domains
from crm.contacts.services.facts import write_facts
from crm.contacts.services.owners import check_owner
from crm.contacts.services.parents import check_parent
from crm.contacts.values import bare_domain, set_company_values, text_of
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError
from crm.filters.text import normalise


class CompanyExistsError(ConflictError):
    """Another company has this domain; `company_id` is it."""

    code = "company_exists"

    def __init__(self, company_id: UUID) -> None:
        sentence = N_("There is already a company with this domain.")
        super().__init__(sentence, fields={"domain": sentence})
        self.company_id = company_id


def create_company(
    session: Session, actor: Actor, *, data: CompanyInput, origin: FactOrigin, source: str, now: datetime
) -> Company:
    """A new company; raises `CompanyExistsError` when its domain is taken, `InvalidInputError` for a bad website."""
    actor.require(Permission.EDIT)
    values = _values(data, set(COMPANY_FIELDS))
    _check_vat(session, actor, values, country=data.country)
    check_owner(session, actor, current=None, wanted=data.owner_id)
    if data.parent_id is not None:
        check_parent(session, actor, company=None, parent_id=data.parent_id)
    other = queries.company_by_domain(session, actor, domain=values.get("domain", ""))
    if other is not None:
        raise CompanyExistsError(other.id)
    company = _insert(session, actor, values, now=now)
    if company is None:
        raise CompanyExistsError(_by_domain(session, values["domain"]).id)
    facts = {field: text_of(company, field) for field in COMPANY_FIELDS if text_of(company, field)}
    # The values came with the row's first version, not with the next one.
    for fact in write_facts(session, actor, subject=company, values=facts, origin=origin, source=source, now=now):
        fact.version = company.version
    session.flush()
    if data.domains:
        set_company_domains(session, actor, company=company, domains=data.domains, now=now)
    if data.custom:
        fresh = changed_values(session, actor, subject=company, values=data.custom)
        write_custom(session, actor, subject=company, fresh=fresh, origin=origin, source=source, now=now)
    return company


def _insert(session: Session, actor: Actor, values: dict[str, Any], *, now: datetime) -> Company | None:
    """The new row, or None when another company has the domain: also one that is being made at this moment."""
    row = {
        **values,
        "id": new_id(),
        "workspace_id": actor.workspace_id,
        "name_norm": normalise(values["name"]),
        "city_norm": normalise(values.get("city", "")),
        "created_at": now,
        "updated_at": now,
    }
    made = insert(Company).values(**row).on_conflict_do_nothing().returning(Company)
    return session.scalars(made).one_or_none()


def _by_domain(session: Session, domain: str) -> Company:
    return session.scalars(select(Company).where(Company.domain == domain, Company.deleted_at.is_(None))).one()


def _values(data: CompanyInput, fields: set[str]) -> dict[str, Any]:
    values = {field: getattr(data, field) for field in COMPANY_FIELDS if field in fields}
    if data.website and "website" in fields:
        domain = bare_domain(data.website)
        if not domain:
            sentence = N_("This is not a web address.")
            raise InvalidInputError(sentence, fields={"website": sentence})
        if not data.domain:
            values["domain"] = domain
    if values.get("domain"):
        values["domain"] = bare_domain(values["domain"])
        if not values["domain"]:
            sentence = N_("This is not a domain like example.com.")
            raise InvalidInputError(sentence, fields={"domain": sentence})
    return values


def _check_vat(session: Session, actor: Actor, values: dict[str, Any], *, country: str) -> None:
    """Read the VAT number by the company's country, else by the workspace's."""
    if values.get("vat_number"):
        workspace = None if country else session.get(Workspace, actor.workspace_id)
        try:
            values["vat_number"] = vat_number(values["vat_number"], country=workspace.country if workspace else country)
        except ValueError as error:
            sentence = N_("This VAT number is mistyped: its check digits don't fit.")
            raise InvalidInputError(sentence, fields={"vat_number": sentence}) from error


def update_company(
    session: Session,
    actor: Actor,
    *,
    company_id: UUID,
    changes: Mapping[str, Any],
    expected_version: int | None = None,
    merge: bool = True,
    now: datetime,
) -> Company:
    """Change fields of a company, as `services.update` does for contacts."""
    actor.require(Permission.EDIT)
    company = queries.company(session, actor, company_id=company_id, lock=True)
    data = parsed(CompanyInput, {"name": company.name, **changes})
    values = _values(data, set(changes) & set(COMPANY_FIELDS))
    _check_vat(session, actor, values, country=values.get("country", company.country))
    fresh = {field: value for field, value in values.items() if text_of(company, field) != _text(value)}
    custom = changed_values(session, actor, subject=company, values=data.custom)
    asked = [*fresh, *(field.name for field in custom)]
    check_version(session, subject=company, fields=asked, expected_version=expected_version, merge=merge)
    write_custom(session, actor, subject=company, fresh=custom, origin=FactOrigin.TYPED, source="", now=now)
    if "domains" in changes:
        set_company_domains(session, actor, company=company, domains=data.domains, now=now)
    if not fresh:
        return company
    if "owner_id" in fresh:
        check_owner(session, actor, current=company.owner_id, wanted=fresh["owner_id"])
    if fresh.get("parent_id") is not None:
        check_parent(session, actor, company=company, parent_id=fresh["parent_id"])
    if fresh.get("domain"):
        other = queries.company_by_domain(session, actor, domain=fresh["domain"])
        if other is not None and other.id != company.id:
            raise CompanyExistsError(other.id)
    write_facts(
        session,
        actor,
        subject=company,
        values={field: _text(value) for field, value in fresh.items()},
        origin=FactOrigin.TYPED,
        source="",
        now=now,
    )
    set_company_values(company, fresh)
    company.updated_at = now
    session.flush()
    return company


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def find_or_create_company(
    session: Session,
    actor: Actor,
    *,
    name: str,
    domain: str = "",
    origin: FactOrigin,
    source: str,
    now: datetime,
) -> Company:
    """The company with this domain, else the oldest with this name, else a new one."""
    bare = bare_domain(domain)
    alive = Company.deleted_at.is_(None)
    found = queries.company_by_domain(session, actor, domain=bare) if bare else None
    if found is None and name.strip():
        same = select(Company).where(Company.name_norm == normalise(name), alive)
        found = session.scalars(same.order_by(Company.id).limit(1)).one_or_none()
        # Two firms may share a name; another domain means another firm.
        found = None if found is not None and bare and found.domain else found
    if found is not None:
        return found
    data = parsed(CompanyInput, {"name": name.strip() or bare, "domain": bare})
    try:
        return create_company(session, actor, data=data, origin=origin, source=source, now=now)
    except CompanyExistsError as error:
        return queries.company(session, actor, company_id=error.company_id)

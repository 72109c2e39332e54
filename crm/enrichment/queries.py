"""Owns reading what the sources were asked and answered, and which of them are on."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.enrichment.kinds import SourceName
from crm.enrichment.models import EnrichmentRun, EnrichmentSource
from crm.enrichment.sources import SOURCES
from crm.enrichment.sources.base import Source, Subject
from crm.errors import NotFoundError


class RunNotFoundError(NotFoundError):
    """No such run for this actor."""

    code = "run_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One source with the workspace's choice about it."""

    source: Source
    is_on: bool
    always_prefer: tuple[str, ...]


def run(session: Session, actor: Actor, *, run_id: UUID) -> EnrichmentRun:
    """One run; raises `RunNotFoundError`, also when the actor may not see whom it is about."""
    row = session.get(EnrichmentRun, run_id)
    if row is None:
        raise RunNotFoundError
    if row.contact_id is not None:
        contacts.contact(session, actor, contact_id=row.contact_id)
    if row.company_id is not None:
        contacts.company(session, actor, company_id=row.company_id)
    return row


def latest_runs(session: Session, actor: Actor, *, company_id: UUID) -> Mapping[str, EnrichmentRun]:
    """The newest run of each source for a company, by the source's name."""
    contacts.company(session, actor, company_id=company_id)
    wanted = (
        select(EnrichmentRun)
        .ext(distinct_on(EnrichmentRun.source))
        .where(EnrichmentRun.company_id == company_id)
        .order_by(EnrichmentRun.source, EnrichmentRun.created_at.desc(), EnrichmentRun.id.desc())
    )
    return {row.source: row for row in session.scalars(wanted)}


def switches(session: Session, actor: Actor) -> list[Switch]:  # noqa: ARG001 - every query receives the actor.
    """All sources and whether this workspace uses them."""
    rows = {row.source: row for row in session.scalars(select(EnrichmentSource))}
    return [_switch(source, rows.get(name)) for name, source in SOURCES.items()]


def switch(session: Session, actor: Actor, *, name: SourceName) -> Switch:  # noqa: ARG001 - every query receives it.
    """One source and whether this workspace uses it."""
    row = session.scalars(select(EnrichmentSource).where(EnrichmentSource.source == name)).one_or_none()
    return _switch(SOURCES[name], row)


def subject(session: Session, actor: Actor, *, company_id: UUID) -> Subject:
    """What sources may know about a company."""
    row = contacts.company(session, actor, company_id=company_id)
    return Subject(name=row.name, website=row.website, domain=row.domain, country=row.country)


def _switch(source: Source, row: EnrichmentSource | None) -> Switch:
    return Switch(
        source=source, is_on=bool(row and row.is_on), always_prefer=tuple(row.always_prefer) if row is not None else ()
    )

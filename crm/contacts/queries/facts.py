"""Owns reading what is known about a person and from where, and the tags."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.contacts.kinds import FactState
from crm.contacts.models import Contact, ContactTag, Fact, Tag
from crm.contacts.queries.access import SHORT_LIST, Scope, alive, behind, scope
from crm.contacts.queries.companies import company
from crm.contacts.queries.people import require_contact
from crm.db import among
from crm.filters.text import normalise
from crm.web.paging import Page, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FactView:
    """Where one value came from, ready to be told."""

    id: UUID
    field: str
    value: str
    origin: str
    source: str
    source_url: str
    confidence: int
    user_name: str
    at: datetime


#: The provenance of each current value by field, and the suggestions that wait for a decision.
Known: TypeAlias = tuple[dict[str, FactView], list[FactView]]


def facts_of(
    session: Session, actor: Actor, *, contact_id: UUID | None = None, company_id: UUID | None = None
) -> Known:
    """What is known of a person or of a company; raises their not-found errors."""
    if contact_id is not None:
        require_contact(session, actor, contact_id=contact_id)
    elif company_id is not None:
        company(session, actor, company_id=company_id)
    subject = Fact.contact_id == contact_id if contact_id is not None else Fact.company_id == company_id
    return _facts(session, subject)[0 if contact_id is not None else 1]


def facts_with_company(session: Session, actor: Actor, *, person: Contact) -> tuple[Known, Known]:
    """What is known of a person and of their company, with one statement; raises the contact's not-found error."""
    require_contact(session, actor, contact_id=person.id)
    return _facts(session, or_(Fact.contact_id == person.id, Fact.company_id == person.company_id))


def _facts(session: Session, subject: ColumnElement[bool]) -> tuple[Known, Known]:
    """What is known of the people in `subject`, and of the companies."""
    wanted = (
        select(Fact, User.name)
        .outerjoin(User, User.id == Fact.user_id)
        .where(subject, Fact.state.in_([FactState.CURRENT, FactState.SUGGESTED]))
        .order_by(Fact.at, Fact.id)
        .limit(2 * SHORT_LIST)
    )
    found: tuple[Known, Known] = (({}, []), ({}, []))
    for row, user_name in session.execute(wanted):
        view = FactView(
            id=row.id,
            field=row.field,
            value=row.value,
            origin=row.origin,
            source=row.source,
            source_url=row.source_url,
            confidence=row.confidence,
            user_name=user_name or "",
            at=row.at,
        )
        current, suggested = found[0 if row.contact_id is not None else 1]
        if row.state == FactState.CURRENT:
            current[row.field] = view
        else:
            suggested.append(view)
    return found


def tags_of(session: Session, actor: Actor, *, contact_ids: Iterable[UUID]) -> dict[UUID, list[Tag]]:
    """Tags by contact id, by name; only of contacts the actor may see."""
    wanted = (
        select(ContactTag.contact_id, Tag)
        .join(Tag, Tag.id == ContactTag.tag_id)
        .join(Contact, Contact.id == ContactTag.contact_id)
        .where(among(ContactTag.contact_id, list(contact_ids)), alive(actor))
        .order_by(Tag.name_norm)
    )
    found: dict[UUID, list[Tag]] = {}
    for contact_id, tag in session.execute(wanted):
        found.setdefault(contact_id, []).append(tag)
    return found


def tag_by_name(session: Session, actor: Actor, *, name: str) -> Tag | None:
    """The workspace's tag of this name, written with or without accents and capitals."""
    if scope(actor) is Scope.NOTHING:
        return None
    return session.scalars(select(Tag).where(Tag.name_norm == normalise(name))).one_or_none()


def tags(session: Session, actor: Actor, *, after: str | None = None, limit: int = SHORT_LIST) -> Page[Tag]:
    """A page of the workspace's tags by name."""
    if scope(actor) is Scope.NOTHING:
        return Page([])
    wanted = behind(select(Tag), (Tag.name_norm, Tag.id), after, (str, UUID))
    rows = session.scalars(wanted.order_by(Tag.name_norm, Tag.id).limit(limit + 1)).all()
    return page_of(rows, limit=limit, key=lambda row: (row.name_norm, row.id))

"""Owns reading what was deleted and can be restored."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts.models import Company, Contact
from crm.contacts.queries.access import Scope, scope, visible
from crm.web.paging import Page, decode_cursor, page_of


def deleted_contacts(session: Session, actor: Actor, *, after: str | None = None, limit: int = 50) -> Page[Contact]:
    """A page of the deleted people whom the actor may see, the latest first; merged and erased ones are not there."""
    wanted = select(Contact).where(
        Contact.deleted_at.is_not(None), Contact.erased_at.is_(None), Contact.merged_into_id.is_(None), visible(actor)
    )
    if after:
        wanted = wanted.where(tuple_(Contact.deleted_at, Contact.id) < tuple(decode_cursor(after, datetime, UUID)))
    wanted = wanted.order_by(Contact.deleted_at.desc(), Contact.id.desc()).limit(limit + 1)
    return page_of(session.scalars(wanted).all(), limit=limit, key=lambda row: (row.deleted_at, row.id))


def deleted_companies(session: Session, actor: Actor, *, after: str | None = None, limit: int = 50) -> Page[Company]:
    """A page of the deleted companies, the latest first."""
    if scope(actor) is Scope.NOTHING:
        return Page([])
    wanted = select(Company).where(Company.deleted_at.is_not(None))
    if after:
        wanted = wanted.where(tuple_(Company.deleted_at, Company.id) < tuple(decode_cursor(after, datetime, UUID)))
    wanted = wanted.order_by(Company.deleted_at.desc(), Company.id.desc()).limit(limit + 1)
    return page_of(session.scalars(wanted).all(), limit=limit, key=lambda row: (row.deleted_at, row.id))

"""Owns reading handles: the addresses of people and companies, and those nobody owns yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts.models import Contact, Handle, HandleChange
from crm.contacts.queries.access import HandleNotFoundError, Scope, alive, scope
from crm.db import among
from crm.web.paging import Page, decode_cursor, page_of


def handles_of(
    session: Session, actor: Actor, *, contact_ids: Iterable[UUID] = (), company_id: UUID | None = None
) -> dict[UUID, list[Handle]]:
    """Live handles by owner id, of people, of a company or of both; primary ones first, visible contacts' only."""
    wanted = select(Handle).where(Handle.deleted_at.is_(None))
    people = list(contact_ids)
    of_people, of_company = among(Handle.contact_id, people), Handle.company_id == company_id
    if company_id is None:
        wanted = wanted.join(Contact, Contact.id == Handle.contact_id).where(of_people, alive(actor))
    elif not people:
        wanted = wanted.where(of_company)
    else:
        wanted = wanted.outerjoin(Contact, Contact.id == Handle.contact_id)
        wanted = wanted.where(or_(of_people, of_company), or_(Handle.contact_id.is_(None), alive(actor)))
    found: dict[UUID, list[Handle]] = {}
    for row in session.scalars(wanted.order_by(Handle.is_primary.desc(), Handle.created_at, Handle.id)):
        owner = row.contact_id or row.company_id
        if owner is not None:
            found.setdefault(owner, []).append(row)
    return found


def handle(session: Session, actor: Actor, *, handle_id: UUID) -> Handle:
    """The live handle, owned by a visible contact, a company, or nobody yet; raises `HandleNotFoundError`."""
    wanted = (
        select(Handle)
        .outerjoin(Contact, Contact.id == Handle.contact_id)
        .where(Handle.id == handle_id, Handle.deleted_at.is_(None), _handle_visible(actor))
    )
    found = session.scalars(wanted).one_or_none()
    if found is None:
        raise HandleNotFoundError(N_("There is no such address."))
    return found


def handle_by_address(session: Session, actor: Actor, *, channel: ChannelKind, address_norm: str) -> Handle | None:
    """The live handle with this normalised address, or None when there is none the actor may see."""
    wanted = (
        select(Handle)
        .outerjoin(Contact, Contact.id == Handle.contact_id)
        .where(
            Handle.channel == channel,
            Handle.address_norm == address_norm,
            Handle.deleted_at.is_(None),
            _handle_visible(actor),
        )
    )
    return session.scalars(wanted).one_or_none()


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierAddress:
    """What an account was called, until when."""

    address: str
    until: datetime


def earlier_addresses(
    session: Session, actor: Actor, *, handle_ids: Iterable[UUID]
) -> dict[UUID, list[EarlierAddress]]:
    """The former addresses of visible handles, the latest first."""
    wanted = (
        select(HandleChange)
        .join(Handle, Handle.id == HandleChange.handle_id)
        .outerjoin(Contact, Contact.id == Handle.contact_id)
        .where(among(HandleChange.handle_id, list(handle_ids)), _handle_visible(actor))
        .order_by(HandleChange.until.desc(), HandleChange.id)
    )
    found: dict[UUID, list[EarlierAddress]] = {}
    for row in session.scalars(wanted):
        found.setdefault(row.handle_id, []).append(EarlierAddress(address=row.address, until=row.until))
    return found


def strangers(session: Session, actor: Actor, *, after: str | None = None, limit: int = 50) -> Page[Handle]:
    """A page of the addresses that nobody owns yet, the newest first."""
    if scope(actor) is Scope.NOTHING:
        return Page([])
    wanted = select(Handle).where(Handle.contact_id.is_(None), Handle.company_id.is_(None), Handle.deleted_at.is_(None))
    if after:
        at, last_id = decode_cursor(after, datetime, UUID)
        wanted = wanted.where(tuple_(Handle.created_at, Handle.id) < (at, last_id))
    rows = session.scalars(wanted.order_by(Handle.created_at.desc(), Handle.id.desc()).limit(limit + 1)).all()
    return page_of(rows, limit=limit, key=lambda row: (row.created_at, row.id))


def stranger(session: Session, actor: Actor, *, handle_id: UUID) -> Handle:
    """The live address of nobody; raises `HandleNotFoundError`, also for one that is somebody's."""
    found = handle(session, actor, handle_id=handle_id)
    if found.contact_id is not None or found.company_id is not None:
        raise HandleNotFoundError(N_("There is no such address."))
    return found


def _handle_visible(actor: Actor) -> ColumnElement[bool]:
    if scope(actor) is Scope.NOTHING:
        return false()
    return or_(Handle.contact_id.is_(None), alive(actor))

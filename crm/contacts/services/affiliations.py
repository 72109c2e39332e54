"""Owns a person's places in companies and links between people."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.kinds import LinkKind
from crm.contacts.models import Affiliation, Contact, ContactLink
from crm.errors import ConflictError, InvalidInputError, NotFoundError


def set_company(
    session: Session, *, contact: Contact, company_id: UUID | None, role: str = "", now: datetime
) -> Affiliation | None:
    """Make a company the contact's primary one; the former primary place ends today. None without a company."""
    wanted = select(Affiliation).where(Affiliation.contact_id == contact.id, Affiliation.ended_on.is_(None))
    places = session.scalars(wanted).all()
    for place in places:
        if place.is_primary and place.company_id != company_id:
            place.ended_on = now.date()
    session.flush()
    contact.company_id = company_id
    if company_id is None:
        return None
    here = next((place for place in places if place.company_id == company_id), None)
    if here is None:
        here = Affiliation(contact_id=contact.id, company_id=company_id)
        session.add(here)
    here.is_primary, here.role = True, role or here.role or ""
    session.flush()
    return here


def add_affiliation(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    company_id: UUID,
    role: str = "",
    is_primary: bool = False,
    started_on: date | None = None,
    now: datetime,
) -> Affiliation:
    """A further company of a person, primary on request or when it is the first."""
    actor.require(Permission.EDIT)
    person = queries.contact(session, actor, contact_id=contact_id, lock=True)
    company = queries.company(session, actor, company_id=company_id)
    person.updated_at = now
    if is_primary or person.company_id is None:
        place = set_company(session, contact=person, company_id=company.id, role=role, now=now)
        if place is not None:
            place.started_on = started_on or place.started_on
            return place
    wanted = select(Affiliation).where(
        Affiliation.contact_id == contact_id, Affiliation.company_id == company_id, Affiliation.ended_on.is_(None)
    )
    place = session.scalars(wanted).one_or_none()
    if place is None:
        place = Affiliation(contact_id=contact_id, company_id=company_id, is_primary=False)
        session.add(place)
    place.role, place.started_on = role or place.role or "", started_on or place.started_on
    session.flush()
    return place


def end_affiliation(session: Session, actor: Actor, *, affiliation_id: UUID, ended_on: date, now: datetime) -> None:
    """The person left the company; the place stays as history."""
    actor.require(Permission.EDIT)
    place = session.get(Affiliation, affiliation_id)
    if place is None:
        raise NotFoundError(N_("There is no such place in a company."))
    person = queries.contact(session, actor, contact_id=place.contact_id, lock=True)
    if place.started_on and ended_on < place.started_on:
        raise InvalidInputError(
            N_("The end is before the beginning."), fields={"ended_on": N_("Before the beginning.")}
        )
    place.ended_on = ended_on
    if person.company_id == place.company_id:
        person.company_id = None
    person.updated_at = now
    session.flush()


def link(
    session: Session, actor: Actor, *, contact_id: UUID, other_id: UUID, kind: LinkKind, now: datetime
) -> ContactLink:
    """Note that `contact_id` knows, was introduced by, assists or reports to `other_id`; the same link twice is one."""
    actor.require(Permission.EDIT)
    if contact_id == other_id:
        raise ConflictError(N_("A person can't be linked with themselves."))
    for one in (contact_id, other_id):
        queries.contact(session, actor, contact_id=one)
    wanted = select(ContactLink).where(
        ContactLink.contact_id == contact_id, ContactLink.other_id == other_id, ContactLink.kind == kind
    )
    found = session.scalars(wanted).one_or_none()
    if found is None:
        found = ContactLink(contact_id=contact_id, other_id=other_id, kind=kind, created_at=now)
        session.add(found)
        session.flush()
    return found


def unlink(session: Session, actor: Actor, *, link_id: UUID) -> None:
    """Forget a link between two people."""
    actor.require(Permission.EDIT)
    found = session.get(ContactLink, link_id)
    if found is None:
        raise NotFoundError(N_("There is no such link."))
    queries.contact(session, actor, contact_id=found.contact_id)
    session.delete(found)
    session.flush()

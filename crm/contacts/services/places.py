"""Owns a person's places in companies: several, with role and dates, one of them the primary one."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Affiliation, Contact
from crm.contacts.services.affiliations import set_company
from crm.contacts.services.facts import write_facts
from crm.errors import InvalidInputError, NotFoundError


def add_affiliation(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    company_id: UUID,
    role: str = "",
    is_primary: bool = False,
    started_on: date | None = None,
    ended_on: date | None = None,
    now: datetime,
) -> Affiliation:
    """A further company of a person, primary on request or when it is the first; with `ended_on` one of the past."""
    actor.require(Permission.EDIT)
    person = queries.contact(session, actor, contact_id=contact_id, lock=True)
    company = queries.company(session, actor, company_id=company_id)
    _check_dates(started_on, ended_on)
    if ended_on is None and (is_primary or person.company_id is None):
        _make_primary(session, actor, person, company.id, role=role, now=now)
    here = (Affiliation.contact_id == contact_id, Affiliation.company_id == company_id)
    wanted = select(Affiliation).where(*here, Affiliation.ended_on.is_(None))
    place = session.scalars(wanted).one_or_none() if ended_on is None else None
    if place is None:
        place = Affiliation(contact_id=contact_id, company_id=company_id, is_primary=False, ended_on=ended_on)
        session.add(place)
    place.role, place.started_on = role or place.role or "", started_on or place.started_on
    person.updated_at = now
    session.flush()
    return place


def change_affiliation(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    affiliation_id: UUID,
    role: str,
    started_on: date | None,
    ended_on: date | None,
    is_primary: bool,
    now: datetime,
) -> Affiliation:
    """Change role and dates of a place, end it or take it up again, make it the primary one.

    When the primary place ends, the one that began last takes over, if there is another one.
    """
    actor.require(Permission.EDIT)
    place, person = _place(session, actor, contact_id, affiliation_id)
    _check_dates(started_on, ended_on)
    queries.company(session, actor, company_id=place.company_id)
    was_current, place.role = place.ended_on is None, role
    place.started_on, place.ended_on = started_on, ended_on
    if ended_on is not None:
        was_primary, place.is_primary = place.is_primary and was_current, False
        session.flush()
        if was_primary:
            _succeed(session, actor, person, now=now)
    elif is_primary or person.company_id is None:
        session.flush()
        _make_primary(session, actor, person, place.company_id, role=role, now=now)
    person.updated_at = now
    session.flush()
    return place


def end_affiliation(session: Session, actor: Actor, *, affiliation_id: UUID, ended_on: date, now: datetime) -> None:
    """The person left the company; the place stays as history."""
    place = session.get(Affiliation, affiliation_id)
    if place is None:
        raise NotFoundError(N_("There is no such place in a company."))
    change_affiliation(
        session,
        actor,
        contact_id=place.contact_id,
        affiliation_id=affiliation_id,
        role=place.role,
        started_on=place.started_on,
        ended_on=ended_on,
        is_primary=False,
        now=now,
    )


def remove_affiliation(
    session: Session, actor: Actor, *, contact_id: UUID, affiliation_id: UUID, now: datetime
) -> None:
    """Forget a place that was noted by mistake; whoever left is better ended."""
    actor.require(Permission.EDIT)
    place, person = _place(session, actor, contact_id, affiliation_id)
    was_primary = place.is_primary and place.ended_on is None
    session.delete(place)
    session.flush()
    if was_primary:
        _succeed(session, actor, person, now=now)
    person.updated_at = now
    session.flush()


def _place(session: Session, actor: Actor, contact_id: UUID, affiliation_id: UUID) -> tuple[Affiliation, Contact]:
    person = queries.contact(session, actor, contact_id=contact_id, lock=True)
    place = session.get(Affiliation, affiliation_id)
    if place is None or place.contact_id != contact_id:
        raise NotFoundError(N_("There is no such place in a company."))
    return place, person


def _check_dates(started_on: date | None, ended_on: date | None) -> None:
    if started_on and ended_on and ended_on < started_on:
        sentence = N_("The end is before the beginning.")
        raise InvalidInputError(sentence, fields={"ended_on": sentence})


def _succeed(session: Session, actor: Actor, person: Contact, *, now: datetime) -> None:
    """Make the place that began last the primary one; without any the person has no company."""
    wanted = select(Affiliation.company_id).where(Affiliation.contact_id == person.id, Affiliation.ended_on.is_(None))
    order = (Affiliation.started_on.desc().nulls_last(), Affiliation.id.desc())
    heir = session.scalars(wanted.order_by(*order).limit(1)).one_or_none()
    _make_primary(session, actor, person, heir, role="", now=now)


def _make_primary(
    session: Session, actor: Actor, person: Contact, company_id: UUID | None, *, role: str, now: datetime
) -> None:
    """Let other places go on, now as further ones."""
    if person.company_id != company_id:
        texts = {"company_id": str(company_id) if company_id else ""}
        write_facts(session, actor, subject=person, values=texts, origin=FactOrigin.TYPED, source="", now=now)
    current = select(Affiliation).where(Affiliation.contact_id == person.id, Affiliation.ended_on.is_(None))
    for place in session.scalars(current):
        place.is_primary = False
    session.flush()
    set_company(session, contact=person, company_id=company_id, role=role, now=now)

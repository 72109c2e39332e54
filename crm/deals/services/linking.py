"""Owns who and what is in a deal: its people with their roles, one of them the main one, and its companies."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.deals import queries
from crm.deals.models import DealCompany, DealContact
from crm.errors import InvalidInputError, worded


def add_person(
    session: Session, actor: Actor, *, deal_id: UUID, contact_id: UUID, role: str = "", is_main: bool = False
) -> None:
    """Link a person, or change their role; the first one is the main one, and a new main one replaces the old."""
    actor.require(Permission.EDIT)
    deal = queries.deal(session, actor, deal_id=deal_id, lock=True)
    contacts.contact(session, actor, contact_id=contact_id)
    linked = {row.contact_id: row for row in session.scalars(select(DealContact).where(DealContact.deal_id == deal.id))}
    row = linked.get(contact_id)
    if row is None:
        if len(linked) >= contacts.SHORT_LIST:
            sentence = worded("There are too many people in this deal already.")
            raise InvalidInputError(sentence, fields={"contact": sentence})
        row = DealContact(deal_id=deal.id, contact_id=contact_id, is_main=False)
        session.add(row)
    row.role = role
    session.flush()
    if is_main or not any(other.is_main for other in linked.values()):
        _make_main(session, linked | {contact_id: row}, contact_id)


def _make_main(session: Session, linked: Mapping[UUID, DealContact], contact_id: UUID) -> None:
    for row in linked.values():
        if row.is_main and row.contact_id != contact_id:
            row.is_main = False
    # First the old one steps back: there is never more than one.
    session.flush()
    linked[contact_id].is_main = True
    session.flush()


def remove_person(session: Session, actor: Actor, *, deal_id: UUID, contact_id: UUID) -> None:
    """Unlink a person; when it was the main one, whoever was linked first of the others takes over."""
    actor.require(Permission.EDIT)
    deal = queries.deal(session, actor, deal_id=deal_id, lock=True)
    contacts.contact(session, actor, contact_id=contact_id)
    ordered = select(DealContact).where(DealContact.deal_id == deal.id).order_by(DealContact.id)
    linked = {row.contact_id: row for row in session.scalars(ordered)}
    row = linked.pop(contact_id, None)
    if row is None:
        return
    was_main = row.is_main
    session.delete(row)
    session.flush()
    if was_main and linked:
        _make_main(session, linked, next(iter(linked)))


def add_company(session: Session, actor: Actor, *, deal_id: UUID, company_id: UUID) -> None:
    """Link a company; twice is once."""
    actor.require(Permission.EDIT)
    deal = queries.deal(session, actor, deal_id=deal_id, lock=True)
    contacts.company(session, actor, company_id=company_id)
    linked = set(session.scalars(select(DealCompany.company_id).where(DealCompany.deal_id == deal.id)))
    if company_id in linked:
        return
    if len(linked) >= contacts.SHORT_LIST:
        sentence = worded("There are too many companies in this deal already.")
        raise InvalidInputError(sentence, fields={"company": sentence})
    session.add(DealCompany(deal_id=deal.id, company_id=company_id))
    session.flush()


def remove_company(session: Session, actor: Actor, *, deal_id: UUID, company_id: UUID) -> None:
    """Unlink a company."""
    actor.require(Permission.EDIT)
    deal = queries.deal(session, actor, deal_id=deal_id, lock=True)
    contacts.company(session, actor, company_id=company_id)
    wanted = select(DealCompany).where(DealCompany.deal_id == deal.id, DealCompany.company_id == company_id)
    row = session.scalars(wanted).one_or_none()
    if row is not None:
        session.delete(row)
        session.flush()

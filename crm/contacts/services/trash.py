"""Owns taking people and companies off every list and bringing them back."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.models import Affiliation, Company, Contact, Handle
from crm.contacts.services.handles import settle_primary, sync_email
from crm.errors import ConflictError
from crm.events import ContactDeleted, ContactRestored, publish


@dataclass(frozen=True, slots=True)
class RestoredContact:
    """A person who is back, and the addresses that belong to somebody else by now."""

    contact: Contact
    taken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RestoredCompany:
    """A company that is back, and what belongs to somebody else by now: addresses, and its domain."""

    company: Company
    taken: tuple[str, ...]


def delete(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> Contact:
    """Take a person off every list and free their addresses; `restore` brings them back.

    Publishes `ContactDeleted`: messages that wait are cancelled, their codes released, segments left.
    """
    actor.require(Permission.EDIT)
    person = queries.contact(session, actor, contact_id=contact_id, lock=True)
    person.deleted_at = person.updated_at = now
    _free(session, Handle.contact_id == contact_id, now=now)
    publish(session, ContactDeleted(workspace_id=actor.workspace_id, now=now, contact_ids=(contact_id,)))
    audit.record(session, actor, action="contact.deleted", object_kind="contact", object_id=contact_id)
    return person


def restore(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> RestoredContact:
    """Bring a deleted person back with the addresses that nobody took meanwhile.

    What was cancelled stays so. Raises `ContactNotFoundError`, also for an erased person, and `ConflictError` for one
    who was merged.
    """
    actor.require(Permission.EDIT)
    wanted = select(Contact).where(Contact.id == contact_id, queries.visible(actor), Contact.erased_at.is_(None))
    person = session.scalars(wanted.with_for_update(of=Contact).execution_options(populate_existing=True)).one_or_none()
    if person is None:
        raise queries.ContactNotFoundError(N_("There is no such person, or you may not see them."))
    if person.merged_into_id is not None:
        raise ConflictError(N_("This contact was merged into another one."), code="merged")
    if person.deleted_at is None:
        return RestoredContact(person, ())
    taken = _bring_back(session, Handle.contact_id == contact_id, at=person.deleted_at)
    person.deleted_at, person.updated_at = None, now
    session.flush()
    sync_email(session, person, now=now)
    publish(session, ContactRestored(workspace_id=actor.workspace_id, now=now, contact_id=contact_id))
    audit.record(session, actor, action="contact.restored", object_kind="contact", object_id=contact_id)
    return RestoredContact(person, taken)


def delete_company(session: Session, actor: Actor, *, company_id: UUID, now: datetime) -> Company:
    """Take a company off the lists and free its domain and addresses; its people stay, without it."""
    actor.require(Permission.EDIT)
    company = queries.company(session, actor, company_id=company_id, lock=True)
    company.deleted_at = company.updated_at = now
    _free(session, Handle.company_id == company_id, now=now)
    # People keep their affiliation as history; only the shortcut for lists goes.
    session.execute(update(Contact).where(Contact.company_id == company_id).values(company_id=None))
    session.flush()
    audit.record(session, actor, action="company.deleted", object_kind="company", object_id=company_id)
    return company


def restore_company(session: Session, actor: Actor, *, company_id: UUID, now: datetime) -> RestoredCompany:
    """Bring a deleted company back, with its people who have found no other one; raises `CompanyNotFoundError`."""
    actor.require(Permission.EDIT)
    wanted = select(Company).where(Company.id == company_id).with_for_update()
    company = session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()
    if company is None or queries.scope(actor) is queries.Scope.NOTHING:
        raise queries.CompanyNotFoundError(N_("There is no such company."))
    if company.deleted_at is None:
        return RestoredCompany(company, ())
    taken = _bring_back(session, Handle.company_id == company_id, at=company.deleted_at)
    if company.domain and session.scalar(
        select(exists().where(Company.domain == company.domain, Company.deleted_at.is_(None)))
    ):
        taken, company.domain = (*taken, company.domain), ""
    company.deleted_at, company.updated_at = None, now
    session.flush()
    place = and_(
        Affiliation.contact_id == Contact.id,
        Affiliation.company_id == company_id,
        Affiliation.is_primary,
        Affiliation.ended_on.is_(None),
    )
    session.execute(
        update(Contact)
        .where(Contact.company_id.is_(None), select(Affiliation.id).where(place).exists())
        .values(company_id=company_id)
        .execution_options(synchronize_session=False)
    )
    audit.record(session, actor, action="company.restored", object_kind="company", object_id=company_id)
    return RestoredCompany(company, taken)


def _free(session: Session, owner: ColumnElement[bool], *, now: datetime) -> None:
    """Retire the live addresses at the same moment as their owner, by which `_bring_back` knows them again."""
    session.flush()
    session.execute(update(Handle).where(owner, Handle.deleted_at.is_(None)).values(deleted_at=now))


def _bring_back(session: Session, owner: ColumnElement[bool], *, at: datetime) -> tuple[str, ...]:
    """Revive the addresses that went at `at`; answers those that somebody else holds now."""
    other = aliased(Handle)
    same = or_(other.address_norm == Handle.address_norm, other.platform_id == Handle.platform_id)
    held = select(other.id).where(other.channel == Handle.channel, same, other.deleted_at.is_(None)).exists()
    gone = select(Handle, held).where(owner, Handle.deleted_at == at).order_by(Handle.created_at, Handle.id)
    rows = session.execute(gone).all()
    for row, is_held in rows:
        if not is_held:
            row.deleted_at = None
    session.flush()
    for row, is_held in rows:
        if not is_held:
            settle_primary(session, row, wanted=False)
    return tuple(row.address for row, is_held in rows if is_held)

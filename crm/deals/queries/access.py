"""Owns who may see which deal: those who see its owner's work and its main person."""

from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import True_

from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.models import Contact
from crm.contacts.queries import Scope
from crm.deals.models import Deal, DealContact
from crm.errors import NotFoundError, worded


class DealNotFoundError(NotFoundError):
    """No such deal for this actor."""

    code = "deal_not_found"


def visible(actor: Actor) -> ColumnElement[bool]:
    """The condition on `Deal` that the actor may see it: its owner is within reach, and so is its main person."""
    person = contacts.visible(actor)
    if isinstance(person, True_):
        return _owned(actor)
    hidden = (
        select(DealContact.id)
        .join(Contact, Contact.id == DealContact.contact_id)
        # Of a person whom nobody owns the condition may say nothing at all, which is no yes.
        .where(DealContact.deal_id == Deal.id, DealContact.is_main, ~func.coalesce(person, false()))
    )
    return and_(_owned(actor), ~exists(hidden))


def _owned(actor: Actor) -> ColumnElement[bool]:
    match contacts.scope(actor):
        case Scope.EVERYTHING | Scope.ALL:
            return true()
        case Scope.TEAM:
            return or_(Deal.owner_id.is_(None), Deal.owner_id == actor.user_id, Deal.owner_id.in_(sorted(actor.team)))
        case Scope.OWN:
            return Deal.owner_id == actor.user_id
        case Scope.NOTHING:
            return false()


def alive(actor: Actor) -> ColumnElement[bool]:
    """Visible to the actor and not deleted."""
    return and_(Deal.deleted_at.is_(None), visible(actor))


def deal(session: Session, actor: Actor, *, deal_id: UUID, lock: bool = False, deleted: bool = False) -> Deal:
    """The deal, with `deleted` one that was deleted; raises `DealNotFoundError`."""
    state = Deal.deleted_at.is_not(None) if deleted else Deal.deleted_at.is_(None)
    wanted = select(Deal).where(Deal.id == deal_id, state, visible(actor))
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(wanted).one_or_none()
    if found is None:
        raise DealNotFoundError(worded("There is no such deal, or you may not see it."))
    return found


def zone_of(session: Session, actor: Actor) -> str:
    """The time zone in whose calendar the workspace counts days."""
    return session.get_one(Workspace, actor.workspace_id).time_zone

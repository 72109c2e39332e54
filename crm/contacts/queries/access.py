"""Owns who may see which contact: the widest right decides, in one place."""

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true, tuple_
from sqlalchemy.orm import aliased

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.models import Membership
from crm.accounts.rules import Actor
from crm.contacts.models import Contact
from crm.errors import NotFoundError
from crm.web.paging import decode_cursor

#: People of one company, tags of one workspace and the like: lists that a page shows whole.
SHORT_LIST: Final = 200


class ContactNotFoundError(NotFoundError):
    """No such contact for this actor."""

    code = "contact_not_found"


class CompanyNotFoundError(NotFoundError):
    """No such company in this workspace."""

    code = "company_not_found"


class HandleNotFoundError(NotFoundError):
    """No such handle for this actor."""

    code = "handle_not_found"


class Scope(StrEnum):
    """How far an actor sees; the same words as `crm_search_contacts` takes."""

    ALL = "all"
    TEAM = "team"
    OWN = "own"
    NOTHING = "nothing"


def scope(actor: Actor) -> Scope:
    """How far `actor` sees contacts, by the widest right that it holds."""
    if actor.may(Permission.VIEW_ALL) or actor.kind is ActorKind.SYSTEM:
        return Scope.ALL
    if actor.user_id is None:
        return Scope.NOTHING
    if actor.may(Permission.VIEW_TEAM):
        return Scope.TEAM
    return Scope.OWN if actor.may(Permission.VIEW_OWN) else Scope.NOTHING


def visible(actor: Actor) -> ColumnElement[bool]:
    """The condition on `Contact` that the actor may see it: all, its team's, or its own.

    A team is the colleagues of one role; what nobody owns is there for every team. The one place that knows this in
    Python (`crm_may_see` is its twin in the search functions).
    """
    match scope(actor):
        case Scope.ALL:
            return true()
        case Scope.TEAM:
            me = aliased(Membership)
            colleagues = (
                select(Membership.user_id).join(me, me.role == Membership.role).where(me.user_id == actor.user_id)
            )
            return or_(Contact.owner_id.is_(None), Contact.owner_id == actor.user_id, Contact.owner_id.in_(colleagues))
        case Scope.OWN:
            return Contact.owner_id == actor.user_id
        case Scope.NOTHING:
            return false()


def alive(actor: Actor) -> ColumnElement[bool]:
    """Visible to the actor and not deleted."""
    return and_(Contact.deleted_at.is_(None), visible(actor))


def behind(wanted: Select[Any], columns: tuple[Any, ...], cursor: str | None, kinds: tuple[type, ...]) -> Select[Any]:
    """`wanted` continued behind a cursor over ascending `columns` of those `kinds`."""
    return wanted.where(tuple_(*columns) > tuple(decode_cursor(cursor, *kinds))) if cursor else wanted

"""Owns who may see which contact: the widest right decides, in one place."""

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, all_, and_, any_, false, func, or_, select, true, tuple_

from crm.accounts.kinds import ActorKind, Permission, RecordAccess
from crm.accounts.rules import SEES_RESTRICTED, Actor
from crm.contacts.models import Contact, ContactAccess
from crm.errors import MovedError, NotFoundError
from crm.web.paging import decode_cursor

#: People of one company, tags of one workspace and the like: lists that a page shows whole.
SHORT_LIST: Final = 200
LOOKING: Final = (Permission.VIEW_OWN, Permission.VIEW_TEAM, Permission.VIEW_ALL)


class ContactNotFoundError(NotFoundError):
    """No such contact for this actor."""

    code = "contact_not_found"


class ContactMergedError(MovedError, ContactNotFoundError):
    """This contact went up in another one that the actor may see: `new_id`."""

    code = "contact_merged"


class CompanyNotFoundError(NotFoundError):
    """No such company in this workspace."""

    code = "company_not_found"


class HandleNotFoundError(NotFoundError):
    """No such handle for this actor."""

    code = "handle_not_found"


class Scope(StrEnum):
    """How far an actor sees; the same words as `crm_search_contacts` takes."""

    #: Everybody, restricted people too.
    EVERYTHING = "everything"
    #: Everybody but restricted people of others.
    ALL = "all"
    TEAM = "team"
    OWN = "own"
    NOTHING = "nothing"


def scope(actor: Actor) -> Scope:
    """How far `actor` sees contacts: the widest right to view that it holds, within what its role sees here."""
    if actor.kind is ActorKind.SYSTEM:
        return Scope.EVERYTHING
    if actor.may(Permission.VIEW_ALL) and actor.sees is RecordAccess.ALL:
        return Scope.EVERYTHING if actor.role in SEES_RESTRICTED else Scope.ALL
    if actor.user_id is None:
        return Scope.NOTHING
    if actor.sees is not RecordAccess.OWN and (actor.may(Permission.VIEW_TEAM) or actor.may(Permission.VIEW_ALL)):
        return Scope.TEAM
    return Scope.OWN if any(actor.may(right) for right in LOOKING) else Scope.NOTHING


def visible(actor: Actor) -> ColumnElement[bool]:
    """The condition on `Contact` that the actor may see it.

    Everybody's people, those of its team and of nobody, or its own; restricted ones only when they are its own; and
    always those for whom it was named. The one place that knows this in Python (`crm_may_see` is its twin in the
    search functions).
    """
    reach = scope(actor)
    if reach is Scope.EVERYTHING:
        return true()
    if reach is Scope.NOTHING:
        return false()
    if actor.user_id is None:
        return Contact.restricted.is_(False)
    named = select(ContactAccess.contact_id).where(ContactAccess.user_id == actor.user_id)
    own = or_(Contact.owner_id == actor.user_id, Contact.id == _any_of(named))
    if reach is Scope.OWN:
        return own
    if reach is Scope.ALL:
        return or_(Contact.restricted.is_(False), own)
    theirs = or_(Contact.owner_id.is_(None), Contact.owner_id.in_(sorted(actor.team)))
    return or_(and_(Contact.restricted.is_(False), theirs), own)


def about_visible(actor: Actor, reference: Any) -> ColumnElement[bool]:
    """The condition that `reference`, a column with the id of a contact, names nobody or somebody the actor may see.

    For long lists of other things, which it lets an index serve: the people whom an actor sees are the few, or those
    whom it does not see are, and either come as one array.
    """
    reach = scope(actor)
    if reach is Scope.EVERYTHING:
        return true()
    if reach is Scope.NOTHING:
        return false()
    if reach is Scope.ALL:
        hidden = select(Contact.id).where(Contact.restricted, ~visible(actor))
        return or_(reference.is_(None), reference != all_(_array(hidden)))
    if reach is Scope.OWN:
        return or_(reference.is_(None), reference == _any_of(select(Contact.id).where(visible(actor))))
    seen = select(Contact.id).where(Contact.id == reference, visible(actor)).correlate_except(Contact)
    return or_(reference.is_(None), seen.exists())


def _any_of(ids: Select[Any]) -> ColumnElement[Any]:
    """One of `ids`, as an array answered once for a statement: with it an index of owners or of ids can serve."""
    return any_(_array(ids))


def _array(ids: Select[Any]) -> ColumnElement[Any]:
    return func.array(ids.correlate(None).scalar_subquery(), type_=ARRAY(Uuid()))


def alive(actor: Actor) -> ColumnElement[bool]:
    """Visible to the actor and not deleted."""
    return and_(Contact.deleted_at.is_(None), visible(actor))


def behind(wanted: Select[Any], columns: tuple[Any, ...], cursor: str | None, kinds: tuple[type, ...]) -> Select[Any]:
    """`wanted` continued behind a cursor over ascending `columns` of those `kinds`."""
    return wanted.where(tuple_(*columns) > tuple(decode_cursor(cursor, *kinds))) if cursor else wanted

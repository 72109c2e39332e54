"""What an address of the list of people asks for: the known words of it, a saved view, and the filter they make."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from flask import abort
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.kinds import Importance, Lifecycle
from crm.contacts.models import Contact
from crm.contacts.queries import ContactFilter, ContactSort
from crm.contacts.view_models import SavedView
from crm.desk import people_filter
from crm.interactions.queries import keeping
from crm.segments import queries as segments
from crm.web.paging import Page
from crm.web.sessions import request_now

#: What narrows the list or orders it; a saved view keeps these.
FILTERS: Final = ("owner", "tag", "lifecycle", "importance", "quiet", "segment", "rule", "sort")
#: What an address of the list may hold; anything else is dropped before addresses are made from it. `was` is the view
#: from which a changed address began.
KNOWN: Final = ("q", *FILTERS, "after", "view", "was")
#: The address of everybody, for those whose list opens with a view.
EVERYBODY: Final = "all"
#: More days than this are no filter.
MOST_DAYS: Final = 9_999


@dataclass(frozen=True, slots=True)
class Address:
    """The words of an address with those of its view filled in, the view, the one it was before, and all there are."""

    args: dict[str, str]
    view: SavedView | None
    was: SavedView | None
    views: list[SavedView]


def address_of(session: Session, actor: Actor, given: Mapping[str, str], *, with_default: bool = True) -> Address:
    """Read an address; one without any words opens with the reader's default view. Raises `ViewNotFoundError`."""
    args = {key: given[key] for key in KNOWN if given.get(key)}
    named = args.pop("view", "")
    before = args.pop("was", "")
    views = contacts.saved_views(session, actor)
    view: SavedView | None = None
    if named and named != EVERYBODY:
        view = views.named(id_of(named))
    elif not named and not args and with_default:
        view = views.default
    if view is not None:
        kept = {key: str(view.args[key]) for key in FILTERS if view.args.get(key)}
        return Address(kept | {key: args[key] for key in ("after", "q") if key in args}, view, None, views.items)
    return Address(args, None, views.named(id_of(before)) if before else None, views.items)


class ListSort(StrEnum):
    """The orders of the list: those of people themselves, and by warmth."""

    NAME = ContactSort.NAME.value
    LAST_EXCHANGE = ContactSort.LAST_EXCHANGE.value
    LATEST_EXCHANGE = ContactSort.LATEST_EXCHANGE.value
    WARMTH = "warmth"
    NEWEST = ContactSort.NEWEST.value


def sort_of(args: Mapping[str, str]) -> ListSort:
    """The order that is asked for, by name when it is none."""
    return one_of(ListSort, args.get("sort")) or ListSort.NAME


def listed(
    session: Session, actor: Actor, *, where: ContactFilter, sort: ListSort, after: str | None, limit: int
) -> Page[Contact]:
    """A page of visible people in that order, companies loaded."""
    if sort is ListSort.WARMTH:
        return keeping.warmest(session, actor, where=where, after=after, limit=limit)
    order = ContactSort(sort.value)
    return contacts.list_contacts(session, actor, where=where, sort=order, after=after, limit=limit)


def where_of(session: Session, actor: Actor, args: Mapping[str, str], rule: people_filter.Filter) -> ContactFilter:
    """The filter on people that the words make, with the conditions of `rule`, the one that `args` hold."""
    days, also, segment_id = args.get("quiet", ""), rule.conditions, id_of(args.get("segment"))
    if segment_id is not None:
        segment = segments.segment(session, actor, segment_id=segment_id)
        context = segments.context_of(session, actor, now=request_now())
        also = (*also, segments.condition_of(session, context, segment))
    owner = args.get("owner")
    return ContactFilter(
        owner_id=actor.user_id if owner == "me" else id_of(owner),
        tag_id=id_of(args.get("tag")),
        lifecycle=one_of(Lifecycle, args.get("lifecycle")) or "",
        importance=one_of(Importance, args.get("importance")) or "",
        quiet_since=request_now() - timedelta(days=int(days)) if is_days(days) else None,
        also=also,
    )


def is_days(text: str) -> bool:
    """Whether this is a number of days one can ask for."""
    return text.isascii() and text.isdigit() and int(text) <= MOST_DAYS


def one_of(kinds: Any, value: str | None) -> Any:
    """The member of an enum that is written so, None when there is none."""
    return kinds(value) if value in set(kinds) else None


def id_of(text: str | None) -> Any:
    """The id that is written so, None for nothing; 404 for what is none."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        abort(404)

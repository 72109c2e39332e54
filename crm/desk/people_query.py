"""What the words of an address of the list of people ask for: the order, and the filter that they make."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.kinds import Importance, Lifecycle
from crm.contacts.models import Contact
from crm.contacts.queries import ContactFilter, ContactSort
from crm.desk import people_filter
from crm.desk.listing import days_of, id_of, one_of
from crm.interactions.queries import keeping
from crm.segments import queries as segments
from crm.web.paging import Page
from crm.web.sessions import request_now


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
    days, also, segment_id = days_of(args.get("quiet", "")), rule.conditions, id_of(args.get("segment"))
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
        quiet_since=request_now() - timedelta(days=days) if days is not None else None,
        also=also,
    )

"""The list of companies as views are kept of it: its words, its columns, and the filter that an address makes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.kinds import CompanyKind, ListSubject
from crm.contacts.models import Company
from crm.contacts.queries import CompanyFilter, CompanySort
from crm.desk.list_views import column_pages, view_pages
from crm.desk.listing import Listing, ListWords, days_of, id_of, is_id, one_of
from crm.errors import InvalidInputError, worded
from crm.web.i18n import lazy
from crm.web.paging import Page
from crm.web.sessions import request_now


def where_of(actor: Actor, args: Mapping[str, str]) -> CompanyFilter:
    """The filter on companies that the words of an address make."""
    owner, days = args.get("owner"), days_of(args.get("quiet", ""))
    return CompanyFilter(
        owner_id=actor.user_id if owner == "me" else id_of(owner),
        tag_id=id_of(args.get("tag")),
        kind=one_of(CompanyKind, args.get("kind")) or "",
        city=args.get("city", "").strip(),
        quiet_since=request_now() - timedelta(days=days) if days is not None else None,
    )


def sort_of(args: Mapping[str, str]) -> CompanySort:
    """The order that is asked for, by name when it is none."""
    return one_of(CompanySort, args.get("sort")) or CompanySort.NAME


def listed(session: Session, actor: Actor, args: Mapping[str, str], *, after: str | None, limit: int) -> Page[Company]:
    """A page of the companies that those words ask for."""
    where = where_of(actor, args)
    return contacts.list_companies(session, actor, where=where, sort=sort_of(args), after=after, limit=limit)


def _check(_session: Session, _actor: Actor, args: Mapping[str, str]) -> None:
    """Refuse words that the list would take for none."""
    wrong = {
        "owner": args.get("owner") != "me" and not is_id(args.get("owner", "")),
        "tag": not is_id(args.get("tag", "")),
        "kind": one_of(CompanyKind, args.get("kind")) is None,
        "quiet": days_of(args.get("quiet", "")) is None,
        "sort": one_of(CompanySort, args.get("sort")) is None,
    }
    for name, is_wrong in wrong.items():
        if args.get(name) and is_wrong:
            sentence = worded("This filter can’t be read: %(name)s", name=name)
            raise InvalidInputError(sentence, fields={name: sentence})


COMPANIES: Final = Listing(
    subject=ListSubject.COMPANIES,
    path="/companies",
    index="companies.index",
    views="company_views",
    columns_at="company_columns",
    filters=("owner", "tag", "kind", "city", "quiet", "sort"),
    check=_check,
    # In the order of the table. A column that is not shown is not read.
    columns={
        "kind": lazy("Kind"),
        "city": lazy("City"),
        "country": lazy("Country"),
        "domain": lazy("Website"),
        "industry": lazy("Industry"),
        "staff": lazy("Staff"),
        "phone": lazy("Phone"),
        "vat": lazy("VAT number"),
        "tags": lazy("Tags"),
        "last": lazy("Last exchange"),
        "owner": lazy("Owner"),
        "people": lazy("People"),
        "created": lazy("Added"),
    },
    usual=("kind", "city", "domain", "last", "owner", "people"),
    words=ListWords(
        title=lazy("Companies"),
        each_sees=lazy("each sees their own under “Mine”"),
        none_yet=lazy("No views yet: filter the list of companies and keep it under a name."),
        opens_with_all=lazy("The list opens with all companies."),
    ),
)

blueprint = view_pages(COMPANIES)
columns = column_pages(COMPANIES)

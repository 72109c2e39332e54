"""The list of people as views are kept of it: its columns, and what of an address a view holds."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts.kinds import ListSubject
from crm.desk import people_filter
from crm.desk.list_views import column_pages, view_pages
from crm.desk.listing import Listing, ListWords
from crm.errors import InvalidInputError
from crm.filters.schema import RuleError
from crm.web.i18n import lazy


def _check(session: Session, actor: Actor, args: Mapping[str, str]) -> None:
    try:
        people_filter.filter_of(session, actor, text=args.get("rule", ""))
    except RuleError as error:
        sentence = str(error.problems[0].message)
        raise InvalidInputError(sentence, fields={"rule": sentence}) from error


PEOPLE: Final = Listing(
    subject=ListSubject.PEOPLE,
    path="/contacts",
    index="people.index",
    views="people_views",
    columns_at="people_columns",
    filters=("owner", "tag", "lifecycle", "importance", "quiet", "segment", "rule", "sort"),
    check=_check,
    # In the order of the table. A column that is not shown is not read.
    columns={
        "company": lazy("Company"),
        "title": lazy("Role"),
        "city": lazy("City"),
        "lifecycle": lazy("Stage"),
        "tags": lazy("Tags"),
        "last": lazy("Last exchange"),
        "warmth": lazy("Warmth"),
        "next": lazy("Next message"),
        "reach": lazy("Reach"),
        "owner": lazy("Owner"),
        "points": lazy("Points"),
        "created": lazy("Added"),
    },
    usual=("company", "last", "next", "reach", "owner", "points"),
    words=ListWords(
        title=lazy("People"),
        each_sees=lazy("each sees the people whom they may see"),
        none_yet=lazy("No views yet: filter the list of people and keep it under a name."),
        opens_with_all=lazy("The list opens with everybody."),
    ),
)

blueprint = view_pages(PEOPLE)
columns = column_pages(PEOPLE)

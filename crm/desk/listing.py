"""What the lists of people and of companies share: columns that everybody chooses, and addresses that views fill in."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import abort
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.contacts import queries
from crm.contacts.custom_rules import FieldShape
from crm.contacts.custom_words import custom_link
from crm.contacts.kinds import CustomSubject, CustomType, ListSubject
from crm.contacts.view_models import SavedView
from crm.numbers import whole
from crm.web.sessions import current_session

#: The address of everything, for those whose list opens with a view.
EVERYTHING: Final = "all"
#: More days than this are no filter.
MOST_DAYS: Final = 9_999
#: Own fields whose values stand right, as numbers do.
RIGHT: Final = frozenset({CustomType.NUMBER, CustomType.MONEY})
#: Which of one's own fields a list shows.
_OWN: Final = {ListSubject.PEOPLE: CustomSubject.CONTACT, ListSubject.COMPANIES: CustomSubject.COMPANY}
#: So many views of one's own and shared ones stand as tabs.
TABS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWords:
    """What the pages of views say of a list: its name, whom a shared view shows, and what stays when one is deleted."""

    title: Any
    each_sees: Any
    none_yet: Any
    opens_with_all: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list of which views are kept.

    `path` is its address, `index` its endpoint, and `views` and `columns_at` the blueprints of its views and of the
    choice of columns. `filters` are the words of an address that a view keeps, `check` raises for those that can't be
    read. `columns` stand behind the name, own fields (`custom.<key>`) behind them; `usual` are those of who chose none.
    """

    subject: ListSubject
    path: str
    index: str
    views: str
    columns_at: str
    filters: tuple[str, ...]
    check: Callable[[Session, Actor, Mapping[str, str]], object]
    columns: Mapping[str, Any]
    usual: tuple[str, ...]
    words: ListWords

    def own_fields(self, session: Session, actor: Actor) -> tuple[FieldShape, ...]:
        """The workspace's own fields of the subject, each a column to choose."""
        return queries.custom_fields(session, actor, subject=_OWN[self.subject])

    def labels_of(self, own: Sequence[FieldShape]) -> dict[str, Any]:
        """Every column by its name."""
        return {**self.columns, **{field.name: field.label for field in own}}

    def columns_of(
        self, user: User | None, *, view: SavedView | None = None, own: Sequence[FieldShape] = ()
    ) -> tuple[str, ...]:
        """The columns of the view, those that this person chose, else the usual ones; none that there are no more."""
        names = self.labels_of(own)
        if view is not None and view.columns is not None:
            return tuple(name for name in names if name in view.columns)
        chosen: Collection[str] | None = (user.list_columns or {}).get(self.subject) if user is not None else None
        return self.usual if chosen is None else tuple(name for name in names if name in chosen)

    def own_cells(
        self, actor: Actor, *, own: Sequence[FieldShape], columns: Collection[str], ids: list[UUID]
    ) -> dict[UUID, dict[str, str]]:
        """{row: {column: the value as people read it}} of those own fields that are shown."""
        session, shown = current_session(), [field for field in own if field.name in columns]
        whose: dict[str, Any] = {f"{_OWN[self.subject]}_ids": ids}
        values = queries.custom_values_of(session, actor, fields=shown, **whose)
        names = queries.custom_names(session, actor, values=values.values())
        return {
            row_id: {field.name: custom_link(field, found.get(field.key), names=names) for field in shown}
            for row_id, found in values.items()
        }

    def checked(self, session: Session, actor: Actor, given: Mapping[str, str]) -> dict[str, str]:
        """What a view keeps of an address; raises `InvalidInputError` for a filter that can't be read."""
        args = {key: given[key] for key in self.filters if given.get(key)}
        self.check(session, actor, args)
        return args


@dataclass(frozen=True, slots=True)
class Address:
    """The words of an address with those of its view filled in, the view, the one it was before, and all there are."""

    args: dict[str, str]
    view: SavedView | None
    was: SavedView | None
    views: list[SavedView]

    @property
    def base(self) -> SavedView | None:
        """The view that is open, or from which a changed address began."""
        return self.view or self.was

    def tabs(self) -> list[SavedView]:
        """The first views, and the open one wherever it stands."""
        shown = self.views[:TABS]
        return shown if self.view is None or self.view in shown else [*shown, self.view]


def address_of(
    session: Session, actor: Actor, given: Mapping[str, str], *, listing: Listing, with_default: bool = True
) -> Address:
    """Read an address; one without any words opens with the reader's default view. Raises `ViewNotFoundError`.

    What is none of the list's words is dropped before addresses are made from it. `was` is the view from which a
    changed address began.
    """
    known = ("q", *listing.filters, "after", "view", "was")
    args = {key: given[key] for key in known if given.get(key)}
    named = args.pop("view", "")
    before = args.pop("was", "")
    views = queries.saved_views(session, actor, subject=listing.subject)
    view: SavedView | None = None
    if named and named != EVERYTHING:
        view = views.named(id_of(named))
    elif not named and not args and with_default:
        view = views.default
    if view is not None:
        kept = {key: str(view.args[key]) for key in listing.filters if view.args.get(key)}
        return Address(kept | {key: args[key] for key in ("after", "q") if key in args}, view, None, views.items)
    return Address(args, None, views.named(id_of(before)) if before else None, views.items)


def days_of(text: str) -> int | None:
    """The number of days that one asks for; None for what is no number of days, or too many."""
    days = whole(text)
    return None if days is None or days > MOST_DAYS else days


def is_id(text: str) -> bool:
    """Whether this is written as ids are."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def one_of(kinds: Any, value: str | None) -> Any:
    """The member of an enum that is written so, None when there is none."""
    return kinds(value) if value in set(kinds) else None


def id_of(text: str | None) -> Any:
    """The id that is written so, None for nothing; 404 for what is none."""
    if not text:
        return None
    return UUID(text) if is_id(text) else abort(404)

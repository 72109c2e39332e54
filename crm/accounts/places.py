"""Owns the tables that higher domains fill: pages under Settings, the first run, words of bell and audit, finders."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from flask import Blueprint, Flask, current_app, url_for
from flask_babel import LazyString

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor


class SettingsGroup(StrEnum):
    YOU = "you"
    WORKSPACE = "workspace"
    CHANNELS = "channels"


class Step(StrEnum):
    """The steps of the first run behind the owner's own."""

    SENDER = "sender"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPage:
    """A page under Settings; it shows to those who hold `needs`."""

    key: str
    label: LazyString
    text: LazyString
    icon: str
    endpoint: str
    group: SettingsGroup = SettingsGroup.WORKSPACE
    needs: Permission | None = None
    order: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way through a step of the first run: a link with `values`, or with `post` a button that does it."""

    step: Step
    key: str
    label: LazyString
    text: LazyString
    icon: str
    endpoint: str
    values: Mapping[str, Any] = field(default_factory=dict)
    post: bool = False
    primary: bool = False
    order: int = 50


@dataclass(frozen=True, slots=True)
class Words:
    """How a kind of notification, of long work or of audit action is told; `text` may hold %(name)s of its values."""

    text: LazyString
    icon: str = "bell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that a search found, as the page shows it."""

    name: str
    url: str
    icon: str
    sub: str = ""


@dataclass(frozen=True, slots=True)
class Finder:
    """A kind of thing that the search finds beside people: its heading, and (words, at most so many) -> found."""

    label: LazyString
    find: Callable[[str, int], Sequence[Found]]


def add_finder(app: Flask, key: str, finder: Finder) -> None:
    """Let the search find one more kind of thing; a blueprint does it in `record_once`."""
    _table(app, "crm_finders")[key] = finder


def found(words: str, limit: int) -> list[tuple[str, Sequence[Found]]]:
    """What every finder finds for `words`, under its heading; those that find nothing are left out."""
    finders: list[Finder] = list(_table(current_app, "crm_finders").values())
    groups = [(str(finder.label), finder.find(words, limit)) for finder in finders]
    return [(label, rows) for label, rows in groups if rows]


def add_settings_page(app: Flask, page: SettingsPage) -> None:
    """Put a page under Settings; a blueprint does it in `record_once`."""
    _table(app, "crm_settings_pages")[page.key] = page


def add_choice(app: Flask, choice: Choice) -> None:
    """Offer a way through a step of the first run."""
    _table(app, "crm_first_run_choices")[choice.key] = choice


def add_words(app: Flask, words: Mapping[str, Words]) -> None:
    """Say how these kinds are told: "progress.done", "import", "contact.merged"."""
    _table(app, "crm_words").update(words)


def tell(blueprint: Blueprint, words: Mapping[str, Words]) -> None:
    """`add_words` to whichever application `blueprint` becomes part of."""
    blueprint.record_once(lambda state: add_words(cast("Flask", state.app), words))


def settings_pages(actor: Actor) -> list[SettingsPage]:
    """The pages under Settings that `actor` may open, in order."""
    pages: list[SettingsPage] = list(_table(current_app, "crm_settings_pages").values())
    open_pages = [page for page in pages if page.needs is None or actor.may(page.needs)]
    groups = list(SettingsGroup)
    return sorted(open_pages, key=lambda page: (groups.index(page.group), page.order, page.key))


def choices(step: Step) -> list[dict[str, Any]]:
    """The ways through `step`, as the macros read them."""
    offered: list[Choice] = [row for row in _table(current_app, "crm_first_run_choices").values() if row.step is step]
    return [
        {
            "icon": row.icon,
            "title": row.label,
            "text": row.text,
            "label": row.label,
            "url": url_for(row.endpoint, **row.values),
            "post": row.post,
            "primary": row.primary,
        }
        for row in sorted(offered, key=lambda row: (row.order, row.key))
    ]


def told(kind: str, params: Mapping[str, Any] | None = None) -> tuple[str, str]:
    """(icon, sentence) of a kind in the reader's language; an unknown kind tells its own code."""
    words: Words | None = _table(current_app, "crm_words").get(kind)
    if words is None:
        return "point", kind.replace(".", " ").replace("_", " ")
    values: defaultdict[str, Any] = defaultdict(str, params or {})
    return words.icon, str(words.text) % values


def _table(app: Flask, name: str) -> dict[str, Any]:
    return app.extensions.setdefault(name, {})

"""Owns what surrounds every signed-in page: navigation, counters, workspace switcher, the New menu."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, g, request

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.desk import counters
from crm.web.i18n import LOCALES, lazy, lazy_p, locale_code
from crm.web.sessions import current_session, request_now

LOCALE_NAMES = {"en": "English", "it": "Italiano"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the navigation; it shows when its page exists and the actor may open it."""

    key: str
    label: str
    icon: str
    path: str
    group: int = 1
    phone: bool = False
    needs: Permission = Permission.VIEW_OWN
    children: tuple["Entry", ...] = ()


NAVIGATION = (
    Entry("today", lazy("Today"), "sun", "/", phone=True),
    Entry(
        "inbox",
        lazy("Inbox"),
        "inbox",
        "/inbox",
        phone=True,
        children=(
            Entry("conversations", lazy("Conversations"), "inbox", "/inbox"),
            Entry("by_hand", lazy("To send by hand"), "hand-click", "/by-hand", needs=Permission.WRITE),
        ),
    ),
    Entry("calendar", lazy("Calendar"), "calendar", "/calendar"),
    Entry(
        "contacts",
        lazy("Contacts"),
        "users",
        "/contacts",
        group=2,
        phone=True,
        children=(
            Entry("people", lazy("People"), "users", "/contacts"),
            Entry("companies", lazy("Companies"), "building", "/companies"),
            Entry("imports", lazy("Imports"), "file-import", "/imports", needs=Permission.IMPORT),
            Entry("history", lazy("Bring in history"), "history", "/history", needs=Permission.IMPORT),
        ),
    ),
    Entry("deals", lazy("Deals"), "briefcase", "/deals", group=2),
    Entry("tasks", lazy("Tasks"), "circle-check", "/tasks", group=2),
    Entry("segments", lazy("Segments"), "filter", "/segments", group=3),
    Entry("campaigns", lazy("Campaigns"), "send", "/campaigns", group=3),
    Entry(
        "loyalty",
        lazy("Loyalty"),
        "gift",
        "/loyalty",
        group=3,
        children=(
            Entry("members", lazy("Members"), "users", "/loyalty/members"),
            Entry("offers", lazy("Offers"), "gift", "/loyalty/offers"),
        ),
    ),
    Entry("till", lazy("Till"), "cash-register", "/till", group=3, phone=True, needs=Permission.REDEEM),
    Entry("reports", lazy("Reports"), "chart-bar", "/reports", group=3),
    Entry("sandbox", lazy("Sandbox"), "flask", "/sandbox", group=4, needs=Permission.WRITE),
    Entry("settings", lazy("Settings"), "settings", "/settings", group=9),
)

NEW = (
    (lazy("Person"), "user-plus", "/contacts/new", Permission.EDIT),
    (lazy("Company"), "building", "/companies/new", Permission.EDIT),
    (lazy("Deal"), "briefcase", "/deals/new", Permission.EDIT),
    (lazy("Campaign"), "send", "/campaigns/new", Permission.WRITE),
    (lazy("Segment"), "filter", "/segments/new", Permission.EDIT),
    (lazy("Offer"), "gift", "/loyalty/offers/new", Permission.MANAGE_LOYALTY),
    (lazy("Answer from elsewhere"), "message", "/share", Permission.WRITE),
    (lazy("Public comment"), "world", "/public-posts/new", Permission.WRITE),
    (lazy_p("noun", "Import"), "file-import", "/imports/new", Permission.IMPORT),
)


def init_app(app: Flask) -> None:
    """Give every template the shell's values."""
    app.context_processor(_shell)


def _pages() -> frozenset[str]:
    found = current_app.extensions.get("crm_pages")
    if found is None:
        found = frozenset(rule.rule for rule in current_app.url_map.iter_rules() if "GET" in (rule.methods or ()))
        current_app.extensions["crm_pages"] = found
    return found


def entries(actor: Actor) -> list[Entry]:
    """The navigation of `actor`: pages that exist and that the actor's role may open."""
    return [entry for entry in NAVIGATION if entry.path in _pages() and actor.may(entry.needs)]


def _shell() -> dict[str, Any]:
    common = {
        "locale": locale_code(),
        "locales": [(code, LOCALE_NAMES[code]) for code in LOCALES],
        "theme": "auto",
    }
    actor: Actor | None = g.get("actor")
    if actor is None or g.get("user") is None:
        return {
            **common,
            "nav": [],
            "workspaces": [],
            "shell": {"preferences": "/preferences"},
            "new_menu": [],
            "bell_count": 0,
            "actor_user": None,
        }
    counts = counters.counts(current_session(), actor, now=request_now())
    pages = _pages()
    return {
        **common,
        "theme": g.user.theme,
        "actor": actor,
        "actor_user": {"id": g.user.id, "name": actor.name, "email": g.user.email},
        "nav": navigation(actor, counts),
        "workspaces": [
            {
                "id": row.id,
                "name": row.name,
                "current": row.id == actor.workspace_id,
                "url": f"/workspaces/{row.id}/switch",
            }
            for row in g.workspaces
        ],
        "new_menu": [
            {"label": label, "icon": icon, "url": path}
            for label, icon, path, needs in NEW
            if path in pages and actor.may(needs)
        ],
        "bell_count": counts["bell"],
        "shell": {
            "search": "/search" if "/search" in pages else None,
            "bell": "/notifications" if "/notifications" in pages else None,
            "counters": "/counters" if "/counters" in pages else None,
            "preferences": "/preferences",
            "profile": "/settings/profile" if "/settings/profile" in pages else None,
            "sign_out": "/sign-out",
        },
    }


def live(actor: Actor) -> list[dict[str, Any]]:
    """The navigation as it stands now."""
    return navigation(actor, counters.counts(current_session(), actor, now=request_now()))


def navigation(actor: Actor, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The navigation as the shell's macros read it, with the live `counts` beside Today and Inbox."""
    return [_line(entry, actor, counts) for entry in entries(actor)]


def _line(entry: Entry, actor: Actor, counts: Mapping[str, int]) -> dict[str, Any]:
    line: dict[str, Any] = {
        "key": entry.key,
        "label": entry.label,
        "icon": entry.icon,
        "url": entry.path,
        "group": entry.group,
        "phone": entry.phone,
        "active": _is_active(entry) or any(_is_active(child) for child in entry.children),
        "children": [
            {"key": child.key, "label": child.label, "url": child.path, "active": _is_active(child)}
            for child in entry.children
            if child.path in _pages() and actor.may(child.needs)
        ],
    }
    if entry.key in counts:
        line.update(counter=counts[entry.key], waiting=counts[entry.key] > 0)
    return line


def _is_active(entry: Entry) -> bool:
    if entry.path == "/":
        return request.path == "/"
    return request.path == entry.path or request.path.startswith(f"{entry.path}/")

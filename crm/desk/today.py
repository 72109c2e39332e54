"""The first page: whom to write to today and why, what leaves by itself, and the counters of the menu."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date

from crm.accounts.guards import any_role, current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.queries import workspace
from crm.channels.base import ChannelKind
from crm.clock import local_day
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.desk import navigation
from crm.desk.leaving import leaving
from crm.desk.queue import SOURCES, Kind, Waiting, queue
from crm.desk.queue_words import GROUPS, TABS, Line, line
from crm.desk.ranking import ranked, weight_of
from crm.desk.week import week
from crm.interactions import queries as interactions
from crm.outreach import queries as outreach
from crm.outreach.words import reason_text
from crm.web.i18n import _, ngettext
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("today", __name__)


@blueprint.get("/")
@any_role
def index() -> ResponseReturnValue:
    """The queue; who only redeems vouchers is at home at the till."""
    session, actor, now = current_session(), current_actor(), request_now()
    if not actor.may(Permission.VIEW_OWN):
        return redirect(url_for("loyalty.till"), code=303)
    is_mine = _is_mine()
    shown = next((name for name, _label, _kinds in TABS if name == request.args.get("kind")), "")
    waiting = queue(session, actor, is_mine=is_mine, now=now)
    wanted = next((kinds for name, _label, kinds in TABS if name == shown), tuple(Kind))
    return render_template(
        "desk/today.html",
        day=format_date(local_day(now, tz=actor.time_zone), "EEEE d MMMM", rebase=False),
        title=_title(_count(waiting, tuple(SOURCES))),
        tabs=_tabs(waiting, shown, is_mine=is_mine),
        whose=_whose(shown, is_mine=is_mine),
        groups=(groups := _groups({kind: rows for kind, rows in waiting.items() if kind in wanted})),
        opened=_opened(groups),
        here=_here(shown, is_mine=is_mine),
        leaving=leaving(session, actor, now=now),
        figures=url_for(".figures", who=None if is_mine else "team"),
        house=workspace(session, actor),
        is_new=not groups and not contacts.is_anybody(session, actor),
        now=now,
        may_write=actor.may(Permission.WRITE),
        may_edit=actor.may(Permission.EDIT),
        may_import=actor.may(Permission.IMPORT),
        may_connect=actor.may(Permission.MANAGE_CHANNELS),
    )


@blueprint.get("/week")
@requires(Permission.VIEW_OWN)
def figures() -> str:
    """The quiet figures beside the queue, which nobody waits for: they read the whole week."""
    found = week(current_session(), current_actor(), is_mine=_is_mine(), now=request_now())
    return render_template("desk/_week.html", week=found)


@blueprint.get("/counters")
@any_role
def counters() -> str:
    """The numbers of the menu, which the page asks for again and again."""
    return render_template("desk/counters.html", items=navigation.live(current_actor()))


def _is_mine() -> bool:
    return request.args.get("who") != "team"


def _title(count: int) -> str:
    if not count:
        return _("Nobody is waiting for you")
    return ngettext("One thing waits for you", "%(num)d things wait for you", count)


def _here(shown: str, *, is_mine: bool, **changed: Any) -> str:
    given = {"kind": shown or None, "who": None if is_mine else "team", **changed}
    return url_for(".index", **given)


def _count(waiting: dict[Kind, list[Waiting]], kinds: tuple[Kind, ...]) -> int:
    """The lines that reasons of these kinds make."""
    return len({row.contact_id or row.id for kind in kinds for row in waiting[kind]})


def _tabs(waiting: dict[Kind, list[Waiting]], shown: str, *, is_mine: bool) -> list[dict[str, Any]]:
    """All, and each kind of which something waits."""
    everything = _count(waiting, tuple(SOURCES))
    tabs: list[dict[str, Any]] = [
        {"label": _("All"), "url": _here("", is_mine=is_mine), "count": everything, "active": not shown}
    ]
    for name, label, kinds in TABS:
        count = _count(waiting, kinds)
        if count or name == shown:
            active = name == shown
            tabs.append({"label": label, "url": _here(name, is_mine=is_mine), "count": count, "active": active})
    return tabs


def _whose(shown: str, *, is_mine: bool) -> list[dict[str, Any]]:
    return [
        {"label": _("Mine"), "url": _here(shown, is_mine=True), "active": is_mine},
        {"label": _("Team"), "url": _here(shown, is_mine=False), "active": not is_mine},
    ]


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the page: its first reason, and the others."""

    line: Line
    others: tuple[Line, ...]

    @property
    def items(self) -> list[str]:
        """Its reasons as a form names them."""
        return [f"{line.row.kind.value}:{line.row.id}" for line in (self.line, *self.others)]


def _groups(waiting: dict[Kind, list[Waiting]]) -> list[tuple[Any, list[Shown]]]:
    now, tz = request_now(), current_actor().time_zone
    today = local_day(now, tz=tz)
    groups: list[tuple[Any, list[Shown]]] = [(title, []) for title, _least in GROUPS]
    for found in ranked((row for rows in waiting.values() for row in rows), today=today):
        first, *others = (line(row, now=now, tz=tz) for row in found.reasons)
        weight = weight_of(found.first, today=today)
        place = next(index for index, (_title, least) in enumerate(GROUPS) if weight >= least)
        groups[place][1].append(Shown(first, tuple(others)))
    return [(title, lines) for title, lines in groups if lines]


def _opened(groups: list[tuple[Any, list[Shown]]]) -> dict[str, Any] | None:
    """What the first line shows beyond its reason when it is a reply: promises to the person, what the gate says."""
    first = groups[0][1][0].line.row if groups else None
    if first is None or first.kind is not Kind.REPLY:
        return None
    return {
        "id": first.id,
        "promises": _promises(first.contact_id),
        "objection": _objection(first),
    }


def _promises(contact_id: UUID | None) -> list[interactions.TaskView]:
    if contact_id is None:
        return []
    tasks = interactions.tasks_of(current_session(), current_actor(), contact_id=contact_id)
    return [task for task in tasks if task.is_promise][:2]


def _objection(row: Waiting) -> str:
    if row.contact_id is None:
        return ""
    found = outreach.verdicts(
        current_session(),
        current_actor(),
        contact_ids=[row.contact_id],
        purpose=Purpose.REPLY,
        channel=ChannelKind(row.channel),
        now=request_now(),
    ).get(row.contact_id)
    return reason_text(found.reason) if found is not None and found.reason is not None else ""

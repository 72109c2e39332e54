"""What will leave: as a list by day and hour, as a week, and moving a message with the gate's answer at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.queries import members, workspace
from crm.accounts.signin import local_or
from crm.channels.base import ChannelKind
from crm.clock import end_of_day, local_day, local_instant, zone
from crm.errors import AppError
from crm.outreach import grid, queries, services
from crm.outreach.facts import Policy
from crm.outreach.forms import AT, MoveForm
from crm.outreach.hours import hour_objection
from crm.outreach.moments import check_moment
from crm.outreach.queries import CalendarFilter, CalendarLine, MessageView
from crm.outreach.rules import Objection
from crm.outreach.views.blueprint import blueprint
from crm.outreach.waking import wake
from crm.outreach.windows import is_holiday_in, next_opening
from crm.outreach.words import CHANNELS, reason_text
from crm.web.formats import moment
from crm.web.i18n import _, pgettext
from crm.web.sessions import current_session, request_now

DAYS: Final = 7
#: Beyond some years nothing is planned, and the calendar itself ends in 9999.
FAR: Final = timedelta(days=3660)
LIST, WEEK = "list", "week"
#: The hours at which a week may begin and end; the widest is shown only when something leaves there.
BEGINS: Final = (8, 6, 0)
ENDS: Final = (20, 22, 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address of the calendar asks for; `first` None is from now on."""

    view: str
    first: date | None
    wanted: CalendarFilter
    after: str | None

    def url(self, **changed: Any) -> str:
        """The address of the calendar with something else in it; a page of the list is left behind."""
        kept = {
            "view": self.view if self.view != LIST else None,
            "from": self.first.isoformat() if self.first else None,
            "account": self.wanted.account_id,
            "owner": self.wanted.owner_id,
            "campaign": "none" if self.wanted.is_direct else self.wanted.batch_id,
            "channel": self.wanted.channel,
        }
        return url_for("outreach.calendar", **{**kept, **changed})


@dataclass(frozen=True, slots=True)
class Day:
    """A column of the week."""

    on: date
    count: int
    blocks: list[grid.Block]
    closed: list[tuple[int, int]]


@blueprint.get("/calendar")
@requires(Permission.VIEW_OWN)
def calendar() -> str:
    """What is to leave, from now on or from the asked day, as a list or as a week."""
    return render_template("outreach/calendar.html", **_context(_asked(request.args)))


@blueprint.get("/messages/<uuid:message_id>/move")
@requires(Permission.WRITE)
def move_form(message_id: UUID) -> ResponseReturnValue:
    """Choose another time; beside the calendar as a small panel."""
    view = queries.message(current_session(), current_actor(), message_id=message_id)
    leaves = view.line.leaves_at
    form = MoveForm(when=AT)
    if leaves is not None:
        local = leaves.astimezone(zone(current_actor().time_zone))
        form.on.data, form.at.data = local.date(), local.time()
    return _question(view, form)


@blueprint.post("/messages/<uuid:message_id>/move")
@requires(Permission.WRITE)
def move(message_id: UUID) -> ResponseReturnValue:
    """Plan a message for another time, unless the hour is closed for its person: then say so and offer the next one."""
    session, actor, now = current_session(), current_actor(), request_now()
    form = MoveForm()
    view = queries.message(session, actor, message_id=message_id)
    if not form.validate_on_submit():
        return _question(view, form, status=422)
    at = form.moment(tz=actor.time_zone) or now
    try:
        check_moment(at, now=now, field="at")
        if view.line.state in services.MOVABLE:
            answer = queries.opening(session, actor, message_id=message_id, at=max(at, now))
            closed = hour_objection(answer.verdict)
            if closed is not None and (closed.binds or "anyway" not in request.form):
                return _question(view, form, closed=closed, at=at, suggestion=answer.suggestion, status=422)
        wake(services.reschedule(session, actor, message_id=message_id, at=at, now=now))
    except AppError as error:
        form.absorb(error)
        return _question(view, form, status=error.status)
    _tell_moved(message_id, at)
    return _moved(message_id)


def _tell_moved(message_id: UUID, at: datetime) -> None:
    """That it is moved, and what else than the hour keeps it from leaving."""
    verdict = queries.verdicts_at(current_session(), current_actor(), moments={message_id: at})[message_id]
    if verdict.reason is not None:
        flash(_("Moved to %(time)s, but: %(reason)s", time=moment(at), reason=reason_text(verdict.reason)), "warning")
    else:
        flash(_("Moved to %(time)s.", time=moment(at)), "success")


def _moved(message_id: UUID) -> ResponseReturnValue:
    page = url_for(".message", message_id=message_id)
    back = local_or(request.form.get("back"), page)
    if "HX-Request" not in request.headers:
        return redirect(back, code=303)
    given = parse_qs(urlsplit(back).query)
    asked = _asked({name: values[0] for name, values in given.items()})
    return render_template("outreach/_calendar_moved.html", **_context(asked))


def _question(
    view: MessageView,
    form: MoveForm,
    *,
    closed: Objection | None = None,
    at: datetime | None = None,
    suggestion: datetime | None = None,
    status: int = 200,
) -> Response:
    """The form of a move, with what speaks against the asked hour: a panel beside the calendar, else a page."""
    beside = "HX-Request" in request.headers
    back = local_or(request.values.get("back"), url_for(".message", message_id=view.line.id))
    page = render_template(
        "outreach/_move.html" if beside else "outreach/move.html",
        form=form,
        line=view.line,
        closed=closed,
        asked=at,
        suggestion=suggestion,
        zone=zone(current_actor().time_zone),
        back=back,
        beside=beside,
    )
    answer = make_response(page, status)
    if beside:
        answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#calendar-answer", "innerHTML"
    return answer


def _asked(args: Mapping[str, str]) -> Asked:
    campaign = args.get("campaign", "")
    channel = args.get("channel", "")
    return Asked(
        view=WEEK if args.get("view") == WEEK else LIST,
        first=_day(args.get("from", "")),
        wanted=CalendarFilter(
            account_id=_id(args.get("account")),
            owner_id=_id(args.get("owner")),
            batch_id=_id(campaign),
            is_direct=campaign == "none",
            channel=ChannelKind(channel) if channel in set(ChannelKind) else None,
        ),
        after=args.get("after"),
    )


def _id(value: str | None) -> UUID | None:
    try:
        return UUID(value or "")
    except ValueError:
        return None


def _day(value: str) -> date | None:
    try:
        asked = date.fromisoformat(value)
    except ValueError:
        return None
    today = local_day(request_now(), tz=current_actor().time_zone)
    return asked if abs(asked - today) < FAR else None


def _context(asked: Asked) -> dict[str, Any]:
    """All that the templates of the calendar show."""
    session, actor, now = current_session(), current_actor(), request_now()
    today = local_day(now, tz=actor.time_zone)
    shown = _week(asked, today) if asked.view == WEEK else _list(asked)
    return {
        "asked": asked,
        "today": today,
        "now": now,
        "house": workspace(session, actor),
        "figures": queries.figures(session, actor, wanted=asked.wanted),
        "choices": _choices(asked.wanted),
        "movable": services.MOVABLE,
        **shown,
    }


def _list(asked: Asked) -> dict[str, Any]:
    """The list: a page of lines by day and hour, before it (on the first page) what needs a person."""
    session, actor = current_session(), current_actor()
    since = local_instant(asked.first, datetime.min.time(), tz=actor.time_zone) if asked.first else None
    page = queries.leaving(session, actor, wanted=asked.wanted, since=since, after=asked.after)
    is_first = asked.first is None and asked.after is None
    return {
        "needing": queries.needing(session, actor, wanted=asked.wanted) if is_first else [],
        "days": _by_hour(page.items, tz=actor.time_zone),
        "next": asked.url(after=page.next) if page.next else None,
    }


def _by_hour(lines: list[CalendarLine], *, tz: str) -> list[tuple[date, list[tuple[int, list[CalendarLine]]]]]:
    def local(row: CalendarLine) -> datetime:
        return row.at.astimezone(zone(tz))

    days = groupby(lines, key=lambda row: local(row).date())
    return [
        (day, [(hour, list(rows)) for hour, rows in groupby(group, key=lambda row: local(row).hour)])
        for day, group in days
    ]


def _week(asked: Asked, today: date) -> dict[str, Any]:
    session, actor = current_session(), current_actor()
    near = asked.first or today
    monday = near - timedelta(days=near.weekday())
    until = end_of_day(monday + timedelta(days=DAYS - 1), tz=actor.time_zone)
    since = end_of_day(monday - timedelta(days=1), tz=actor.time_zone)
    lines = queries.week_lines(session, actor, wanted=asked.wanted, since=since, until=until)
    campaigns = queries.campaign_days(session, actor, wanted=asked.wanted, since=since, until=until, tz=actor.time_zone)
    policy = queries.policy(session, actor)
    days = [_column(monday + timedelta(days=offset), lines, campaigns, policy) for offset in range(DAYS)]
    blocks = [block for day in days for block in day.blocks]
    begins = next(hour for hour in BEGINS if all(block.quarter >= hour * 4 for block in blocks) or hour == 0)
    ends = next(hour for hour in ENDS if all(block.end <= hour * 4 for block in blocks) or hour == ENDS[-1])
    return {
        "week": days,
        "begins": begins,
        "ends": ends,
        "monday": monday,
        "sunday": monday + timedelta(days=DAYS - 1),
        "before": asked.url(**{"from": monday - timedelta(days=DAYS)}),
        "following": asked.url(**{"from": monday + timedelta(days=DAYS)}),
        "now_quarter": grid.quarter_of(request_now(), tz=actor.time_zone),
        "is_cut": len(lines) >= queries.WEEK_MOST,
    }


def _column(day: date, lines: list[CalendarLine], campaigns: list[queries.CampaignDay], policy: Policy) -> Day:
    tz = current_actor().time_zone
    is_holiday = is_holiday_in(policy.country)

    def is_open(instant: datetime) -> bool:
        return next_opening(instant, policy.window, tz=policy.time_zone, is_holiday=is_holiday) == instant

    mine = [row for row in lines if local_day(row.at, tz=tz) == day]
    theirs = [row for row in campaigns if row.day == day]
    return Day(
        on=day,
        count=len(mine) + sum(row.people for row in theirs),
        blocks=grid.place(mine, theirs, tz=tz),
        closed=grid.closed_spans(day, tz=tz, is_open=is_open),
    )


def _choices(wanted: CalendarFilter) -> list[dict[str, Any]]:
    """The filters: name in the address, label, what no choice is called, choices and the chosen one."""
    session, actor = current_session(), current_actor()
    accounts = [(str(row.id), row.name or row.address) for row in queries.accounts(session, actor)]
    owners = [(str(row.user_id), row.name) for row in members(session, actor)]
    batches = [(str(batch_id), name) for batch_id, name in queries.waiting_batches(session, actor)]
    campaigns = [("none", _("Single messages")), *batches]
    channels = [(kind.value, str(label)) for kind, label in CHANNELS.items()]
    every = pgettext("filter", "all")
    chosen = "none" if wanted.is_direct else wanted.batch_id
    rows = (
        ("account", _("Sender"), every, accounts, wanted.account_id),
        ("owner", _("Owner"), every, owners, wanted.owner_id),
        ("campaign", _("Campaign"), pgettext("campaigns", "all"), campaigns, chosen),
        ("channel", _("Channel"), every, channels, wanted.channel),
    )
    return [
        {"name": name, "label": label, "all": all_word, "choices": choices, "chosen": str(value or "")}
        for name, label, all_word, choices, value in rows
    ]

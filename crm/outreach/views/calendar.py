"""What will leave, day by day, and moving it."""

from datetime import date, timedelta
from itertools import groupby
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.queries import workspace
from crm.clock import end_of_day, local_day, start_of_day
from crm.errors import AppError
from crm.outreach import queries, services
from crm.outreach.forms import AT, MoveForm
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import reason_text
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

DAYS = 7


@blueprint.get("/calendar")
@requires(Permission.VIEW_OWN)
def calendar() -> str:
    """A week of what is planned, beginning with the asked day (today by default)."""
    session, actor, now = current_session(), current_actor(), request_now()
    today = local_day(now, tz=actor.time_zone)
    first = _asked_day(today)
    last = first + timedelta(days=DAYS - 1)
    since = end_of_day(first - timedelta(days=1), tz=actor.time_zone)
    lines = queries.planned(session, actor, since=since, until=end_of_day(last, tz=actor.time_zone))
    by_day = {
        day: list(group)
        for day, group in groupby(lines, key=lambda line: local_day(line.planned_at or now, tz=actor.time_zone))
    }
    late = queries.planned(session, actor, since=now - timedelta(days=60), until=start_of_day(now, tz=actor.time_zone))
    return render_template(
        "outreach/calendar.html",
        days=[(first + timedelta(days=offset)) for offset in range(DAYS)],
        by_day=by_day,
        late=late if first == today else [],
        today=today,
        before=first - timedelta(days=DAYS),
        after=first + timedelta(days=DAYS),
        house=workspace(session, actor),
    )


@blueprint.get("/messages/<uuid:message_id>/move")
@requires(Permission.WRITE)
def move_form(message_id: UUID) -> str:
    """Choose another time."""
    view = queries.message(current_session(), current_actor(), message_id=message_id)
    return render_template("outreach/move.html", form=MoveForm(when=AT), line=view.line)


@blueprint.post("/messages/<uuid:message_id>/move")
@requires(Permission.WRITE)
def move(message_id: UUID) -> ResponseReturnValue:
    """Plan a message for another time; the gate answers at once."""
    session, actor, now = current_session(), current_actor(), request_now()
    form = MoveForm()
    view = queries.message(session, actor, message_id=message_id)
    if not form.validate_on_submit():
        return render_template("outreach/move.html", form=form, line=view.line), 422
    moment = form.moment(tz=actor.time_zone) or now
    try:
        changed = services.schedule(session, actor, message_ids=[message_id], at=moment, now=now)
    except AppError as error:
        form.absorb(error)
        return render_template("outreach/move.html", form=form, line=view.line), 422
    if message_id in changed.refused:
        form.form_errors.append(reason_text(changed.refused[message_id]))
        return render_template("outreach/move.html", form=form, line=view.line), 422
    verdict = queries.message_verdicts(session, actor, message_ids=[message_id], now=now)[message_id]
    if verdict.reason is not None:
        flash(_("Moved, but: %(reason)s", reason=reason_text(verdict.reason)), "warning")
    else:
        flash(_("Moved."), "success")
    return redirect(url_for(".message", message_id=message_id), code=303)


def _asked_day(today: date) -> date:
    try:
        asked = date.fromisoformat(request.args.get("from", ""))
    except ValueError:
        return today
    # Beyond some years nothing is planned, and the calendar itself ends in 9999.
    return asked if abs(asked - today) < timedelta(days=3660) else today

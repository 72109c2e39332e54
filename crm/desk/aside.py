"""Working through Today: done, put off until tomorrow, skipped with a reason."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import RadioField, StringField
from wtforms.validators import Length, Optional

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.desk.queue import Kind, Waiting
from crm.desk.queue_words import line
from crm.desk.working import do, on_today, set_aside, tomorrow
from crm.web.forms import Form
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("aside", __name__)


class SkipForm(Form):
    """Why a line is skipped."""

    reason = RadioField(
        lazy("Why"),
        choices=[
            ("elsewhere", lazy("done some other way")),
            ("not_now", lazy("not the right moment")),
            ("no_matter", lazy("it doesn't matter")),
        ],
        default="not_now",
    )
    words = StringField(lazy("In your words"), validators=[Optional(), Length(max=200)])


@blueprint.post("/today/aside")
@requires(Permission.EDIT)
def act() -> Response | tuple[str, int]:
    """Do to the line what its button says; `item` names its reasons, the first one first."""
    session, actor, now = current_session(), current_actor(), request_now()
    rows = on_today(session, actor, items=request.form.getlist("item"), now=now)
    action = request.form.get("action", "")
    back = redirect(local_or(request.form.get("back"), url_for("today.index")), 303)
    if not rows:
        flash(_("This waits for you no more."), "info")
        return back
    if action == "done":
        _do(rows[0])
    elif action == "snooze":
        set_aside(session, actor, rows=rows, until=tomorrow(now, tz=actor.time_zone), reason="", now=now)
        flash(_("Put off until tomorrow."), "ok")
    else:
        form = SkipForm()
        if not form.validate_on_submit():
            return _skip_page(form, rows), 422
        reason = (form.words.data or "").strip() or str(form.reason.data)
        set_aside(session, actor, rows=rows, until=None, reason=reason, now=now)
        flash(_("Skipped. It comes back when something new happens."), "ok")
    return back


def _do(row: Waiting) -> None:
    do(current_session(), current_actor(), row=row, now=request_now())
    undo = url_for("interactions.toggle_task", task_id=row.id) if row.kind is Kind.TASK else None
    flash({"text": _("Done."), "undo_url": undo} if undo else _("Done."), "ok")  # type: ignore[arg-type]


@blueprint.get("/today/skip")
@requires(Permission.EDIT)
def skip() -> str:
    """Why a line is skipped."""
    rows = on_today(current_session(), current_actor(), items=request.args.getlist("item"), now=request_now())
    return _skip_page(SkipForm(formdata=None), rows)


def _skip_page(form: SkipForm, rows: list[Waiting]) -> str:
    now, tz = request_now(), current_actor().time_zone
    back = local_or(request.values.get("back"), url_for("today.index"))
    lines = [line(row, now=now, tz=tz) for row in rows]
    return render_template("desk/skip.html", form=form, lines=lines, back=back)

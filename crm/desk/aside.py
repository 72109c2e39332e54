"""Working through Today: done, put off until tomorrow, skipped with a reason."""

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response
from wtforms import RadioField, StringField
from wtforms.validators import Length, Optional

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.signin import local_or
from crm.clock import local_day, local_instant
from crm.db import new_id
from crm.desk.queue import Kind, Waiting, queue
from crm.desk.queue_words import line
from crm.interactions import services as timeline
from crm.interactions.keeping_models import SetAside
from crm.outreach.services import conversations
from crm.web.forms import Form
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("aside", __name__)

MORNING: Final = time(8)
#: A page has no more reasons; whoever posts more is no browser.
MOST_ITEMS: Final = 200


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


def set_aside(
    session: Session, actor: Actor, *, rows: Sequence[Waiting], until: datetime | None, reason: str, now: datetime
) -> None:
    """Keep reasons off the actor's Today until a moment, or for good; something newer brings each of them back."""
    if not rows or actor.user_id is None:
        return
    values = [
        {
            "id": new_id(),
            "workspace_id": actor.workspace_id,
            "user_id": actor.user_id,
            "kind": row.kind.value,
            "object_id": row.id,
            "contact_id": row.contact_id,
            "mark": row.news or now,
            "until": until,
            "reason": reason,
            "created_at": now,
        }
        for row in rows
    ]
    fresh = insert(SetAside).values(values)
    again = {name: fresh.excluded[name] for name in ("mark", "until", "reason", "created_at", "contact_id")}
    keys = ["workspace_id", "user_id", "kind", "object_id"]
    session.execute(fresh.on_conflict_do_update(index_elements=keys, set_=again))


def tomorrow(now: datetime, *, tz: str) -> datetime:
    """Eight in the morning of the next local day."""
    return local_instant(local_day(now, tz=tz) + timedelta(days=1), MORNING, tz=tz)


_DONE: Final[dict[Kind, Callable[[Session, Actor, UUID, datetime], Any]]] = {
    Kind.REPLY: lambda session, actor, key, _now: conversations.close(session, actor, conversation_id=key),
    Kind.COMPLAINT: lambda session, actor, key, now: timeline.mark_answered(
        session, actor, interaction_id=key, now=now
    ),
    Kind.TASK: lambda session, actor, key, now: timeline.complete_task(session, actor, task_id=key, now=now),
}
"""What "done" does to a reason; of the others it is enough that nobody is told again."""


def _asked(values: Sequence[str]) -> list[Waiting]:
    """The reasons that a page names as kind:id, as far as they are on the actor's Today now."""
    found = queue(current_session(), current_actor(), is_mine=False, now=request_now())
    known = {f"{kind.value}:{row.id}": row for kind, rows in found.items() for row in rows}
    return [known[value] for value in dict.fromkeys(values[:MOST_ITEMS]) if value in known]


@blueprint.post("/today/aside")
@requires(Permission.EDIT)
def act() -> Response | tuple[str, int]:
    """Do to the line what its button says; `item` names its reasons, the first one first."""
    session, actor, now = current_session(), current_actor(), request_now()
    rows, action = _asked(request.form.getlist("item")), request.form.get("action", "")
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
    session, actor, now = current_session(), current_actor(), request_now()
    deed = _DONE.get(row.kind)
    if deed is None:
        set_aside(session, actor, rows=[row], until=None, reason="done", now=now)
        flash(_("Done."), "ok")
        return
    deed(session, actor, row.id, now)
    undo = url_for("interactions.toggle_task", task_id=row.id) if row.kind is Kind.TASK else None
    flash({"text": _("Done."), "undo_url": undo} if undo else _("Done."), "ok")  # type: ignore[arg-type]


@blueprint.get("/today/skip")
@requires(Permission.EDIT)
def skip() -> str:
    """Why a line is skipped."""
    return _skip_page(SkipForm(formdata=None), _asked(request.args.getlist("item")))


def _skip_page(form: SkipForm, rows: list[Waiting]) -> str:
    now, tz = request_now(), current_actor().time_zone
    back = local_or(request.values.get("back"), url_for("today.index"))
    lines = [line(row, now=now, tz=tz) for row in rows]
    return render_template("desk/skip.html", form=form, lines=lines, back=back)

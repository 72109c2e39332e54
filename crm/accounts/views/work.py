"""The bell and the progress of long work."""

from uuid import UUID

from flask import g, render_template, request, url_for
from flask import redirect as lead_to
from flask.typing import ResponseReturnValue

from crm.accounts import places, queries
from crm.accounts.guards import any_role, current_actor
from crm.accounts.kinds import ProgressState
from crm.accounts.models import Progress
from crm.accounts.services import notifications as bell
from crm.accounts.services.progress import ENDED
from crm.accounts.signin import local_or
from crm.accounts.views.blueprint import blueprint
from crm.accounts.words import STATES
from crm.web.sessions import current_session, request_now


@blueprint.get("/notifications")
@any_role
def notifications() -> ResponseReturnValue:
    """List one's outcomes, the newest first, and the work that still runs."""
    session, actor = current_session(), current_actor()
    page = queries.notifications(session, actor, after=request.args.get("after"))
    return render_template(
        "accounts/notifications.html",
        lines=[(row, *places.told(row.kind, row.params)) for row in page.items],
        running=[] if request.args.get("after") else [shown(row) for row in queries.running_work(session, actor)],
        next_url=url_for("accounts.notifications", after=page.next) if page.next else None,
    )


@blueprint.get("/notifications/counter")
@any_role
def notification_counter() -> ResponseReturnValue:
    """The bell of the shell with its number, as a partial."""
    return render_template("accounts/_bell.html", **_shell_bell())


@blueprint.post("/notifications/read")
@any_role
def read_notifications() -> ResponseReturnValue:
    """Mark all one's lines as read, or the given one and open what it tells of."""
    session, actor = current_session(), current_actor()
    wanted = request.form.get("id", type=UUID)
    bell.mark_read(session, actor, notification_ids=[wanted] if wanted else None, now=request_now())
    return lead_to(local_or(request.form.get("next"), url_for("accounts.notifications")), code=303)


@blueprint.get("/progress/<uuid:progress_id>")
@any_role
def progress(progress_id: UUID) -> ResponseReturnValue:
    """Show one piece of long work; asked for by htmx it is the bar alone."""
    row = queries.progress(current_session(), current_actor(), progress_id=progress_id)
    template = "accounts/_progress.html" if "HX-Request" in request.headers else "accounts/progress.html"
    return render_template(template, work=shown(row))


def shown(row: Progress) -> dict[str, object]:
    """A piece of long work as templates read it; other domains give it to accounts/_progress.html too."""
    state = ProgressState(row.state)
    return {
        "id": row.id,
        "title": row.title or places.told(row.kind)[1],
        "state": state.value,
        "state_name": STATES[state],
        "done": row.done,
        "failed": row.failed,
        "total": row.total,
        "seconds_left": seconds_left(row),
        "ended": state in ENDED,
        "url": row.url,
        "result": row.result,
        "poll_url": None if state in ENDED else url_for("accounts.progress", progress_id=row.id),
        "created_at": row.created_at,
    }


def seconds_left(row: Progress) -> int | None:
    """How long the rest takes at the pace so far, None while that is a guess (nothing done, or no total)."""
    spent = (row.updated_at - row.created_at).total_seconds()
    if not row.total or not row.done or spent <= 0 or row.done >= row.total:
        return None
    return max(1, round(spent / row.done * (row.total - row.done)))


def _shell_bell() -> dict[str, object]:
    return {"bell_count": queries.unread_notifications(current_session(), g.actor)}

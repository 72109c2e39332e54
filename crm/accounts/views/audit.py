"""The audit log: filters, pages by key, and an export that no spreadsheet takes for formulas."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts import places, queries
from crm.accounts.forms import AuditForm
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.queries import AuditFilter, AuditLine
from crm.accounts.rules import Actor
from crm.accounts.services import audit as service
from crm.accounts.views.blueprint import blueprint
from crm.clock import end_of_day
from crm.errors import InvalidInputError
from crm.web.i18n import _
from crm.web.sessions import current_database, current_session

MOST_EXPORTED = 100_000
FILTERS = ("who", "action", "since", "until", "object")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


@blueprint.get("/settings/audit")
@requires(Permission.SEE_AUDIT)
def audit() -> ResponseReturnValue:
    """Show the log, the newest first."""
    session, actor = current_session(), current_actor()
    form = _form()
    page = queries.audit_entries(session, actor, narrow=_filter(form, actor), after=request.args.get("after"))
    kept: dict[str, Any] = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    return render_template(
        "settings/audit.html",
        form=form,
        lines=[(line, *places.told(line.entry.action), _changes(line)) for line in page.items],
        next_url=url_for("accounts.audit", **kept, after=page.next) if page.next else None,
        csv_url=url_for("accounts.audit_csv", **kept),
    )


@blueprint.get("/settings/audit.csv")
@requires(Permission.SEE_AUDIT, Permission.EXPORT)
def audit_csv() -> ResponseReturnValue:
    """Export what the filters show, at most the newest 100,000 entries."""
    actor = current_actor()
    narrow = _filter(_form(), actor)
    database = current_database()
    with database.scope(actor.workspace_id) as own:
        own.info["origin"] = current_session().info.get("origin")
        service.record(own, actor, action="audit.exported", object_kind="audit")

    def rows() -> Iterator[str]:
        yield _line("at", "actor", "user", "action", "object_kind", "object_id", "ip", "request_id", "before", "after")
        after, count = None, 0
        while count < MOST_EXPORTED:
            with database.scope(actor.workspace_id) as own:
                page = queries.audit_entries(own, actor, narrow=narrow, after=after, limit=1000)
            for line in page.items:
                yield _csv_row(line)
            after, count = page.next, count + len(page.items)
            if after is None:
                return

    answer = Response(rows(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = "attachment; filename=audit.csv"
    return answer


def plain_cell(value: object) -> str:
    """A cell that a spreadsheet shows and does not compute (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _csv_row(line: AuditLine) -> str:
    entry, detail = line.entry, line.detail
    return _line(
        entry.at.isoformat(),
        entry.actor_kind,
        line.who,
        entry.action,
        entry.object_kind,
        entry.object_id,
        detail.ip if detail else "",
        entry.request_id,
        json.dumps(detail.before, ensure_ascii=False) if detail and detail.before else "",
        json.dumps(detail.after, ensure_ascii=False) if detail and detail.after else "",
    )


def _line(*cells: object) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([plain_cell(cell) for cell in cells])
    return out.getvalue()


def _form() -> AuditForm:
    session, actor = current_session(), current_actor()
    form = AuditForm(request.args, meta={"csrf": False})
    names = sorted(queries.user_names(session, actor).items(), key=lambda row: row[1])
    form.who.choices = [("", _("Everybody")), *((str(user_id), name) for user_id, name in names)]
    form.action.choices = [
        ("", _("Everything")),
        *((code, places.told(code)[1]) for code in queries.audit_actions(session, actor)),
    ]
    return form


def _filter(form: AuditForm, actor: Actor) -> AuditFilter:
    form.validate()
    return AuditFilter(
        user_id=_id(form.who.data),
        action=form.action.data or "",
        object_id=_id(form.object.data),
        since=_begin(form.since.data, actor),
        before=end_of_day(form.until.data, tz=actor.time_zone) if form.until.data else None,
    )


def _begin(day: date | None, actor: Actor) -> datetime | None:
    return end_of_day(day - timedelta(days=1), tz=actor.time_zone) if day else None


def _id(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInputError(_("This filter is not valid."), code="bad_filter") from error


def _changes(line: AuditLine) -> list[tuple[str, object, object]]:
    """(field, before, after) of what an entry changed."""
    if line.detail is None:
        return []
    before, after = line.detail.before, line.detail.after
    return [(name, before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])]

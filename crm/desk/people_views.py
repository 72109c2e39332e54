"""Saved views of the list of people: kept from an address, changed, shared, made the default, deleted."""

from collections.abc import Mapping
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.services import ViewInput
from crm.desk import people_columns, people_filter
from crm.desk.people_query import FILTERS, address_of
from crm.errors import AppError, InvalidInputError
from crm.filters.schema import RuleError
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("people_views", __name__)


def checked_args(given: Mapping[str, str]) -> dict[str, str]:
    """What a view keeps of an address; raises `InvalidInputError` for a filter that can't be read."""
    args = {key: given[key] for key in FILTERS if given.get(key)}
    try:
        people_filter.filter_of(current_session(), current_actor(), text=args.get("rule", ""))
    except RuleError as error:
        sentence = str(error.problems[0].message)
        raise InvalidInputError(sentence, fields={"rule": sentence}) from error
    return args


@blueprint.get("/contacts/views")
@requires(Permission.VIEW_OWN)
def index() -> str:
    """All views that one may read."""
    return _page()


@blueprint.post("/contacts/views")
@requires(Permission.VIEW_OWN)
def create() -> ResponseReturnValue:
    """Keep the filters, the order and the columns of the list under a name."""
    session, actor = current_session(), current_actor()
    try:
        data = ViewInput(
            name=request.form.get("name", ""),
            is_shared=bool(request.form.get("is_shared")),
            args=checked_args(request.form),
            columns=people_columns.columns_of(g.get("user"), own=people_columns.own_fields()),
        )
        row = services.create_view(session, actor, data=data, now=request_now())
    except AppError as error:
        return _page(error), error.status
    flash(_("The view is saved."), "ok")
    return redirect(url_for("people.index", view=row.id), code=303)


@blueprint.post("/contacts/views/<uuid:view_id>/save")
@requires(Permission.VIEW_OWN)
def save(view_id: UUID) -> ResponseReturnValue:
    """Let a view say what the changed address says now."""
    session, actor = current_session(), current_actor()
    row = queries.saved_view(session, actor, view_id=view_id)
    try:
        data = ViewInput(name=row.name, is_shared=row.is_shared, args=checked_args(request.form), columns=row.columns)
        services.change_view(session, actor, view_id=view_id, data=data, now=request_now())
    except AppError as error:
        return _page(error), error.status
    flash(_("The view is saved."), "ok")
    return redirect(url_for("people.index", view=view_id), code=303)


@blueprint.post("/contacts/views/<uuid:view_id>")
@requires(Permission.VIEW_OWN)
def change(view_id: UUID) -> ResponseReturnValue:
    """Give a view another name, share it or take it back."""
    session, actor = current_session(), current_actor()
    row = queries.saved_view(session, actor, view_id=view_id)
    try:
        data = ViewInput(
            name=request.form.get("name", ""),
            is_shared=bool(request.form.get("is_shared")),
            args=row.args,
            columns=row.columns,
        )
        services.change_view(session, actor, view_id=view_id, data=data, now=request_now())
    except AppError as error:
        return _page(error), error.status
    flash(_("The view is saved."), "ok")
    return redirect(url_for(".index"), code=303)


@blueprint.post("/contacts/views/<uuid:view_id>/default")
@requires(Permission.VIEW_OWN)
def make_default(view_id: UUID) -> ResponseReturnValue:
    """Let the list open with this view, or with everybody again when it does already."""
    session, actor = current_session(), current_actor()
    views = queries.saved_views(session, actor)
    is_default = views.named(view_id) is views.default
    services.set_default_view(session, actor, view_id=None if is_default else view_id)
    flash(_("The list opens with everybody.") if is_default else _("The list opens with this view."), "ok")
    return redirect(url_for(".index"), code=303)


@blueprint.post("/contacts/views/<uuid:view_id>/delete")
@requires(Permission.VIEW_OWN)
def delete(view_id: UUID) -> ResponseReturnValue:
    """Delete a view; the people stay."""
    services.delete_view(current_session(), current_actor(), view_id=view_id)
    flash(_("The view is deleted."), "ok")
    return redirect(url_for(".index"), code=303)


def _page(error: AppError | None = None) -> str:
    session, actor = current_session(), current_actor()
    message = translated(next(iter(error.fields.values()), error.message)) if error else ""
    given = address_of(session, actor, request.form, with_default=False).args if error else {}
    views = queries.saved_views(session, actor)
    return render_template(
        "desk/people_views.html",
        views=views.items,
        may_change={view.id for view in views.items if queries.may_change_view(actor, view=view)},
        may_share=actor.may(Permission.EDIT),
        default_id=views.default.id if views.default else None,
        makers=queries.colleagues(session, actor),
        me=actor.user_id,
        problem=message,
        given=given,
        name=request.form.get("name", "") if error else "",
    )

"""The pages of a list's saved views and of its columns: kept from an address, changed, shared, made the default."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, current_user, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.contacts import queries, services
from crm.contacts.services import ViewInput
from crm.desk.listing import Listing, address_of, id_of
from crm.errors import AppError, ForbiddenError
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now


def view_pages(listing: Listing) -> Blueprint:
    """The pages of the views of a list, below its address."""
    blueprint, pages, at = Blueprint(listing.views, __name__), ViewPages(listing), f"{listing.path}/views"
    blueprint.add_url_rule(at, "index", pages.index)
    blueprint.add_url_rule(at, "create", pages.create, methods=["POST"])
    one = f"{at}/<uuid:view_id>"
    blueprint.add_url_rule(one, "change", pages.change, methods=["POST"])
    blueprint.add_url_rule(f"{one}/save", "save", pages.save, methods=["POST"])
    blueprint.add_url_rule(f"{one}/default", "make_default", pages.make_default, methods=["POST"])
    blueprint.add_url_rule(f"{one}/delete", "delete", pages.delete, methods=["POST"])
    return blueprint


def column_pages(listing: Listing) -> Blueprint:
    """Where the columns of a list are chosen."""
    blueprint = Blueprint(listing.columns_at, __name__)
    at = f"{listing.path}/columns"
    blueprint.add_url_rule(at, "choose", ViewPages(listing).choose_columns, methods=["POST"])
    return blueprint


@dataclass(frozen=True)
class ViewPages:
    """What the pages of the views of one list do."""

    listing: Listing

    @requires(Permission.VIEW_OWN)
    def index(self) -> str:
        """All views that one may read."""
        return self._page()

    @requires(Permission.VIEW_OWN)
    def create(self) -> ResponseReturnValue:
        """Keep the filters, the order and the columns of the list under a name."""
        session, actor, listing = current_session(), current_actor(), self.listing
        try:
            data = ViewInput(
                subject=listing.subject,
                name=request.form.get("name", ""),
                is_shared=bool(request.form.get("is_shared")),
                args=listing.checked(session, actor, request.form),
                columns=listing.columns_of(g.get("user"), own=listing.own_fields(session, actor)),
            )
            row = services.create_view(session, actor, data=data, now=request_now())
        except AppError as error:
            return self._page(error), error.status
        flash(_("The view is saved."), "ok")
        return redirect(url_for(listing.index, view=row.id), code=303)

    @requires(Permission.VIEW_OWN)
    def save(self, view_id: UUID) -> ResponseReturnValue:
        """Let a view say what the changed address says now."""
        session, actor, listing = current_session(), current_actor(), self.listing
        row = queries.saved_view(session, actor, view_id=view_id, subject=listing.subject)
        try:
            args = listing.checked(session, actor, request.form)
            data = ViewInput(name=row.name, is_shared=row.is_shared, args=args, columns=row.columns)
            services.change_view(session, actor, view_id=view_id, data=data, now=request_now())
        except AppError as error:
            return self._page(error), error.status
        flash(_("The view is saved."), "ok")
        return redirect(url_for(listing.index, view=view_id), code=303)

    @requires(Permission.VIEW_OWN)
    def change(self, view_id: UUID) -> ResponseReturnValue:
        """Give a view another name, share it or take it back."""
        session, actor = current_session(), current_actor()
        row = queries.saved_view(session, actor, view_id=view_id, subject=self.listing.subject)
        try:
            data = ViewInput(
                name=request.form.get("name", ""),
                is_shared=bool(request.form.get("is_shared")),
                args=row.args,
                columns=row.columns,
            )
            services.change_view(session, actor, view_id=view_id, data=data, now=request_now())
        except AppError as error:
            return self._page(error), error.status
        flash(_("The view is saved."), "ok")
        return redirect(url_for(".index"), code=303)

    @requires(Permission.VIEW_OWN)
    def make_default(self, view_id: UUID) -> ResponseReturnValue:
        """Let the list open with this view, or with everything again when it does already."""
        session, actor, listing = current_session(), current_actor(), self.listing
        views = queries.saved_views(session, actor, subject=listing.subject)
        is_default = views.named(view_id) is views.default
        chosen = None if is_default else view_id
        services.set_default_view(session, actor, view_id=chosen, subject=listing.subject)
        flash(translated(listing.words.opens_with_all) if is_default else _("The list opens with this view."), "ok")
        return redirect(url_for(".index"), code=303)

    @requires(Permission.VIEW_OWN)
    def delete(self, view_id: UUID) -> ResponseReturnValue:
        """Delete a view; what it showed stays."""
        session, actor = current_session(), current_actor()
        queries.saved_view(session, actor, view_id=view_id, subject=self.listing.subject)
        services.delete_view(session, actor, view_id=view_id)
        flash(_("The view is deleted."), "ok")
        return redirect(url_for(".index"), code=303)

    @requires(Permission.VIEW_OWN)
    def choose_columns(self) -> ResponseReturnValue:
        """Keep the columns that somebody chose, for themselves or with the view that is open."""
        session, actor, listing = current_session(), current_actor(), self.listing
        names = listing.labels_of(listing.own_fields(session, actor))
        chosen = [name for name in names if name in request.form.getlist("column")]
        user = current_user()
        if request.form.get("view"):
            return self._of_view(chosen)
        user.list_columns = {**(user.list_columns or {}), listing.subject.value: chosen}
        return redirect(local_or(request.form.get("back"), url_for(listing.index)), code=303)

    def _of_view(self, chosen: list[str]) -> ResponseReturnValue:
        """Keep the columns with the view that is open; who may not change it is told so."""
        session, actor, listing = current_session(), current_actor(), self.listing
        row = queries.saved_view(session, actor, view_id=id_of(request.form["view"]), subject=listing.subject)
        data = ViewInput(name=row.name, is_shared=row.is_shared, args=row.args, columns=chosen)
        try:
            services.change_view(session, actor, view_id=row.id, data=data, now=request_now())
        except ForbiddenError as error:
            flash(translated(error.message), "wait")
        return redirect(url_for(listing.index, view=row.id), code=303)

    def _page(self, error: AppError | None = None) -> str:
        session, actor, listing = current_session(), current_actor(), self.listing
        message = translated(next(iter(error.fields.values()), error.message)) if error else ""
        asked = address_of(session, actor, request.form, listing=listing, with_default=False) if error else None
        views = queries.saved_views(session, actor, subject=listing.subject)
        return render_template(
            "desk/views.html",
            listing=listing,
            views=views.items,
            may_change={view.id for view in views.items if queries.may_change_view(actor, view=view)},
            may_share=actor.may(Permission.EDIT),
            default_id=views.default.id if views.default else None,
            makers=queries.colleagues(session, actor),
            me=actor.user_id,
            problem=message,
            given=asked.args if asked else {},
        )

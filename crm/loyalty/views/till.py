"""The till: look at a code, redeem it, undo it."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from crm.accounts import queries as accounts
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.db import new_id
from crm.errors import AppError
from crm.loyalty import queries, services
from crm.loyalty.errors import RefusedError
from crm.loyalty.forms import TillForm
from crm.loyalty.rules.offers import Refusal
from crm.loyalty.services import TillCheck
from crm.loyalty.views.blueprint import blueprint
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now

SHOWN_FOR = timedelta(hours=12)
"""How far back the till lists what was just done: a working day."""


@blueprint.get("/till")
@requires(Permission.REDEEM)
def till() -> ResponseReturnValue:
    """The till, waiting for a code."""
    return _page(TillForm(formdata=None))


@blueprint.post("/till")
@requires(Permission.REDEEM)
def look_up() -> ResponseReturnValue:
    """Show whose code it is, what it gives, or why it gives nothing."""
    form = TillForm()
    is_valid = form.validate_on_submit()
    return _looked_up(form, status=200 if is_valid else 422)


@blueprint.post("/till/redeem")
@requires(Permission.REDEEM)
def redeem_at_till() -> ResponseReturnValue:
    """Redeem the code."""
    form = TillForm()
    if not form.validate_on_submit():
        return _looked_up(form, status=422)
    session, actor, now = current_session(), current_actor(), request_now()
    try:
        done = services.redeem(
            session,
            actor,
            code=str(form.code.data),
            idempotency_key=f"till:{form.key.data or new_id()}",
            purchase_minor=form.purchase.data,
            now=now,
        )
    except RefusedError as error:
        if error.reason in {Refusal.UNREADABLE, Refusal.UNKNOWN}:
            return _page(form, TillCheck(code=str(form.code.data), refusal=error.reason)), error.status
        # The reason takes its place between the holder and the offer.
        return _page(form, replace(_seen(form), refusal=error.reason)), error.status
    except AppError as error:
        form.code.errors = [translated(error.message)]
        return _page(form), error.status
    undo_url = url_for("loyalty.undo_at_till", redemption_id=done.id)
    flash({"text": _("Redeemed."), "undo_url": undo_url}, "ok")  # pyright: ignore[reportArgumentType]
    return redirect(url_for("loyalty.till"), code=303)


@blueprint.post("/till/undo/<uuid:redemption_id>")
@requires(Permission.REDEEM)
def undo_at_till(redemption_id: UUID) -> ResponseReturnValue:
    """Take a redemption back."""
    services.undo_redemption(current_session(), current_actor(), redemption_id=redemption_id, now=request_now())
    flash(_("Undone: the code is good again."), "ok")
    return redirect(url_for("loyalty.till"), code=303)


def _looked_up(form: TillForm, *, status: int) -> ResponseReturnValue:
    """The till with what the typed code gives; a wrong sum is told beside its field, with the holder still there."""
    if form.code.errors:
        return _page(form), status
    try:
        seen = _seen(form)
    except AppError as error:
        form.code.errors = [translated(error.message)]
        return _page(form), error.status
    return _page(form, seen), status


def _seen(form: TillForm) -> TillCheck:
    return services.check_code(
        current_session(),
        current_actor(),
        code=str(form.code.data),
        purchase_minor=form.purchase.data,
        now=request_now(),
    )


def _page(form: TillForm, seen: TillCheck | None = None) -> str:
    session, actor, now = current_session(), current_actor(), request_now()
    # A key of its own for each look: pressing the button twice redeems once, another sum is another request.
    form.key.data = str(new_id())
    return render_template(
        "till/till.html",
        form=form,
        seen=seen,
        done=queries.recent_redemptions(session, actor, since=now - SHOWN_FOR),
        till_place=accounts.workspace(session, actor).name,
        home_url="/" if actor.may(Permission.VIEW_OWN) else "/till",
    )

"""Members: the list, one member's statement, and points given by hand."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.db import new_id
from crm.errors import AppError, InvalidInputError, worded
from crm.loyalty import queries, services
from crm.loyalty.forms import PointsForm
from crm.loyalty.views.blueprint import blueprint
from crm.web.formats import number
from crm.web.i18n import _, ngettext, translated
from crm.web.sessions import current_session, request_now


@blueprint.get("/loyalty/members")
@requires(Permission.VIEW_OWN)
def members() -> ResponseReturnValue:
    """The members with the most points first."""
    session, actor = current_session(), current_actor()
    text = request.args.get("q", "")
    return render_template(
        "loyalty/members.html",
        page=queries.list_members(session, actor, text=text, after=request.args.get("after")),
        text=text,
        program=queries.default_program(session, actor),
    )


@blueprint.get("/loyalty/members/<uuid:member_id>")
@requires(Permission.VIEW_OWN)
def member(member_id: UUID) -> ResponseReturnValue:
    """What a member has and how it came."""
    return _member_page(member_id, PointsForm(key=str(new_id())))


@blueprint.post("/loyalty/members")
@requires(Permission.EDIT)
def join() -> ResponseReturnValue:
    """Make a contact a member."""
    contact_id = _id(request.form.get("contact_id"))
    services.join(current_session(), current_actor(), contact_id=contact_id, now=request_now())
    flash(_("Welcome to the programme: points count from now on."), "ok")
    return redirect(_back(contact_id), code=303)


@blueprint.post("/loyalty/members/<uuid:member_id>/leave")
@requires(Permission.EDIT)
def leave(member_id: UUID) -> ResponseReturnValue:
    """End a membership."""
    services.leave(current_session(), current_actor(), member_id=member_id, now=request_now())
    flash(_("The membership has ended; the points stay."), "ok")
    return redirect(url_for("loyalty.member", member_id=member_id), code=303)


@blueprint.post("/loyalty/members/<uuid:member_id>/points")
@requires(Permission.ADJUST_POINTS)
def give_points(member_id: UUID) -> ResponseReturnValue:
    """Give points, or take some away, for a reason."""
    session, actor, form = current_session(), current_actor(), PointsForm()
    if form.validate_on_submit():
        points = int(form.points.data or 0)
        given = {
            "member_id": member_id,
            "points": points,
            "reason": str(form.reason.data),
            "idempotency_key": f"page:{form.key.data}",
            "now": request_now(),
        }
        try:
            if points < 0:
                services.adjust(session, actor, **given)
            else:
                services.earn(session, actor, **given)
        except AppError as error:
            form.absorb(error)
        else:
            flash(_said(points), "ok")
            standing = queries.member_standing(session, actor, member_id=member_id, now=request_now())
            from_card = request.form.get("from") == "contact" and standing.contact_id is not None
            here = url_for("loyalty.member", member_id=member_id)
            return redirect(_back(standing.contact_id) if from_card and standing.contact_id else here, code=303)
    return _member_page(member_id, form), 422


@blueprint.post("/loyalty/entries/<uuid:entry_id>/reverse")
@requires(Permission.ADJUST_POINTS)
def reverse(entry_id: UUID) -> ResponseReturnValue:
    """Take one movement back."""
    try:
        entry = services.reverse(
            current_session(),
            current_actor(),
            entry_id=entry_id,
            reason="",
            # A movement is taken back whole from the page, so once is all.
            idempotency_key=f"page:reverse:{entry_id}",
            now=request_now(),
        )
    except AppError as error:
        if error.status == 404:  # noqa: PLR2004 - an unknown entry is no refusal.
            raise
        flash(translated(error.message), "bad")
        return redirect(url_for("loyalty.members"), code=303)
    flash(_("Taken back."), "ok")
    return redirect(url_for("loyalty.member", member_id=entry.member_id), code=303)


def _said(points: int) -> str:
    if points < 0:
        return ngettext("%(n)s point taken away.", "%(n)s points taken away.", -points, n=number(-points))
    return ngettext("%(n)s point given.", "%(n)s points given.", points, n=number(points))


def _member_page(member_id: UUID, form: PointsForm) -> str:
    session, actor, now = current_session(), current_actor(), request_now()
    standing = queries.member_standing(session, actor, member_id=member_id, now=now)
    contact = contacts.contact(session, actor, contact_id=standing.contact_id) if standing.contact_id else None
    return render_template(
        "loyalty/member.html",
        standing=standing,
        contact=contact,
        page=queries.statement(session, actor, member_id=member_id, after=request.args.get("after")),
        vouchers=queries.vouchers_of(session, actor, contact_id=contact.id, now=now) if contact else [],
        form=form,
    )


def _back(contact_id: UUID) -> str:
    return f"/contacts/{contact_id}"


def _id(value: str | None) -> UUID:
    try:
        return UUID(value or "")
    except ValueError as error:
        sentence = worded("Choose a person.")
        raise InvalidInputError(sentence, fields={"contact_id": sentence}) from error

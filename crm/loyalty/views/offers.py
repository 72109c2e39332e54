"""Offers: the list, one offer with its figures, the form, withdrawing, and giving one to a person."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.contacts import queries as contacts
from crm.errors import AppError, InvalidInputError, worded
from crm.loyalty import queries, services
from crm.loyalty.forms import GiveForm, OfferForm
from crm.loyalty.views.blueprint import blueprint, qr
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now


@blueprint.get("/loyalty/offers")
@requires(Permission.VIEW_OWN)
def offers() -> ResponseReturnValue:
    """The offers, newest first."""
    page = queries.list_offers(current_session(), current_actor(), after=request.args.get("after"), now=request_now())
    return render_template("loyalty/offers.html", page=page)


@blueprint.get("/loyalty/offers/new")
@requires(Permission.MANAGE_LOYALTY)
def offer_form() -> ResponseReturnValue:
    """Write an offer; `next` is the page that wants it, and gets its id."""
    return render_template("loyalty/offer_form.html", form=OfferForm(), offer=None, next=_next())


def _next() -> str | None:
    return local_or(request.args.get("next"), "").partition("?")[0] or None


@blueprint.post("/loyalty/offers/new")
@requires(Permission.MANAGE_LOYALTY)
def create_offer() -> ResponseReturnValue:
    """Make the offer."""
    form = OfferForm()
    if form.validate_on_submit():
        try:
            offer = services.create_offer(current_session(), current_actor(), data=form.input(), now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            if wanted_by := _next():
                flash(_("The offer is ready."), "ok")
                return redirect(f"{wanted_by}?offer_id={offer.id}", code=303)
            flash(_("The offer is ready: give it to somebody, or take it into a campaign."), "ok")
            return redirect(url_for("loyalty.offer", offer_id=offer.id), code=303)
    return render_template("loyalty/offer_form.html", form=form, offer=None, next=_next()), 422


@blueprint.get("/loyalty/offers/<uuid:offer_id>")
@requires(Permission.VIEW_OWN)
def offer(offer_id: UUID) -> ResponseReturnValue:
    """One offer and what came of it."""
    session, actor = current_session(), current_actor()
    return render_template(
        "loyalty/offer.html",
        offer=queries.offer(session, actor, offer_id=offer_id, now=request_now()),
        report=queries.offer_report(session, actor, offer_id=offer_id),
        redemptions=queries.redemptions_of_offer(session, actor, offer_id=offer_id),
    )


@blueprint.get("/loyalty/offers/<uuid:offer_id>/edit")
@requires(Permission.MANAGE_LOYALTY)
def edit_offer(offer_id: UUID) -> ResponseReturnValue:
    """Change an offer."""
    view = queries.offer(current_session(), current_actor(), offer_id=offer_id, now=request_now())
    return render_template("loyalty/offer_form.html", form=OfferForm.of(view), offer=view)


@blueprint.post("/loyalty/offers/<uuid:offer_id>/edit")
@requires(Permission.MANAGE_LOYALTY)
def save_offer(offer_id: UUID) -> ResponseReturnValue:
    """Store the changed offer."""
    session, actor, form = current_session(), current_actor(), OfferForm()
    if form.validate_on_submit():
        try:
            services.update_offer(session, actor, offer_id=offer_id, data=form.input(), now=request_now())
        except AppError as error:
            if error.status == NotFound.code:
                raise
            form.absorb(error)
        else:
            flash(_("The offer is saved."), "ok")
            return redirect(url_for("loyalty.offer", offer_id=offer_id), code=303)
    view = queries.offer(session, actor, offer_id=offer_id, now=request_now())
    return render_template("loyalty/offer_form.html", form=form, offer=view), 422


@blueprint.post("/loyalty/offers/<uuid:offer_id>/withdraw")
@requires(Permission.MANAGE_LOYALTY)
def withdraw_offer(offer_id: UUID) -> ResponseReturnValue:
    """End an offer and its codes."""
    services.withdraw_offer(current_session(), current_actor(), offer_id=offer_id, now=request_now())
    flash(_("The offer is withdrawn: its codes work no more, and messages that carry one will not leave."), "ok")
    return redirect(url_for("loyalty.offer", offer_id=offer_id), code=303)


@blueprint.get("/loyalty/give/<uuid:contact_id>")
@requires(Permission.WRITE)
def give_form(contact_id: UUID) -> ResponseReturnValue:
    """Choose an offer for one person."""
    return _give_page(contact_id, GiveForm(contact_id=str(contact_id)))


@blueprint.post("/loyalty/give")
@requires(Permission.WRITE)
def give_offer() -> ResponseReturnValue:
    """Give one person an offer: an active code at once."""
    form = GiveForm()
    try:
        contact_id = UUID(form.contact_id.data or "")
    except ValueError as error:
        raise InvalidInputError(worded("Choose a person.")) from error
    if form.validate_on_submit():
        try:
            voucher = services.give_offer(
                current_session(),
                current_actor(),
                offer_id=_offer_id(form),
                contact_id=contact_id,
                now=request_now(),
            )
        except AppError as error:
            form.offer_id.errors = [translated(error.message)]
        else:
            flash(_("The offer is given; here is its code."), "ok")
            return redirect(url_for("loyalty.voucher", contact_id=contact_id, voucher_id=voucher.id), code=303)
    return _give_page(contact_id, form), 422


@blueprint.get("/loyalty/vouchers/<uuid:contact_id>/<uuid:voucher_id>")
@requires(Permission.VIEW_OWN)
def voucher(contact_id: UUID, voucher_id: UUID) -> ResponseReturnValue:
    """A person's code to show, say or copy."""
    session, actor = current_session(), current_actor()
    contact = contacts.contact(session, actor, contact_id=contact_id)
    held = queries.vouchers_of(session, actor, contact_id=contact_id, now=request_now())
    found = next((row for row in held if row.id == voucher_id), None)
    if found is None:
        raise NotFound
    return render_template("loyalty/voucher.html", contact=contact, voucher=found, drawn=qr(found.code))


def _offer_id(form: GiveForm) -> UUID:
    try:
        return UUID(form.offer_id.data or "")
    except ValueError as error:
        raise InvalidInputError(worded("Choose an offer.")) from error


def _give_page(contact_id: UUID, form: GiveForm) -> str:
    session, actor, now = current_session(), current_actor(), request_now()
    contact = contacts.contact(session, actor, contact_id=contact_id)
    choices = queries.givable_offers(session, actor, now=now)
    form.offer_id.choices = [(str(row.id), row.name) for row in choices]
    return render_template("loyalty/give.html", contact=contact, form=form, offers=choices)

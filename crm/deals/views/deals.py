"""Making, changing, deleting a deal, and its facts."""

from uuid import UUID

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.contacts.inputs import parsed
from crm.deals import queries, services, words
from crm.deals.forms import PARTS, DealForm, NewDealForm, as_id
from crm.deals.kinds import StageKind
from crm.deals.models import Deal
from crm.deals.services import DealConflictError, NewDealInput
from crm.deals.views.blueprint import blueprint, house, is_partial
from crm.deals.views.linking import offer_companies, offer_people
from crm.errors import AppError
from crm.web.formats import day, money
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


def to_deal(deal_id: UUID) -> Response:
    """To the page of the deal."""
    return redirect(url_for("deal_page.show", deal_id=deal_id), 303)


def _new_page(form: NewDealForm) -> str:
    session, actor = current_session(), current_actor()
    form.offer(contacts.colleagues(session, actor), currency=house().currency)
    names = {row.id: row.name for row in queries.pipelines(session, actor)}
    rows = [row for row in queries.stages(session, actor) if row.kind == StageKind.OPEN and row.pipeline_id in names]
    form.stage_id.choices = [
        (str(row.id), row.name if len(names) == 1 else f"{names[row.pipeline_id]}: {row.name}") for row in rows
    ]
    offer_people(form.contact_id)
    offer_companies(form.company_id)
    return render_template("deals/form.html", form=form, deal=None, theirs={}, has_pipeline=bool(rows))


@blueprint.get("/deals/new")
@requires(Permission.EDIT)
def new() -> str:
    """An empty form; `?contact=`, `?company=` and `?stage=` say with whom and where."""
    session, actor = current_session(), current_actor()
    form = NewDealForm(formdata=None)
    form.owner_id.data = str(actor.user_id or "")
    for field, name in ((form.contact_id, "contact"), (form.company_id, "company"), (form.stage_id, "stage")):
        field.data = request.args.get(name, "")
    if form.contact_id.data:
        contact_id = as_id(form.contact_id.data, "contact_id")
        person = contacts.contact(session, actor, contact_id=contact_id) if contact_id else None
        if person and person.company_id and not form.company_id.data:
            form.company_id.data = str(person.company_id)
    return _new_page(form)


@blueprint.post("/deals/new")
@requires(Permission.EDIT)
def create() -> ResponseReturnValue:
    """Add the deal."""
    session, actor = current_session(), current_actor()
    form = NewDealForm()
    form.offer(contacts.colleagues(session, actor), currency=house().currency)
    if form.validate_on_submit():
        try:
            deal = services.create(session, actor, data=parsed(NewDealInput, form.input()), now=request_now())
        except AppError as error:
            absorb(form, error)
        else:
            return to_deal(deal.id)
    return _new_page(form), 422


def absorb(form: DealForm, error: AppError) -> None:
    """Show a refusal of a service beside the fields of the form, whose amount has another name."""
    names = {"amount_minor": "amount", "company_ids": "company_id"}
    error.fields = {names.get(name, name): text for name, text in error.fields.items()}
    form.absorb(error)


def _theirs(error: DealConflictError, deal: Deal) -> dict[str, str]:
    """What somebody else wrote meanwhile, by label."""
    names = contacts.colleagues(current_session(), current_actor())
    told = {
        "title": deal.title,
        "amount_minor": money(deal.amount_minor, deal.currency),
        "currency": deal.currency,
        "closes_on": day(deal.closes_on),
        "probability": _("that of its stage") if deal.probability is None else f"{deal.probability}%",
        "owner_id": (names.get(deal.owner_id) if deal.owner_id else None) or _("nobody"),
    }
    labels = words.FIELDS | {"amount_minor": words.FIELDS["amount"], "currency": words.FIELDS["amount"]}
    return {str(labels[field]): told[field] for field in error.theirs}


@blueprint.get("/deals/<uuid:deal_id>/edit")
@requires(Permission.EDIT)
def edit(deal_id: UUID) -> str:
    """The whole deal in one form."""
    session, actor = current_session(), current_actor()
    deal = queries.deal(session, actor, deal_id=deal_id)
    form = DealForm(formdata=None).show(deal)
    form.offer(contacts.colleagues(session, actor), currency=house().currency)
    return render_template("deals/form.html", form=form, deal=deal, theirs={}, has_pipeline=True)


@blueprint.post("/deals/<uuid:deal_id>/edit")
@requires(Permission.EDIT)
def save(deal_id: UUID) -> ResponseReturnValue:
    """Save what differs; where somebody else changed the same meanwhile, ask."""
    form = DealForm()
    deal, theirs, is_saved = _saved(deal_id, form)
    if is_saved:
        return to_deal(deal_id)
    answer = render_template("deals/form.html", form=form, deal=deal, theirs=theirs, has_pipeline=True)
    return answer, 409 if theirs else 422


def _saved(deal_id: UUID, form: DealForm) -> tuple[Deal, dict[str, str], bool]:
    """Save the form's fields: the deal as it stands, what somebody else wrote meanwhile, and whether it was saved."""
    session, actor = current_session(), current_actor()
    deal = queries.deal(session, actor, deal_id=deal_id)
    if "currency" in form and "owner_id" in form:
        form.offer(contacts.colleagues(session, actor), currency=house().currency)
    theirs: dict[str, str] = {}
    if form.validate_on_submit():
        try:
            changes, seen = form.changes(), form.was_seen()
            services.update(session, actor, deal_id=deal_id, changes=changes, seen=seen, now=request_now())
        except DealConflictError as error:
            theirs = _theirs(error, deal)
            form.look_at(deal)
        except AppError as error:
            absorb(form, error)
        else:
            return deal, {}, True
    return deal, theirs, False


@blueprint.get("/deals/<uuid:deal_id>/facts/<part>")
@requires(Permission.EDIT)
def edit_fact(deal_id: UUID, part: str) -> str:
    """The control of one fact; by htmx in place of the value, else as a small page."""
    if part not in PARTS:
        abort(404)
    session, actor = current_session(), current_actor()
    deal = queries.deal(session, actor, deal_id=deal_id)
    if request.args.get("shown"):
        return _fact(deal_id, part)
    form = DealForm(formdata=None).show(deal)
    form.offer(contacts.colleagues(session, actor), currency=house().currency).keep(part)
    return _fact_page(form, deal, part, {})


@blueprint.post("/deals/<uuid:deal_id>/facts/<part>")
@requires(Permission.EDIT)
def save_fact(deal_id: UUID, part: str) -> ResponseReturnValue:
    """Save one fact."""
    if part not in PARTS:
        abort(404)
    session, actor = current_session(), current_actor()
    form = DealForm().offer(contacts.colleagues(session, actor), currency=house().currency).keep(part)
    deal, theirs, is_saved = _saved(deal_id, form)
    if not is_saved:
        return _fact_page(form, deal, part, theirs), 409 if theirs else 422
    return _fact(deal_id, part) if is_partial() else to_deal(deal_id)


def _fact_page(form: DealForm, deal: Deal, part: str, theirs: dict[str, str]) -> str:
    template = "deals/_fact_form.html" if is_partial() else "deals/fact.html"
    return render_template(
        template, form=form, deal=deal, part=part, parts=PARTS[part], label=words.FIELDS[part], theirs=theirs
    )


def _fact(deal_id: UUID, part: str) -> str:
    session, actor = current_session(), current_actor()
    card = queries.card(session, actor, deal_id=deal_id, now=request_now())
    return render_template("deals/_fact.html", card=card, part=part, may_edit=True)


@blueprint.post("/deals/<uuid:deal_id>/delete")
@requires(Permission.EDIT)
def delete(deal_id: UUID) -> Response:
    """Take the deal off boards and totals."""
    deal = services.delete(current_session(), current_actor(), deal_id=deal_id, now=request_now())
    undo_url = url_for(".restore", deal_id=deal_id)
    flash({"text": _("“%(title)s” was deleted.", title=deal.title), "undo_url": undo_url}, "ok")  # type: ignore[arg-type]
    return redirect(url_for(".board", pipeline=deal.pipeline_id), 303)


@blueprint.post("/deals/<uuid:deal_id>/restore")
@requires(Permission.EDIT)
def restore(deal_id: UUID) -> Response:
    """Bring a deleted deal back."""
    services.restore(current_session(), current_actor(), deal_id=deal_id, now=request_now())
    return to_deal(deal_id)

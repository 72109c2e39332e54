"""Pages of addresses: adding, preferring, renaming, removing, and finding out whose one is."""

from typing import Any, Final
from uuid import UUID

from flask import current_app, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.base import ChannelKind
from crm.contacts import queries, services
from crm.contacts.forms import AddressForm, HandleForm, OwnerForm
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Handle
from crm.contacts.views.blueprint import blueprint
from crm.contacts.words import CHANNEL_ICONS, CHANNEL_LABELS, STATE_LABELS
from crm.errors import AppError
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

#: The page that puts two people together.
MERGE: Final = "lifecycle.compare"


def _to_owner(handle: Handle) -> Response:
    if handle.company_id is not None:
        return redirect(url_for(".new_company_handle", company_id=handle.company_id), 303)
    if handle.contact_id is not None:
        return redirect(url_for(".new_handle", contact_id=handle.contact_id), 303)
    return redirect(url_for(".strangers"), 303)


@blueprint.get("/contacts/<uuid:contact_id>/handles")
@requires(Permission.EDIT)
def new_handle(contact_id: UUID) -> str:
    """The addresses of a person and a form for one more."""
    return _handles_page(_empty(), contact_id=contact_id)


@blueprint.post("/contacts/<uuid:contact_id>/handles")
@requires(Permission.EDIT)
def add_handle(contact_id: UUID) -> Response | tuple[str, int]:
    """Add an address to a person."""
    return _add(url_for("contact_page.show", contact_id=contact_id), contact_id=contact_id)


@blueprint.get("/companies/<uuid:company_id>/handles")
@requires(Permission.EDIT)
def new_company_handle(company_id: UUID) -> str:
    """The addresses of a company, by which its people are reached too, and a form for one more."""
    return _handles_page(_empty(), company_id=company_id)


@blueprint.post("/companies/<uuid:company_id>/handles")
@requires(Permission.EDIT)
def add_company_handle(company_id: UUID) -> Response | tuple[str, int]:
    """Add an address to a company."""
    return _add(url_for("company_page.show", company_id=company_id), company_id=company_id)


def _empty() -> HandleForm:
    form = HandleForm(formdata=None)
    wanted = request.args.get("channel", "")
    form.channel.data = wanted if wanted in set(ChannelKind) else ChannelKind.EMAIL.value
    return form


def _add(back: str, **owner: UUID) -> Response | tuple[str, int]:
    form, taken = HandleForm(), None
    if form.validate_on_submit():
        try:
            services.add_handle(
                current_session(),
                current_actor(),
                **owner,  # pyright: ignore[reportArgumentType] - contact_id or company_id.
                channel=ChannelKind(form.channel.data),
                address=form.address.data or "",
                label=(form.label.data or "").strip(),
                is_primary=bool(form.is_primary.data),
                now=request_now(),
            )
        except AppError as error:
            taken = error if isinstance(error, services.HandleTakenError) else None
            form.absorb(error)
        else:
            return redirect(back, 303)
    return _handles_page(form, taken=taken, **owner), 422


def _handles_page(
    form: HandleForm,
    *,
    contact_id: UUID | None = None,
    company_id: UUID | None = None,
    taken: services.HandleTakenError | None = None,
) -> str:
    session, actor = current_session(), current_actor()
    if contact_id is not None:
        name = queries.contact(session, actor, contact_id=contact_id).display_name
        handles = queries.handles_of(session, actor, contact_ids=[contact_id]).get(contact_id, [])
        back, post = url_for("contact_page.show", contact_id=contact_id), url_for(".add_handle", contact_id=contact_id)
    elif company_id is not None:
        name = queries.company(session, actor, company_id=company_id).name
        handles = queries.handles_of(session, actor, company_id=company_id).get(company_id, [])
        back = url_for("company_page.show", company_id=company_id)
        post = url_for(".add_company_handle", company_id=company_id)
    else:
        raise ValueError("an address is a person's or a company's")
    return render_template(
        "contacts/handles.html",
        form=form,
        name=name,
        back=back,
        post=post,
        handles=handles,
        earlier=queries.earlier_addresses(session, actor, handle_ids=[row.id for row in handles]),
        states=STATE_LABELS,
        **holder(taken, contact_id),
    )


def holder(taken: services.HandleTakenError | None, contact_id: UUID | None) -> dict[str, Any]:
    """Where a page leads from a taken address: to who has it, and to merging with them."""
    if taken is None:
        return {"held_by": None, "merge": None}
    held_by = merge = None
    if taken.contact_id is not None:
        held_by = url_for("contact_page.show", contact_id=taken.contact_id)
        # Merging belongs to a domain above this one, which may not be there.
        if contact_id is not None and MERGE in current_app.view_functions and current_actor().may(Permission.MERGE):
            merge = url_for(MERGE, contact_id=contact_id, other_id=taken.contact_id)
    elif taken.company_id is not None:
        held_by = url_for("company_page.show", company_id=taken.company_id)
    return {"held_by": held_by, "merge": merge}


@blueprint.get("/handles/<uuid:handle_id>")
@requires(Permission.EDIT)
def edit_handle(handle_id: UUID) -> str:
    """One address: renamed, its history stays."""
    row = queries.handle(current_session(), current_actor(), handle_id=handle_id)
    return _edit_page(AddressForm(formdata=None, data={"address": row.address, "label": row.label}), row)


@blueprint.post("/handles/<uuid:handle_id>")
@requires(Permission.EDIT)
def change_handle(handle_id: UUID) -> Response | tuple[str, int]:
    """Save the new address and label of the same account."""
    session, actor, form, taken = current_session(), current_actor(), AddressForm(), None
    row = queries.handle(session, actor, handle_id=handle_id)
    if form.validate_on_submit():
        label = (form.label.data or "").strip()
        try:
            services.rename_handle(
                session, actor, handle_id=handle_id, address=form.address.data or "", label=label, now=request_now()
            )
        except AppError as error:
            taken = error if isinstance(error, services.HandleTakenError) else None
            form.absorb(error)
        else:
            return _to_owner(row)
    return _edit_page(form, row, taken=taken), 422


def _edit_page(form: AddressForm, row: Handle, *, taken: services.HandleTakenError | None = None) -> str:
    back = _to_owner(row).headers["Location"]
    found = queries.earlier_addresses(current_session(), current_actor(), handle_ids=[row.id])
    return render_template(
        "contacts/handle.html",
        form=form,
        row=row,
        back=back,
        earlier=found.get(row.id, []),
        channel=CHANNEL_LABELS[row.channel],
        **holder(taken, row.contact_id),
    )


@blueprint.post("/handles/<uuid:handle_id>/primary")
@requires(Permission.EDIT)
def make_primary(handle_id: UUID) -> Response:
    """Use this address of its channel first."""
    row = services.make_primary(current_session(), current_actor(), handle_id=handle_id, now=request_now())
    return _to_owner(row)


@blueprint.post("/handles/<uuid:handle_id>/remove")
@requires(Permission.EDIT)
def remove_handle(handle_id: UUID) -> Response:
    """Retire an address."""
    row = services.remove_handle(current_session(), current_actor(), handle_id=handle_id, now=request_now())
    flash(_("%(address)s was removed.", address=row.address), "ok")
    return _to_owner(row)


@blueprint.get("/handles/unknown")
@requires(Permission.EDIT)
def strangers() -> str:
    """The addresses that nobody owns yet, with the way to say whose they are."""
    page = queries.strangers(current_session(), current_actor(), after=request.args.get("after"))
    return render_template("contacts/strangers.html", page=page, labels=CHANNEL_LABELS, icons=CHANNEL_ICONS)


@blueprint.post("/handles/<uuid:handle_id>/dismiss")
@requires(Permission.EDIT)
def dismiss_stranger(handle_id: UUID) -> Response:
    """Take an address of nobody off the list."""
    services.dismiss_stranger(current_session(), current_actor(), handle_id=handle_id, now=request_now())
    flash(_("The address is off the list."), "ok")
    return redirect(url_for(".strangers"), 303)


@blueprint.get("/handles/<uuid:handle_id>/owner")
@requires(Permission.EDIT)
def ask_owner(handle_id: UUID) -> Response | str:
    """Whose is it: somebody who is known, or a new person."""
    row = queries.handle(current_session(), current_actor(), handle_id=handle_id)
    if row.contact_id is not None or row.company_id is not None:
        return _to_owner(row)
    return _owner_page(OwnerForm(formdata=None), row, [])


@blueprint.post("/handles/<uuid:handle_id>/owner")
@requires(Permission.EDIT)
def set_owner(handle_id: UUID) -> Response | tuple[str, int]:
    """Give the address, and its history, to the person found by name, or to a new one."""
    session, actor, now, form = current_session(), current_actor(), request_now(), OwnerForm()
    row = queries.handle(session, actor, handle_id=handle_id)
    found: list[queries.SearchHit] = []
    if row.contact_id is not None or row.company_id is not None:
        return _to_owner(row)
    if form.validate_on_submit():
        name = (form.other.data or "").strip()
        hits = queries.search(session, actor, text=name, limit=8)
        found = [hit for hit in hits if hit.kind is queries.HitKind.CONTACT]
        chosen = request.form.get("other_id", "")
        picked = next((hit.id for hit in found if str(hit.id) == chosen), None)
        if "new" in request.form:
            first, _space, last = name.partition(" ")
            data = services.parsed(services.ContactInput, {"first_name": first, "last_name": last})
            picked = services.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now).id
        elif picked is None and len(found) == 1:
            picked = found[0].id
        if picked is not None:
            services.link_handle(session, actor, handle_id=handle_id, contact_id=picked, now=now)
            return redirect(url_for("contact_page.show", contact_id=picked), 303)
        sentence = _("Choose which one you mean.") if found else _("Nobody is called so.")
        form.other.errors = [*form.other.errors, sentence]
    return _owner_page(form, row, found), 422


def _owner_page(form: OwnerForm, row: Handle, found: list[queries.SearchHit]) -> str:
    if not form.other.data:
        form.other.data = row.display_name
    return render_template("contacts/owner.html", form=form, row=row, found=found, channel=CHANNEL_LABELS[row.channel])

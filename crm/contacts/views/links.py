"""Pages of links between people: adding and forgetting one."""

from uuid import UUID

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.forms import LinkForm
from crm.contacts.kinds import LinkKind
from crm.contacts.views.blueprint import blueprint
from crm.contacts.words import LINK_LABELS
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/contacts/<uuid:contact_id>/links")
@requires(Permission.EDIT)
def new_link(contact_id: UUID) -> str:
    """Whom a person knows, and a form for one more."""
    return _links_page(contact_id, LinkForm(formdata=None), [])


@blueprint.post("/contacts/<uuid:contact_id>/links")
@requires(Permission.EDIT)
def add_link(contact_id: UUID) -> Response | tuple[str, int]:
    """Link with the person found by name; several found ones are offered."""
    session, actor, form = current_session(), current_actor(), LinkForm()
    found: list[queries.SearchHit] = []
    if form.validate_on_submit():
        hits = queries.search(session, actor, text=form.other.data or "", limit=8)
        found = [hit for hit in hits if hit.kind is queries.HitKind.CONTACT and hit.id != contact_id]
        chosen = request.form.get("other_id", "")
        picked = next((hit for hit in found if str(hit.id) == chosen), found[0] if len(found) == 1 else None)
        if picked is not None:
            services.link(
                session,
                actor,
                contact_id=contact_id,
                other_id=picked.id,
                kind=LinkKind(form.kind.data),
                now=request_now(),
            )
            return redirect(url_for("contact_page.show", contact_id=contact_id), 303)
        sentence = _("Nobody is called so.") if not found else _("Choose which one you mean.")
        form.other.errors = [*form.other.errors, sentence]
    return _links_page(contact_id, form, found), 422


def _links_page(contact_id: UUID, form: LinkForm, found: list[queries.SearchHit]) -> str:
    session, actor = current_session(), current_actor()
    person = queries.contact(session, actor, contact_id=contact_id)
    links = queries.links_of(session, actor, contact_id=contact_id)
    return render_template(
        "contacts/links.html", form=form, person=person, links=links, found=found, link_labels=LINK_LABELS
    )


@blueprint.post("/contacts/<uuid:contact_id>/links/<uuid:link_id>/remove")
@requires(Permission.EDIT)
def remove_link(contact_id: UUID, link_id: UUID) -> Response:
    """Forget a link."""
    session, actor = current_session(), current_actor()
    queries.contact(session, actor, contact_id=contact_id)
    services.unlink(session, actor, link_id=link_id)
    return redirect(url_for(".new_link", contact_id=contact_id), 303)

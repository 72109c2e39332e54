"""The page that says who sees a person and why, and lets the owner and managers change it."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.words import ROLES
from crm.contacts import queries, services, words
from crm.contacts.models import Contact
from crm.contacts.views.blueprint import blueprint
from crm.errors import AppError, InvalidInputError
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now


@blueprint.get("/contacts/<uuid:contact_id>/access")
@requires(Permission.VIEW_OWN)
def access(contact_id: UUID) -> str:
    """Everybody's right to see this person, with its reason."""
    return _page(queries.contact(current_session(), current_actor(), contact_id=contact_id))


@blueprint.post("/contacts/<uuid:contact_id>/access")
@requires(Permission.EDIT)
def change_access(contact_id: UUID) -> Response | tuple[str, int]:
    """Restrict the person, open them again, or name colleagues."""
    session, actor = current_session(), current_actor()
    person = queries.contact(session, actor, contact_id=contact_id)
    try:
        services.set_access(
            session,
            actor,
            contact_id=contact_id,
            restricted="restricted" in request.form,
            user_ids=_user_ids(request.form.getlist("user")),
            now=request_now(),
        )
    except AppError as error:
        return _page(person, problem=translated(error.message)), error.status
    flash(_("Who sees %(name)s is changed.", name=person.display_name), "ok")
    return redirect(url_for("contact_page.show", contact_id=contact_id), 303)


def _user_ids(values: list[str]) -> list[UUID]:
    try:
        return [UUID(value) for value in values]
    except ValueError:
        raise InvalidInputError(_("This person doesn't work here.")) from None


def _page(person: Contact, *, problem: str = "") -> str:
    session, actor = current_session(), current_actor()
    return render_template(
        "contacts/access.html",
        person=person,
        problem=problem,
        lines=queries.access_of(session, actor, person=person),
        reasons=words.ACCESS_REASONS,
        roles=ROLES,
        me=actor.user_id,
        may_change=queries.may_change_access(actor, person=person),
    )

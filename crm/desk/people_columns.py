"""Which columns the list of people shows: everybody chooses for themselves, and a column not shown is not read."""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from crm.accounts.guards import current_actor, current_user, requires
from crm.accounts.kinds import Permission
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.accounts.signin import local_or
from crm.contacts import queries, services
from crm.contacts.custom_rules import FieldShape
from crm.contacts.custom_words import custom_link
from crm.contacts.kinds import CustomSubject, CustomType
from crm.contacts.view_models import SavedView
from crm.desk.people_query import id_of
from crm.errors import ForbiddenError
from crm.web.i18n import lazy, translated
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("people_columns", __name__)

LIST: Final = "people"

#: Every column behind the name, in the order of the table.
COLUMNS: Final = {
    "company": lazy("Company"),
    "title": lazy("Role"),
    "city": lazy("City"),
    "lifecycle": lazy("Stage"),
    "tags": lazy("Tags"),
    "last": lazy("Last exchange"),
    "warmth": lazy("Warmth"),
    "next": lazy("Next message"),
    "reach": lazy("Reach"),
    "owner": lazy("Owner"),
    "points": lazy("Points"),
    "created": lazy("Added"),
}
USUAL: Final = ("company", "last", "next", "reach", "owner", "points")


#: Own fields whose values stand right, as numbers do.
RIGHT: Final = frozenset({CustomType.NUMBER, CustomType.MONEY})


def own_fields() -> tuple[FieldShape, ...]:
    """The workspace's own fields of people, each a column to choose."""
    return queries.custom_fields(current_session(), current_actor(), subject=CustomSubject.CONTACT)


def labels_of(own: Sequence[FieldShape]) -> dict[str, str]:
    """Every column by its name, own fields (`custom.<key>`) behind the others."""
    return {**COLUMNS, **{field.name: field.label for field in own}}


def columns_of(user: User | None, *, view: SavedView | None = None, own: Sequence[FieldShape] = ()) -> tuple[str, ...]:
    """The columns of the view, those that this person chose, else the usual ones; what is none any more is left out."""
    names = labels_of(own)
    if view is not None and view.columns is not None:
        return tuple(name for name in names if name in view.columns)
    chosen: Collection[str] | None = (user.list_columns or {}).get(LIST) if user is not None else None
    return USUAL if chosen is None else tuple(name for name in names if name in chosen)


def own_cells(
    session: Session, actor: Actor, *, own: Sequence[FieldShape], columns: Collection[str], contact_ids: list[UUID]
) -> dict[UUID, dict[str, str]]:
    """{person: {column: the value as people read it}} of those own fields that are shown."""
    shown = [field for field in own if field.name in columns]
    values = queries.custom_values_of(session, actor, fields=shown, contact_ids=contact_ids)
    names = queries.custom_names(session, actor, values=values.values())
    return {
        contact_id: {field.name: custom_link(field, found.get(field.key), names=names) for field in shown}
        for contact_id, found in values.items()
    }


@blueprint.post("/contacts/columns")
@requires(Permission.VIEW_OWN)
def choose() -> ResponseReturnValue:
    """Keep the choice."""
    chosen = [name for name in labels_of(own_fields()) if name in request.form.getlist("column")]
    user = current_user()
    if request.form.get("view"):
        return _of_view(chosen)
    user.list_columns = {**(user.list_columns or {}), LIST: chosen}
    return redirect(local_or(request.form.get("back"), url_for("people.index")), code=303)


def _of_view(chosen: list[str]) -> ResponseReturnValue:
    """Keep the choice with the view that is open; who may not change it is told so."""
    session, actor = current_session(), current_actor()
    row = queries.saved_view(session, actor, view_id=id_of(request.form["view"]))
    data = services.ViewInput(name=row.name, is_shared=row.is_shared, args=row.args, columns=chosen)
    try:
        services.change_view(session, actor, view_id=row.id, data=data, now=request_now())
    except ForbiddenError as error:
        flash(translated(error.message), "wait")
    return redirect(url_for("people.index", view=row.id), code=303)

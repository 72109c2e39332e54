"""Which columns the list of people shows: everybody chooses for themselves, and a column not shown is not read."""

from collections.abc import Collection
from typing import Final

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_user, requires
from crm.accounts.kinds import Permission
from crm.accounts.models import User
from crm.accounts.signin import local_or
from crm.web.i18n import lazy

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
    "next": lazy("Next message"),
    "reach": lazy("Reach"),
    "owner": lazy("Owner"),
    "points": lazy("Points"),
    "created": lazy("Added"),
}
USUAL: Final = ("company", "last", "next", "reach", "owner", "points")


def columns_of(user: User | None) -> tuple[str, ...]:
    """The columns that this person chose, else the usual ones."""
    chosen: Collection[str] | None = (user.list_columns or {}).get(LIST) if user is not None else None
    return USUAL if chosen is None else tuple(name for name in COLUMNS if name in chosen)


@blueprint.post("/contacts/columns")
@requires(Permission.VIEW_OWN)
def choose() -> ResponseReturnValue:
    """Keep the choice."""
    chosen = [name for name in COLUMNS if name in request.form.getlist("column")]
    user = current_user()
    user.list_columns = {**(user.list_columns or {}), LIST: chosen}
    return redirect(local_or(request.form.get("back"), url_for("people.index")), code=303)

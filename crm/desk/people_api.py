"""REST: saved views of the list of people, and the people of a view."""

from typing import Any
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.api.people import shown_contacts
from crm.contacts.api.shapes import ContactOut
from crm.contacts.services import ViewInput
from crm.contacts.view_models import SavedView
from crm.desk import people_columns, people_filter
from crm.desk.people_columns import own_fields
from crm.desk.people_query import FILTERS, address_of, listed, sort_of, where_of
from crm.desk.people_views import checked_args
from crm.errors import InvalidInputError, worded
from crm.filters.schema import RuleError
from crm.web.api import (
    ApiModel,
    PageQuery,
    answer,
    api_blueprint,
    operation,
    page_answer,
    page_model,
    read_json,
    read_query,
)
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now

blueprint = api_blueprint("people")

_ARGS = (
    "What the address of the list holds: `rule` (JSON of the rule language, as text), `owner` (an id or `me`), `tag`,"
    " `lifecycle`, `importance`, `quiet` (days without an exchange), `segment`, `sort`."
)


class ViewOut(ApiModel):
    id: UUID
    name: str
    is_shared: bool
    user_id: UUID | None = Field(description="Who made it.")
    args: dict[str, Any] = Field(description=_ARGS)
    columns: list[str] | None = Field(description="The columns behind the name; null for those each reader chose.")


class ViewIn(ApiModel):
    name: str = Field(max_length=80)
    is_shared: bool = Field(False, description="Everybody here reads it, each the people whom they may see.")
    args: dict[str, str] = Field({}, description=_ARGS)
    columns: list[str] | None = Field(
        None,
        max_length=120,
        description="Names of columns, `custom.<key>` for own fields; null for each reader's own.",
    )


def _out(row: SavedView) -> ViewOut:
    return ViewOut.model_validate({name: getattr(row, name) for name in ViewOut.model_fields})


def _read() -> ViewInput:
    given = read_json(ViewIn)
    strange = [
        *sorted(given.args.keys() - set(FILTERS)),
        *sorted(set(given.columns or ()) - people_columns.labels_of(own_fields()).keys()),
    ]
    if strange:
        raise InvalidInputError(worded("There is no filter or column “%(name)s”.", name=strange[0][:80]))
    return ViewInput(name=given.name, is_shared=given.is_shared, args=checked_args(given.args), columns=given.columns)


@blueprint.get("/views")
@operation(tag="views", returns=page_model(ViewOut))
@requires(Permission.VIEW_OWN)
def list_views() -> Response:
    """One's own views and the shared ones, by name."""
    return page_answer(Page(queries.saved_views(current_session(), current_actor()).items), _out)


@blueprint.post("/views")
@operation(tag="views", body=ViewIn, returns=ViewOut, status=201, refuses=(403,))
@requires(Permission.VIEW_OWN)
def create_view() -> Response:
    """Keep filters, order and columns under a name; a token makes shared views only."""
    row = services.create_view(current_session(), current_actor(), data=_read(), now=request_now())
    return answer(_out(row), 201, {"Location": f"/api/v1/views/{row.id}"})


@blueprint.get("/views/<uuid:view_id>")
@operation(tag="views", returns=ViewOut, refuses=(404,))
@requires(Permission.VIEW_OWN)
def read_view(view_id: UUID) -> Response:
    """Read a view."""
    return answer(_out(queries.saved_view(current_session(), current_actor(), view_id=view_id)))


@blueprint.put("/views/<uuid:view_id>")
@operation(tag="views", body=ViewIn, returns=ViewOut, refuses=(403, 404))
@requires(Permission.VIEW_OWN)
def change_view(view_id: UUID) -> Response:
    """Replace what a view says; for its maker, and for managers when it is shared."""
    session, actor = current_session(), current_actor()
    queries.saved_view(session, actor, view_id=view_id)
    return answer(_out(services.change_view(session, actor, view_id=view_id, data=_read(), now=request_now())))


@blueprint.delete("/views/<uuid:view_id>")
@operation(tag="views", status=204, refuses=(403, 404))
@requires(Permission.VIEW_OWN)
def delete_view(view_id: UUID) -> Response:
    """Delete a view; the people stay."""
    services.delete_view(current_session(), current_actor(), view_id=view_id)
    return Response(status=204)


@blueprint.get("/views/<uuid:view_id>/people")
@operation(tag="views", query=PageQuery, returns=page_model(ContactOut), refuses=(404,))
@requires(Permission.VIEW_OWN)
def people_of_view(view_id: UUID) -> Response:
    """The people of a view whom the caller may see, in its order; 422 when its filter names what is gone."""
    session, actor, query = current_session(), current_actor(), read_query(PageQuery)
    args = address_of(session, actor, {"view": str(view_id)}).args
    try:
        rule = people_filter.filter_of(session, actor, text=args.get("rule", ""))
    except RuleError as error:
        raise InvalidInputError(str(error.problems[0].message), code="view_is_out_of_date") from error
    where = where_of(session, actor, args, rule)
    page = listed(session, actor, where=where, sort=sort_of(args), after=query.after, limit=query.limit)
    return page_answer(Page(shown_contacts(page.items), page.next), lambda item: item)

"""REST: saved views of the lists of people and of companies, and what a view shows."""

from typing import Any, Final
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.api.companies import shown_companies
from crm.contacts.api.people import shown_contacts
from crm.contacts.api.shapes import CompanyOut, ContactOut
from crm.contacts.kinds import ListSubject
from crm.contacts.services import ViewInput
from crm.contacts.view_models import SavedView
from crm.desk import company_views, people_filter
from crm.desk.company_views import COMPANIES
from crm.desk.listing import Listing, address_of
from crm.desk.people_query import listed, sort_of, where_of
from crm.desk.people_views import PEOPLE
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

blueprint = api_blueprint("views")

LISTINGS: Final[dict[str, Listing]] = {listing.subject: listing for listing in (PEOPLE, COMPANIES)}
_ARGS: Final = (
    "What the address of the list holds. Of people: `rule` (JSON of the rule language, as text), `owner` (an id or"
    " `me`), `tag`, `lifecycle`, `importance`, `quiet` (days without an exchange), `segment`, `sort`. Of companies:"
    " `owner`, `tag`, `kind`, `city`, `quiet` (days without an exchange with any of its people), `sort` (`name` or"
    " `newest`)."
)
_SUBJECT: Final = "Of which list it is."


class ViewOut(ApiModel):
    id: UUID
    subject: ListSubject = Field(description=_SUBJECT)
    name: str
    is_shared: bool
    user_id: UUID | None = Field(description="Who made it.")
    args: dict[str, Any] = Field(description=_ARGS)
    columns: list[str] | None = Field(description="The columns behind the name; null for those each reader chose.")


class ViewQuery(ApiModel):
    subject: ListSubject = Field(ListSubject.PEOPLE, description=_SUBJECT)


class ViewIn(ApiModel):
    subject: ListSubject = Field(ListSubject.PEOPLE, description=f"{_SUBJECT} A view keeps the one it began with.")
    name: str = Field(max_length=80)
    is_shared: bool = Field(False, description="Everybody here reads it, each what they may see.")
    args: dict[str, str] = Field({}, description=_ARGS)
    columns: list[str] | None = Field(
        None,
        max_length=120,
        description="Names of columns, `custom.<key>` for own fields; null for each reader's own.",
    )


def _out(row: SavedView) -> ViewOut:
    return ViewOut.model_validate({name: getattr(row, name) for name in ViewOut.model_fields})


def _read(row: SavedView | None = None) -> ViewInput:
    session, actor, given = current_session(), current_actor(), read_json(ViewIn)
    subject = ListSubject(row.subject) if row is not None else given.subject
    if "subject" in given.model_fields_set and given.subject is not subject:
        sentence = worded("A view stays with the list that it began with.")
        raise InvalidInputError(sentence, fields={"subject": sentence})
    listing = LISTINGS[subject]
    known = listing.labels_of(listing.own_fields(session, actor))
    strange = [
        *sorted(given.args.keys() - set(listing.filters)),
        *sorted(set(given.columns or ()) - known.keys()),
    ]
    if strange:
        raise InvalidInputError(worded("There is no filter or column “%(name)s”.", name=strange[0][:80]))
    args = listing.checked(session, actor, given.args)
    return ViewInput(subject=subject, name=given.name, is_shared=given.is_shared, args=args, columns=given.columns)


@blueprint.get("/views")
@operation(tag="views", query=ViewQuery, returns=page_model(ViewOut))
@requires(Permission.VIEW_OWN)
def list_views() -> Response:
    """One's own views of a list and the shared ones, by name."""
    subject = read_query(ViewQuery).subject
    return page_answer(Page(queries.saved_views(current_session(), current_actor(), subject=subject).items), _out)


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
    data = _read(queries.saved_view(session, actor, view_id=view_id))
    return answer(_out(services.change_view(session, actor, view_id=view_id, data=data, now=request_now())))


@blueprint.delete("/views/<uuid:view_id>")
@operation(tag="views", status=204, refuses=(403, 404))
@requires(Permission.VIEW_OWN)
def delete_view(view_id: UUID) -> Response:
    """Delete a view; what it showed stays."""
    services.delete_view(current_session(), current_actor(), view_id=view_id)
    return Response(status=204)


@blueprint.get("/views/<uuid:view_id>/people")
@operation(tag="views", query=PageQuery, returns=page_model(ContactOut), refuses=(404,))
@requires(Permission.VIEW_OWN)
def people_of_view(view_id: UUID) -> Response:
    """The people of a view whom the caller may see, in its order; 422 when its filter names what is gone."""
    session, actor, query = current_session(), current_actor(), read_query(PageQuery)
    args = address_of(session, actor, {"view": str(view_id)}, listing=PEOPLE).args
    try:
        rule = people_filter.filter_of(session, actor, text=args.get("rule", ""))
    except RuleError as error:
        raise InvalidInputError(str(error.problems[0].message), code="view_is_out_of_date") from error
    where = where_of(session, actor, args, rule)
    page = listed(session, actor, where=where, sort=sort_of(args), after=query.after, limit=query.limit)
    return page_answer(Page(shown_contacts(page.items), page.next), lambda item: item)


@blueprint.get("/views/<uuid:company_view_id>/companies")
@operation(tag="views", query=PageQuery, returns=page_model(CompanyOut), refuses=(404,))
@requires(Permission.VIEW_OWN)
def companies_of_view(company_view_id: UUID) -> Response:
    """The companies of a view, in its order, each reader's own where it asks for those."""
    session, actor, query = current_session(), current_actor(), read_query(PageQuery)
    args = address_of(session, actor, {"view": str(company_view_id)}, listing=COMPANIES).args
    page = company_views.listed(session, actor, args, after=query.after, limit=query.limit)
    return page_answer(Page(shown_companies(page.items), page.next), lambda item: item)

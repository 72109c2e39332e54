"""REST: addresses of nobody yet."""

from datetime import datetime
from typing import Self
from uuid import UUID

from flask import Response
from pydantic import Field, model_validator

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.base import ChannelKind
from crm.contacts import queries, services
from crm.contacts.api.blueprint import blueprint
from crm.contacts.api.shapes import HandleOut
from crm.contacts.inputs import Input
from crm.errors import worded
from crm.web.api import ApiModel, PageQuery, answer, operation, page_answer, page_model, read_json, read_query
from crm.web.sessions import current_session, request_now

_ONE = worded("Give contact_id or company_id.")


class StrangerOut(ApiModel):
    """An address that nobody owns yet; what came from it is at `GET /interactions?handle_id=`."""

    id: UUID
    channel: ChannelKind
    address: str
    platform_id: str | None = Field(description="The platform's immutable id, once it is known.")
    display_name: str = Field(description="What the person is called there.")
    created_at: datetime


class Claim(Input):
    """Whose the address is: a person's or a company's."""

    contact_id: UUID | None = None
    company_id: UUID | None = None

    @model_validator(mode="after")
    def _one_owner(self) -> Self:
        if (self.contact_id is None) == (self.company_id is None):
            raise ValueError(_ONE)
        return self


@blueprint.get("/strangers")
@requires(Permission.EDIT)
@operation(tag="contacts", query=PageQuery, returns=page_model(StrangerOut))
def list_strangers() -> Response:
    """List the addresses that nobody owns yet, the newest first."""
    query = read_query(PageQuery)
    page = queries.strangers(current_session(), current_actor(), after=query.after, limit=query.limit)
    return page_answer(page, StrangerOut.model_validate)


@blueprint.get("/strangers/<uuid:stranger_id>")
@requires(Permission.EDIT)
@operation(tag="contacts", returns=StrangerOut, refuses=(404,))
def read_stranger(stranger_id: UUID) -> Response:
    """Read one address that nobody owns yet."""
    row = queries.stranger(current_session(), current_actor(), handle_id=stranger_id)
    return answer(StrangerOut.model_validate(row))


@blueprint.post("/strangers/<uuid:stranger_id>/claim")
@requires(Permission.EDIT)
@operation(tag="contacts", body=Claim, returns=HandleOut, refuses=(404,))
def claim_stranger(stranger_id: UUID) -> Response:
    """Say whose an address is: what came from it goes to the timeline of that person or company."""
    session, actor = current_session(), current_actor()
    queries.stranger(session, actor, handle_id=stranger_id)
    data = read_json(Claim)
    row = services.link_handle(
        session, actor, handle_id=stranger_id, contact_id=data.contact_id, company_id=data.company_id, now=request_now()
    )
    return answer(HandleOut.model_validate(row))


@blueprint.delete("/strangers/<uuid:stranger_id>")
@requires(Permission.EDIT)
@operation(tag="contacts", status=204, refuses=(404,))
def dismiss_stranger(stranger_id: UUID) -> Response:
    """Take an address of nobody off the list; who writes from it again is a stranger anew."""
    services.dismiss_stranger(current_session(), current_actor(), handle_id=stranger_id, now=request_now())
    return Response(status=204)

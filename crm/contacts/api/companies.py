"""REST: companies and tags."""

from collections.abc import Sequence
from uuid import UUID

from flask import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.api.blueprint import blueprint
from crm.contacts.api.shapes import (
    CompanyCreate,
    CompanyOut,
    CompanyPatch,
    CompanyQuery,
    DeletedOut,
    TagIn,
    TagOut,
    company_out,
)
from crm.contacts.kinds import CustomSubject, FactOrigin
from crm.contacts.models import Company
from crm.web.api import (
    PageQuery,
    answer,
    etag,
    expected_version,
    operation,
    page_answer,
    page_model,
    read_json,
    read_query,
)
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now

SOURCE = "API"


def shown_companies(rows: Sequence[Company]) -> list[CompanyOut]:
    """Companies with their own fields and further domains, read for all of them at once."""
    session, actor = current_session(), current_actor()
    fields = queries.custom_fields(session, actor, subject=CustomSubject.COMPANY)
    custom = queries.custom_values_of(session, actor, fields=fields, company_ids=[row.id for row in rows])
    domains = queries.domains_of(session, actor, company_ids=[row.id for row in rows])
    return [company_out(row, custom.get(row.id, {}), domains.get(row.id, [])) for row in rows]


def _one(row: Company, status: int = 200, **headers: str) -> Response:
    session = current_session()
    session.flush()
    return answer(shown_companies([row])[0], status, {"ETag": etag(row.version), **headers})


@blueprint.get("/companies")
@operation(tag="companies", query=CompanyQuery, returns=page_model(CompanyOut))
def list_companies() -> Response:
    """List companies by name, or search them."""
    session, actor, query = current_session(), current_actor(), read_query(CompanyQuery)
    if query.q:
        page = queries.search_companies(session, actor, text=query.q, limit=query.limit)
    else:
        page = queries.list_companies(session, actor, after=query.after, limit=query.limit)
    return page_answer(Page(shown_companies(page.items), page.next), lambda item: item)


@blueprint.post("/companies")
@operation(tag="companies", body=CompanyCreate, returns=CompanyOut, status=201, refuses=(409,))
def create_company() -> Response:
    """Add a company; one per domain."""
    data, session, actor = read_json(CompanyCreate), current_session(), current_actor()
    services.check_required(session, actor, subject=CustomSubject.COMPANY, values=data.custom)
    row = services.create_company(session, actor, data=data, origin=FactOrigin.TYPED, source=SOURCE, now=request_now())
    return _one(row, 201, Location=f"/api/v1/companies/{row.id}")


@blueprint.get("/companies/<uuid:company_id>")
@operation(tag="companies", returns=CompanyOut, refuses=(404,))
def read_company(company_id: UUID) -> Response:
    """Read a company; the ETag names the version."""
    return _one(queries.company(current_session(), current_actor(), company_id=company_id))


@blueprint.patch("/companies/<uuid:company_id>")
@operation(tag="companies", body=CompanyPatch, returns=CompanyOut, refuses=(404, 409, 412))
def change_company(company_id: UUID) -> Response:
    """Change some fields; with If-Match only on that version (412 otherwise)."""
    row = services.update_company(
        current_session(),
        current_actor(),
        company_id=company_id,
        changes=read_json(CompanyPatch).model_dump(exclude_unset=True),
        expected_version=expected_version(),
        merge=False,
        now=request_now(),
    )
    return _one(row)


@blueprint.delete("/companies/<uuid:company_id>")
@operation(tag="companies", status=204, refuses=(404,))
def delete_company(company_id: UUID) -> Response:
    """Take a company off the lists; its people stay."""
    services.delete_company(current_session(), current_actor(), company_id=company_id, now=request_now())
    return Response(status=204)


@blueprint.get("/companies/deleted")
@requires(Permission.EDIT)
@operation(tag="companies", query=PageQuery, returns=page_model(DeletedOut))
def list_deleted_companies() -> Response:
    """List the deleted companies that can be restored, the latest first."""
    query = read_query(PageQuery)
    page = queries.deleted_companies(current_session(), current_actor(), after=query.after, limit=query.limit)
    return page_answer(page, lambda row: DeletedOut(id=row.id, name=row.name, deleted_at=row.deleted_at))


@blueprint.post("/companies/<uuid:company_id>/restore")
@operation(tag="companies", returns=CompanyOut, refuses=(404,))
def restore_company(company_id: UUID) -> Response:
    """Bring a deleted company back, with the domain and the addresses that nobody took meanwhile."""
    found = services.restore_company(current_session(), current_actor(), company_id=company_id, now=request_now())
    return _one(found.company)


@blueprint.get("/tags")
@operation(tag="tags", query=PageQuery, returns=page_model(TagOut))
def list_tags() -> Response:
    """List the tags by name."""
    query = read_query(PageQuery)
    page = queries.tags(current_session(), current_actor(), after=query.after, limit=query.limit)
    return page_answer(page, TagOut.model_validate)


@blueprint.post("/tags")
@operation(tag="tags", body=TagIn, returns=TagOut, status=201)
def create_tag() -> Response:
    """Add a tag; the same name (case and accents apart) twice is one tag."""
    data = read_json(TagIn)
    row = services.tag_named(current_session(), current_actor(), name=data.name, now=request_now())
    return answer(TagOut.model_validate(row), 201)


@blueprint.get("/tags/<uuid:tag_id>")
@operation(tag="tags", returns=TagOut, refuses=(404,))
def read_tag(tag_id: UUID) -> Response:
    """Read a tag."""
    return answer(TagOut.model_validate(services.tag(current_session(), current_actor(), tag_id=tag_id)))


@blueprint.patch("/tags/<uuid:tag_id>")
@operation(tag="tags", body=TagIn, returns=TagOut, refuses=(404,))
def rename_tag(tag_id: UUID) -> Response:
    """Give a tag another name."""
    data = read_json(TagIn)
    row = services.rename_tag(current_session(), current_actor(), tag_id=tag_id, name=data.name)
    return answer(TagOut.model_validate(row))


@blueprint.delete("/tags/<uuid:tag_id>")
@requires(Permission.BULK_EDIT)
@operation(tag="tags", status=204, refuses=(404,))
def delete_tag(tag_id: UUID) -> Response:
    """Take a tag off everybody and away."""
    services.delete_tag(current_session(), current_actor(), tag_id=tag_id)
    return Response(status=204)

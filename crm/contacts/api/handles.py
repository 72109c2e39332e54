"""REST: the addresses of people, and those of companies, by which their people are reached too."""

from uuid import UUID

from flask import Response

from crm.accounts.guards import current_actor
from crm.contacts import queries, services
from crm.contacts.api.blueprint import blueprint
from crm.contacts.api.shapes import EarlierAddressesOut, EarlierAddressOut, HandleCreate, HandleOut, HandlePatch
from crm.errors import worded
from crm.web.api import ApiModel, answer, operation, read_json
from crm.web.sessions import current_session, request_now


class CompanyHandlesOut(ApiModel):
    items: list[HandleOut]


@blueprint.post("/contacts/<uuid:contact_id>/handles")
@operation(tag="contacts", body=HandleCreate, returns=HandleOut, status=201, refuses=(404, 409))
def add_handle(contact_id: UUID) -> Response:
    """Add an address; the same one twice is one."""
    return _add(contact_id=contact_id)


@blueprint.post("/contacts/<uuid:contact_id>/handles/<uuid:handle_id>/primary")
@operation(tag="contacts", returns=HandleOut, refuses=(404,))
def make_primary(contact_id: UUID, handle_id: UUID) -> Response:
    """Use this address of its channel first."""
    _require_of_person(contact_id, handle_id)
    return _use_first(handle_id)


@blueprint.patch("/contacts/<uuid:contact_id>/handles/<uuid:handle_id>")
@operation(tag="contacts", body=HandlePatch, returns=HandleOut, refuses=(404, 409))
def rename_handle(contact_id: UUID, handle_id: UUID) -> Response:
    """The same account under a new address; the old one stays in its history."""
    _require_of_person(contact_id, handle_id)
    return _rename(handle_id)


@blueprint.get("/contacts/<uuid:contact_id>/handles/<uuid:handle_id>/history")
@operation(tag="contacts", returns=EarlierAddressesOut, refuses=(404,))
def handle_history(contact_id: UUID, handle_id: UUID) -> Response:
    """The former addresses of an account, the latest first."""
    _require_of_person(contact_id, handle_id)
    found = queries.earlier_addresses(current_session(), current_actor(), handle_ids=[handle_id])
    items = [EarlierAddressOut.model_validate(one) for one in found.get(handle_id, [])]
    return answer(EarlierAddressesOut(items=items))


@blueprint.delete("/contacts/<uuid:contact_id>/handles/<uuid:handle_id>")
@operation(tag="contacts", status=204, refuses=(404,))
def remove_handle(contact_id: UUID, handle_id: UUID) -> Response:
    """Retire an address; it is free for others."""
    _require_of_person(contact_id, handle_id)
    return _remove(handle_id)


@blueprint.get("/companies/<uuid:company_id>/handles")
@operation(tag="companies", returns=CompanyHandlesOut, refuses=(404,))
def company_handles(company_id: UUID) -> Response:
    """List the addresses of a company (`info@`), by which its people are reached too."""
    session, actor = current_session(), current_actor()
    queries.company(session, actor, company_id=company_id)
    found = queries.handles_of(session, actor, company_id=company_id).get(company_id, [])
    return answer(CompanyHandlesOut(items=[HandleOut.model_validate(row) for row in found]))


@blueprint.post("/companies/<uuid:company_id>/handles")
@operation(tag="companies", body=HandleCreate, returns=HandleOut, status=201, refuses=(404, 409))
def add_company_handle(company_id: UUID) -> Response:
    """Add an address to a company; the same one twice is one."""
    queries.company(current_session(), current_actor(), company_id=company_id)
    return _add(company_id=company_id)


@blueprint.patch("/companies/<uuid:company_id>/handles/<uuid:handle_id>")
@operation(tag="companies", body=HandlePatch, returns=HandleOut, refuses=(404, 409))
def rename_company_handle(company_id: UUID, handle_id: UUID) -> Response:
    """The same account under a new address; the old one stays in its history."""
    _require_of_company(company_id, handle_id)
    return _rename(handle_id)


@blueprint.post("/companies/<uuid:company_id>/handles/<uuid:handle_id>/primary")
@operation(tag="companies", returns=HandleOut, refuses=(404,))
def make_company_handle_primary(company_id: UUID, handle_id: UUID) -> Response:
    """Use this address of its channel first."""
    _require_of_company(company_id, handle_id)
    return _use_first(handle_id)


@blueprint.delete("/companies/<uuid:company_id>/handles/<uuid:handle_id>")
@operation(tag="companies", status=204, refuses=(404,))
def remove_company_handle(company_id: UUID, handle_id: UUID) -> Response:
    """Retire an address of a company; it is free for others."""
    _require_of_company(company_id, handle_id)
    return _remove(handle_id)


def _add(*, contact_id: UUID | None = None, company_id: UUID | None = None) -> Response:
    data = read_json(HandleCreate)
    row = services.add_handle(
        current_session(),
        current_actor(),
        channel=data.channel,
        address=data.address,
        contact_id=contact_id,
        company_id=company_id,
        label=data.label,
        is_primary=data.is_primary,
        now=request_now(),
    )
    return answer(HandleOut.model_validate(row), 201)


def _rename(handle_id: UUID) -> Response:
    data = read_json(HandlePatch)
    row = services.rename_handle(
        current_session(),
        current_actor(),
        handle_id=handle_id,
        address=data.address,
        label=data.label,
        now=request_now(),
    )
    return answer(HandleOut.model_validate(row))


def _use_first(handle_id: UUID) -> Response:
    row = services.make_primary(current_session(), current_actor(), handle_id=handle_id, now=request_now())
    return answer(HandleOut.model_validate(row))


def _remove(handle_id: UUID) -> Response:
    services.remove_handle(current_session(), current_actor(), handle_id=handle_id, now=request_now())
    return Response(status=204)


def _require_of_person(contact_id: UUID, handle_id: UUID) -> None:
    """The address is this person's; raises `HandleNotFoundError`."""
    row = queries.handle(current_session(), current_actor(), handle_id=handle_id)
    if row.contact_id != contact_id:
        raise queries.HandleNotFoundError(worded("This person has no such address."))


def _require_of_company(company_id: UUID, handle_id: UUID) -> None:
    """The address is this company's; raises the not-found errors."""
    session, actor = current_session(), current_actor()
    queries.company(session, actor, company_id=company_id)
    row = queries.handle(session, actor, handle_id=handle_id)
    if row.company_id != company_id:
        raise queries.HandleNotFoundError(worded("This company has no such address."))

"""REST: the workspace's own fields."""

from typing import Any
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.api.blueprint import blueprint
from crm.contacts.custom_inputs import CustomFieldInput, Label
from crm.contacts.custom_rules import FieldShape
from crm.contacts.kinds import CustomSubject, CustomType
from crm.web.api import ApiModel, answer, operation, read_json, read_query
from crm.web.sessions import current_session, request_now


class CustomChoiceOut(ApiModel):
    key: str
    label: str
    is_archived: bool


class CustomFieldOut(ApiModel):
    """A field of the workspace's own; `key` is its name in `custom`, in rules it is `custom.<key>`."""

    id: UUID
    subject: CustomSubject
    key: str
    label: str
    type: CustomType
    help: str
    required: bool
    filterable: bool
    lowest: str
    highest: str
    pattern: str
    currency: str
    is_archived: bool
    choices: list[CustomChoiceOut]


class CustomFieldsOut(ApiModel):
    items: list[CustomFieldOut]


class CustomFieldsQuery(ApiModel):
    subject: CustomSubject = CustomSubject.CONTACT
    archived: bool = Field(False, description="Archived ones too.")


class CustomFieldCreate(CustomFieldInput):
    """A field to add behind the others."""


class CustomFieldPatch(CustomFieldInput):
    """What changes; choices that are not named are archived. Key and subject stay."""

    label: Label = "-"


def _out(field: FieldShape) -> CustomFieldOut:
    plain: dict[str, Any] = {name: getattr(field, name) for name in CustomFieldOut.model_fields if name != "choices"}
    choices = [CustomChoiceOut(key=one.key, label=one.label, is_archived=one.is_archived) for one in field.choices]
    return CustomFieldOut(**plain, choices=choices)


@blueprint.get("/custom-fields")
@operation(tag="custom fields", query=CustomFieldsQuery, returns=CustomFieldsOut)
def list_custom_fields() -> Response:
    """The fields of people or of companies, in their order."""
    query = read_query(CustomFieldsQuery)
    found = queries.custom_fields(current_session(), current_actor(), subject=query.subject, archived=query.archived)
    return answer(CustomFieldsOut(items=[_out(field) for field in found]))


@blueprint.post("/custom-fields")
@requires(Permission.MANAGE_WORKSPACE)
@operation(tag="custom fields", body=CustomFieldCreate, returns=CustomFieldOut, status=201)
def create_custom_field() -> Response:
    """Add a field."""
    data = read_json(CustomFieldCreate)
    field = services.create_custom_field(current_session(), current_actor(), data=data, now=request_now())
    return answer(_out(field), 201, {"Location": f"/api/v1/custom-fields/{field.id}"})


@blueprint.get("/custom-fields/<uuid:field_id>")
@operation(tag="custom fields", returns=CustomFieldOut, refuses=(404,))
def read_custom_field(field_id: UUID) -> Response:
    """Read a field."""
    return answer(_out(queries.custom_field(current_session(), current_actor(), field_id=field_id)))


@blueprint.patch("/custom-fields/<uuid:field_id>")
@requires(Permission.MANAGE_WORKSPACE)
@operation(tag="custom fields", body=CustomFieldPatch, returns=CustomFieldOut, refuses=(404, 409))
def change_custom_field(field_id: UUID) -> Response:
    """Change a field; another type only when every value fits it (409 otherwise)."""
    changes = read_json(CustomFieldPatch).model_dump(exclude_unset=True)
    field = services.update_custom_field(
        current_session(), current_actor(), field_id=field_id, changes=changes, now=request_now()
    )
    return answer(_out(field))


@blueprint.post("/custom-fields/<uuid:field_id>/archive")
@requires(Permission.MANAGE_WORKSPACE)
@operation(tag="custom fields", returns=CustomFieldOut, refuses=(404,))
def archive_custom_field(field_id: UUID) -> Response:
    """Take a field off the pages; its values stay."""
    return _archive(field_id, is_archived=True)


@blueprint.post("/custom-fields/<uuid:field_id>/restore")
@requires(Permission.MANAGE_WORKSPACE)
@operation(tag="custom fields", returns=CustomFieldOut, refuses=(404,))
def restore_custom_field(field_id: UUID) -> Response:
    """Bring an archived field back."""
    return _archive(field_id, is_archived=False)


def _archive(field_id: UUID, *, is_archived: bool) -> Response:
    field = services.archive_custom_field(
        current_session(), current_actor(), field_id=field_id, is_archived=is_archived, now=request_now()
    )
    return answer(_out(field))

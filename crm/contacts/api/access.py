"""REST: who sees a person, and why."""

from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor
from crm.accounts.kinds import Role
from crm.contacts import queries, services
from crm.contacts.api.blueprint import blueprint
from crm.contacts.kinds import AccessReason
from crm.contacts.models import Contact
from crm.web.api import ApiModel, answer, operation, read_json
from crm.web.sessions import current_session, request_now


class AccessLineOut(ApiModel):
    user_id: UUID
    name: str
    role: Role
    sees: bool
    is_named: bool
    reason: AccessReason = Field(description="Why the colleague sees the person, or does not.")


class AccessOut(ApiModel):
    restricted: bool
    may_change: bool = Field(description="Whether the caller may change who sees the person.")
    colleagues: list[AccessLineOut]


class AccessIn(ApiModel):
    restricted: bool = Field(description="Only the owner, the named colleagues, owners and managers see the person.")
    user_ids: list[UUID] = Field(
        default=[], max_length=200, description="Exactly the colleagues who see the person whatever their role sees."
    )


def _shown(person: Contact) -> Response:
    session, actor = current_session(), current_actor()
    lines = queries.access_of(session, actor, person=person)
    return answer(
        AccessOut(
            restricted=person.restricted,
            may_change=queries.may_change_access(actor, person=person),
            colleagues=[
                AccessLineOut(**{name: getattr(line, name) for name in AccessLineOut.model_fields}) for line in lines
            ],
        )
    )


@blueprint.get("/contacts/<uuid:contact_id>/access")
@operation(tag="contacts", returns=AccessOut, refuses=(404,))
def read_access(contact_id: UUID) -> Response:
    """Who sees a person, and why."""
    return _shown(queries.contact(current_session(), current_actor(), contact_id=contact_id))


@blueprint.put("/contacts/<uuid:contact_id>/access")
@operation(tag="contacts", body=AccessIn, returns=AccessOut, refuses=(403, 404))
def change_access(contact_id: UUID) -> Response:
    """Restrict a person or open them again, and name colleagues; for the person's owner and for managers."""
    data = read_json(AccessIn)
    person = services.set_access(
        current_session(),
        current_actor(),
        contact_id=contact_id,
        restricted=data.restricted,
        user_ids=data.user_ids,
        now=request_now(),
    )
    return _shown(person)

"""REST: limiting the processing of a person's data, and lifting the limit."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.kinds import LimitGround
from crm.contacts.services.limits import NOTE
from crm.lifecycle.api.blueprint import blueprint
from crm.lifecycle.services import erasing
from crm.web.api import ApiModel, answer, operation, read_json
from crm.web.sessions import current_session, request_now


class LimitIn(ApiModel):
    ground: LimitGround = Field(description="Which case of article 18 (1) of the GDPR.")
    asked_on: date = Field(description="The day on which the person asked.")
    note: str = Field("", max_length=NOTE)


class LiftIn(ApiModel):
    note: str = Field(min_length=1, max_length=NOTE, description="How the person was told before (article 18 (3)).")


class LimitOut(ApiModel):
    id: UUID
    ground: LimitGround
    asked_on: date
    note: str
    since: datetime
    by: str
    lifted_at: datetime | None = Field(description="When it ended; null as long as it stands.")
    lifted_by: str
    lift_note: str


class LimitsOut(ApiModel):
    limited_at: datetime | None = Field(description="Since when the data may only be kept; null when no limit stands.")
    items: list[LimitOut]


def _shown(contact_id: UUID, status: int = 200) -> Response:
    session, actor = current_session(), current_actor()
    person = erasing.person_of(session, actor, contact_id=contact_id)
    lines = queries.limits_of(session, actor, contact_id=person.id)
    items = [LimitOut(**{name: getattr(line, name) for name in LimitOut.model_fields}) for line in lines]
    return answer(LimitsOut(limited_at=person.limited_at, items=items), status)


@blueprint.get("/contacts/<uuid:contact_id>/limits")
@requires(Permission.EXPORT)
@operation(tag="privacy", returns=LimitsOut, refuses=(404,))
def read_limits(contact_id: UUID) -> Response:
    """Say whether the processing of a person's data is limited, and list every limit there was."""
    return _shown(contact_id)


@blueprint.post("/contacts/<uuid:contact_id>/limits")
@requires(Permission.ERASE)
@operation(tag="privacy", body=LimitIn, returns=LimitsOut, status=201, refuses=(404, 409))
def limit(contact_id: UUID) -> Response:
    """Limit the processing of a person's data: they are kept, nothing is sent, nothing works by itself."""
    data = read_json(LimitIn)
    services.limit_processing(
        current_session(),
        current_actor(),
        contact_id=contact_id,
        ground=data.ground,
        asked_on=data.asked_on,
        note=data.note,
        now=request_now(),
    )
    return _shown(contact_id, 201)


@blueprint.post("/contacts/<uuid:contact_id>/limits/lift")
@requires(Permission.ERASE)
@operation(tag="privacy", body=LiftIn, returns=LimitsOut, refuses=(404, 409))
def lift_limit(contact_id: UUID) -> Response:
    """Lift the limit; what was held goes back to its schedule, and what is too late waits for a decision."""
    services.lift_limit(
        current_session(), current_actor(), contact_id=contact_id, note=read_json(LiftIn).note, now=request_now()
    )
    return _shown(contact_id)

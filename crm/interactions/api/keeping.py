"""REST: warmth and keeping in touch."""

from datetime import datetime
from uuid import UUID

from flask import Response
from pydantic import AwareDatetime

from crm.accounts.guards import current_actor
from crm.contacts.inputs import Input
from crm.interactions.api.blueprint import blueprint
from crm.interactions.queries import keeping as queries
from crm.interactions.services import keeping as services
from crm.interactions.services.keeping import CadenceInput, PauseInput
from crm.web.api import ApiModel, answer, operation, read_json
from crm.web.sessions import current_session, request_now


class CadenceOut(ApiModel):
    """`days` is the rhythm that holds, null for none; `own_days` the person's own number, 0 for never."""

    days: int | None
    own_days: int | None
    due_at: datetime | None
    paused_at: datetime | None
    pause_reason: str
    snoozed_until: datetime | None


class LaterIn(Input):
    until: AwareDatetime


class WarmthOut(ApiModel):
    """0 to 100 and its three parts, of 40, 30 and 30."""

    score: int
    recency: float
    frequency: float
    reciprocity: float
    #: What the caller has of it, null when they took no part.
    mine: int | None


@blueprint.get("/contacts/<uuid:contact_id>/cadence")
@operation(tag="keeping in touch", returns=CadenceOut, refuses=(404,))
def read_cadence(contact_id: UUID) -> Response:
    """Read how often to be in touch with a person, and when they are due."""
    return _cadence(contact_id)


def _cadence(contact_id: UUID) -> Response:
    found = queries.rhythm_of(current_session(), current_actor(), contact_id=contact_id)
    return answer(CadenceOut.model_validate({name: getattr(found, name) for name in CadenceOut.model_fields}))


@blueprint.put("/contacts/<uuid:contact_id>/cadence")
@operation(tag="keeping in touch", body=CadenceInput, returns=CadenceOut, refuses=(404,))
def change_cadence(contact_id: UUID) -> Response:
    """Set how often to be in touch with a person: a number of days, 0 for never, null for what the importance says."""
    data = read_json(CadenceInput)
    services.set_days(current_session(), current_actor(), contact_id=contact_id, data=data, now=request_now())
    return _cadence(contact_id)


@blueprint.post("/contacts/<uuid:contact_id>/cadence/pause")
@operation(tag="keeping in touch", body=PauseInput, returns=CadenceOut, refuses=(404,))
def pause_cadence(contact_id: UUID) -> Response:
    """Pause it, with the reason."""
    data = read_json(PauseInput)
    services.pause(current_session(), current_actor(), contact_id=contact_id, data=data, now=request_now())
    return _cadence(contact_id)


@blueprint.post("/contacts/<uuid:contact_id>/cadence/resume")
@operation(tag="keeping in touch", returns=CadenceOut, refuses=(404,))
def resume_cadence(contact_id: UUID) -> Response:
    """Let it go on."""
    services.resume(current_session(), current_actor(), contact_id=contact_id, now=request_now())
    return _cadence(contact_id)


@blueprint.post("/contacts/<uuid:contact_id>/cadence/snooze")
@operation(tag="keeping in touch", body=LaterIn, returns=CadenceOut, refuses=(404,))
def snooze_cadence(contact_id: UUID) -> Response:
    """Not due before a time ahead."""
    until = read_json(LaterIn).until
    services.snooze(current_session(), current_actor(), contact_id=contact_id, until=until, now=request_now())
    return _cadence(contact_id)


@blueprint.get("/contacts/<uuid:contact_id>/warmth")
@operation(tag="keeping in touch", returns=WarmthOut, refuses=(404,))
def read_warmth(contact_id: UUID) -> Response:
    """Read how warm a person is and why; all 0 for a person without any exchange."""
    found = queries.warmth_of(current_session(), current_actor(), contact_id=contact_id, now=request_now())
    if found is None:
        return answer(WarmthOut(score=0, recency=0, frequency=0, reciprocity=0, mine=None))
    parts = found.parts
    return answer(
        WarmthOut(
            score=parts.score,
            recency=round(parts.recency, 2),
            frequency=round(parts.frequency, 2),
            reciprocity=round(parts.reciprocity, 2),
            mine=found.mine,
        )
    )

"""REST: consents and suppressed addresses."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from flask import Response, jsonify
from pydantic import AwareDatetime, Field

from crm.accounts.guards import current_actor
from crm.channels.base import ChannelKind
from crm.consent import queries, services
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, SuppressionReason
from crm.consent.models import Suppression
from crm.contacts import queries as contacts
from crm.contacts.inputs import Input, Line, Text
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
from crm.web.sessions import current_session, request_now

blueprint = api_blueprint("consent")


class ConsentOut(ApiModel):
    id: UUID
    contact_id: UUID
    purpose: ConsentPurpose
    channel: ChannelKind | None
    action: ConsentAction
    basis: Basis
    source: str
    wording: str
    wording_version: str
    note: str
    happened_at: datetime
    recorded_at: datetime
    user_name: str


class ConsentIn(Input):
    """Someone agreed or objected; without a channel it speaks of every channel, without a time of now."""

    contact_id: UUID
    purpose: ConsentPurpose
    channel: ChannelKind | None = None
    action: ConsentAction
    basis: Basis = Basis.CONSENT
    source: Annotated[Line, Field(min_length=1)]
    wording: Text = ""
    wording_version: Annotated[str, Field(max_length=64)] = ""
    note: Text = ""
    happened_at: AwareDatetime | None = None


class ConsentQuery(PageQuery):
    contact_id: UUID


class StateOut(ApiModel):
    purpose: ConsentPurpose
    channel: ChannelKind | None
    action: ConsentAction
    basis: Basis
    since: datetime


class SuppressionOut(ApiModel):
    id: UUID
    channel: ChannelKind
    hint: str
    reason: SuppressionReason
    at: datetime


class SuppressionIn(Input):
    channel: ChannelKind
    address: Annotated[str, Field(min_length=1, max_length=320)]
    reason: SuppressionReason = SuppressionReason.OPERATOR


@blueprint.get("/consents")
@operation(tag="consents", query=ConsentQuery, returns=page_model(ConsentOut), refuses=(404,))
def list_consents() -> Response:
    """List the consent events of one contact, newest first."""
    query = read_query(ConsentQuery)
    page = queries.history(
        current_session(), current_actor(), contact_id=query.contact_id, after=query.after, limit=query.limit
    )
    return page_answer(page, ConsentOut.model_validate)


@blueprint.post("/consents")
@operation(tag="consents", body=ConsentIn, returns=ConsentOut, status=201, refuses=(404,))
def record_consent() -> Response:
    """Record that a person agreed or objected."""
    data, now = read_json(ConsentIn), request_now()
    given = data.model_dump(exclude={"happened_at"})
    row = services.record(current_session(), current_actor(), **given, happened_at=data.happened_at or now, now=now)
    shown = queries.event(current_session(), current_actor(), event_id=row.id)
    return answer(ConsentOut.model_validate(shown), 201, {"Location": f"/api/v1/consents/{row.id}"})


@blueprint.get("/consents/<uuid:event_id>")
@operation(tag="consents", returns=ConsentOut, refuses=(404,))
def read_consent(event_id: UUID) -> Response:
    """Read one consent event with its evidence."""
    shown = queries.event(current_session(), current_actor(), event_id=event_id)
    return answer(ConsentOut.model_validate(shown))


@blueprint.get("/contacts/<uuid:contact_id>/consents")
@operation(tag="consents", refuses=(404,))
def consent_states(contact_id: UUID) -> Response:
    """What holds now for a contact, by purpose and channel."""
    session, actor = current_session(), current_actor()
    contacts.require_contact(session, actor, contact_id=contact_id)
    found = queries.states(session, actor, contact_ids=[contact_id])[contact_id]
    items = [
        StateOut(
            purpose=purpose,
            channel=ChannelKind(channel) if channel else None,
            action=state.action,
            basis=state.basis,
            since=state.since,
        ).model_dump(mode="json")
        for (purpose, channel), state in sorted(found.items())
    ]
    return jsonify({"items": items})


@blueprint.get("/suppressions")
@operation(tag="suppressions", query=PageQuery, returns=page_model(SuppressionOut))
def list_suppressions() -> Response:
    """List the addresses that get nothing any more, newest first; addresses are kept as hashes, a hint is shown."""
    query = read_query(PageQuery)
    page = queries.suppressions(current_session(), current_actor(), after=query.after, limit=query.limit)
    return page_answer(page, lambda pair: _shown(pair[0]))


@blueprint.post("/suppressions")
@operation(tag="suppressions", body=SuppressionIn, returns=SuppressionOut, status=201)
def suppress() -> Response:
    """Never write to an address again; twice is one."""
    data = read_json(SuppressionIn)
    row = services.suppress_typed(
        current_session(),
        current_actor(),
        channel=data.channel,
        address=data.address,
        reason=data.reason,
        now=request_now(),
    )
    return answer(_shown(row), 201)


@blueprint.get("/suppressions/<uuid:suppression_id>")
@operation(tag="suppressions", returns=SuppressionOut, refuses=(404,))
def read_suppression(suppression_id: UUID) -> Response:
    """Read one suppressed address."""
    return answer(_shown(queries.suppression(current_session(), current_actor(), suppression_id=suppression_id)))


@blueprint.delete("/suppressions/<uuid:suppression_id>")
@operation(tag="suppressions", status=204, refuses=(404, 409))
def lift_suppression(suppression_id: UUID) -> Response:
    """Allow an address again."""
    services.lift(current_session(), current_actor(), suppression_id=suppression_id, now=request_now())
    return Response(status=204)


def _shown(row: Suppression) -> SuppressionOut:
    return SuppressionOut.model_validate({name: getattr(row, name) for name in SuppressionOut.model_fields})

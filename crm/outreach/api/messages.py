"""REST: messages from writing to settling."""

from datetime import datetime
from uuid import UUID

from flask import Response
from pydantic import AwareDatetime, Field

from crm.accounts.guards import current_actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.errors import ConflictError
from crm.outreach import queries, services
from crm.outreach.api.blueprint import blueprint, may_approve, may_look, may_write
from crm.outreach.kinds import DeliveryState, MessageState
from crm.outreach.reasons import sentence
from crm.outreach.waking import wake
from crm.web.api import ApiModel, PageQuery, answer, operation, page_answer, page_model, read_json, read_query
from crm.web.sessions import current_session, request_now


class MessageOut(ApiModel):
    """One message as lists show it; `reason` and `held_until` say why and until when it waits."""

    id: UUID
    contact_id: UUID | None
    contact_name: str
    address: str
    channel: ChannelKind
    purpose: Purpose
    state: MessageState
    reason: str
    held_until: datetime | None
    subject: str
    planned_at: datetime | None
    due_at: datetime | None
    sent_at: datetime | None
    delivery: DeliveryState
    is_assisted: bool
    missing: list[str]
    conversation_id: UUID | None
    version: int
    created_at: datetime


class MessageRead(MessageOut):
    """One message with its words: as they leave once they are approved."""

    body: str
    account: str


class MessageCreate(ApiModel):
    """One direct message; without a channel it goes by e-mail, or by the first channel the person has."""

    contact_id: UUID
    channel: ChannelKind | None = None
    subject: str = ""
    body: str
    purpose: Purpose = Purpose.PERSONAL
    send_at: AwareDatetime | None = Field(None, description="Without it: now, with some seconds to take it back.")


class MessagesQuery(PageQuery):
    state: MessageState | None = None
    contact_id: UUID | None = None


class ResolveIn(ApiModel):
    """What became of an uncertain message."""

    outcome: services.Decision


@blueprint.get("/messages")
@may_look
@operation(tag="messages", query=MessagesQuery, returns=page_model(MessageOut))
def list_messages() -> Response:
    """List messages, the newest first, of one state or of one person."""
    query = read_query(MessagesQuery)
    page = queries.messages(
        current_session(),
        current_actor(),
        states=(query.state,) if query.state else (),
        contact_id=query.contact_id,
        after=query.after,
        limit=query.limit,
    )
    return page_answer(page, shown)


@blueprint.post("/messages")
@may_write
@operation(tag="messages", body=MessageCreate, returns=MessageRead, status=201, refuses=(404, 409))
def create_message() -> Response:
    """Write to one person; refused with the gate's reason when no waiting would help."""
    given = read_json(MessageCreate)
    message = services.write(
        current_session(),
        current_actor(),
        contact_id=given.contact_id,
        channel=given.channel or _usual_channel(given.contact_id),
        subject=given.subject,
        body=given.body,
        purpose=given.purpose,
        send_at=given.send_at,
        now=request_now(),
    )
    wake(message)
    return one_message(message.id, 201, Location=f"/api/v1/messages/{message.id}")


@blueprint.get("/messages/<uuid:message_id>")
@may_look
@operation(tag="messages", returns=MessageRead, refuses=(404,))
def read_message(message_id: UUID) -> Response:
    """Read a message: state, reason, and the words."""
    return one_message(message_id)


@blueprint.post("/messages/<uuid:message_id>/cancel")
@may_write
@operation(tag="messages", returns=MessageRead, refuses=(404, 409))
def cancel_message(message_id: UUID) -> Response:
    """It will not leave; 409 when it is under way already."""
    session, actor = current_session(), current_actor()
    queries.message(session, actor, message_id=message_id)
    return _changed(message_id, services.cancel(session, actor, message_ids=[message_id], now=request_now()))


@blueprint.post("/messages/<uuid:message_id>/approve")
@may_approve
@operation(tag="messages", returns=MessageRead, refuses=(404, 409))
def approve_message(message_id: UUID) -> Response:
    """Freeze the words of a draft: what was approved is what will leave."""
    session, actor = current_session(), current_actor()
    queries.message(session, actor, message_id=message_id)
    return _changed(message_id, services.approve(session, actor, message_ids=[message_id], now=request_now()))


@blueprint.post("/messages/<uuid:message_id>/resolve")
@may_write
@operation(tag="messages", body=ResolveIn, returns=MessageRead, refuses=(404, 409))
def resolve_message(message_id: UUID) -> Response:
    """Settle an uncertain message: it arrived, or it is sent again."""
    decision = read_json(ResolveIn).outcome
    message = services.resolve_uncertain(
        current_session(), current_actor(), message_id=message_id, decision=decision, now=request_now()
    )
    wake(message)
    return one_message(message_id)


def shown(line: queries.MessageLine) -> MessageOut:
    """A message of a list."""
    return MessageOut(**{name: getattr(line, name) for name in MessageOut.model_fields})


def one_message(message_id: UUID, status: int = 200, **headers: str) -> Response:
    """One message with its words."""
    view = queries.message(current_session(), current_actor(), message_id=message_id)
    line = {name: getattr(view.line, name) for name in MessageOut.model_fields}
    return answer(MessageRead(**line, body=view.shown_text, account=view.account_name), status, headers)


def _changed(message_id: UUID, changed: services.Changed) -> Response:
    if message_id in changed.refused:
        code = changed.refused[message_id]
        raise ConflictError(sentence(code), code=code)
    return one_message(message_id)


def _usual_channel(contact_id: UUID) -> ChannelKind:
    handles = contacts.handles_of(current_session(), current_actor(), contact_ids=[contact_id]).get(contact_id, [])
    kinds = [ChannelKind(handle.channel) for handle in handles]
    return ChannelKind.EMAIL if ChannelKind.EMAIL in kinds or not kinds else kinds[0]

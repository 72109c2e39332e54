"""REST: the work around a conversation - notes, read marks, reopening, strangers, merging, canned replies, figures."""

from datetime import datetime
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.outreach import queries, services
from crm.outreach.answering import Speed
from crm.outreach.api.blueprint import blueprint, may_look, may_write
from crm.outreach.api.conversations import ConversationOut, one_conversation
from crm.outreach.inbox_models import CannedReply
from crm.web.api import ApiModel, answer, etag, expected_version, operation, page_answer, page_model, parsed, read_json
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now

CANNED = ("title", "language", "body")


class NoteIn(ApiModel):
    """A note for the team; "@name" rings a colleague's bell."""

    body: str


class NoteOut(ApiModel):
    id: UUID
    at: datetime


class StrangerIn(ApiModel):
    """Who the stranger is."""

    contact_id: UUID


class OtherThreadIn(ApiModel):
    """The other thread of the same person."""

    other_id: UUID


class CannedOut(ApiModel):
    id: UUID
    title: str
    language: str
    body: str
    version: int
    created_at: datetime
    updated_at: datetime


class CannedCreate(ApiModel):
    """The text may use the variables of templates."""

    title: str
    language: str = Field("it", description="it or en.")
    body: str


class CannedPatch(ApiModel):
    """What is not named stays."""

    title: str = ""
    language: str = "it"
    body: str = ""


class SpeedOut(ApiModel):
    """After how many seconds half and nine in ten of the answers left, by the clock and in office hours."""

    name: str
    count: int
    median: float
    ninety: float
    office_median: float
    office_ninety: float


class FiguresOut(ApiModel):
    """How fast people had their first answers in the last 12 weeks; weeks by their Monday."""

    channels: list[SpeedOut]
    colleagues: list[SpeedOut]
    weeks: list[SpeedOut]


@blueprint.post("/conversations/<uuid:conversation_id>/notes")
@may_write
@operation(tag="conversations", body=NoteIn, returns=NoteOut, status=201, refuses=(404,))
def add_note(conversation_id: UUID) -> Response:
    """Leave a note between the messages, for the team alone."""
    body = read_json(NoteIn).body
    _seen(conversation_id)
    row = services.add_note(
        current_session(), current_actor(), conversation_id=conversation_id, body=body, now=request_now()
    )
    return answer(NoteOut(id=row.id, at=row.happened_at), 201)


@blueprint.post("/conversations/<uuid:conversation_id>/reopen")
@may_write
@operation(tag="conversations", returns=ConversationOut, refuses=(404,))
def reopen(conversation_id: UUID) -> Response:
    """It does need an answer; also ends a snooze."""
    _seen(conversation_id)
    services.reopen(current_session(), current_actor(), conversation_id=conversation_id, now=request_now())
    return one_conversation(conversation_id)


@blueprint.post("/conversations/<uuid:conversation_id>/read")
@may_write
@operation(tag="conversations", returns=ConversationOut, refuses=(404,))
def mark_read(conversation_id: UUID) -> Response:
    """The caller has read it until now."""
    _seen(conversation_id)
    services.mark_seen(current_session(), current_actor(), conversation_id=conversation_id, now=request_now())
    return one_conversation(conversation_id)


@blueprint.post("/conversations/<uuid:conversation_id>/unread")
@may_write
@operation(tag="conversations", returns=ConversationOut, refuses=(404,))
def mark_unread(conversation_id: UUID) -> Response:
    """As if the caller had never looked."""
    _seen(conversation_id)
    services.mark_unread(current_session(), current_actor(), conversation_id=conversation_id)
    return one_conversation(conversation_id)


@blueprint.post("/conversations/<uuid:conversation_id>/link")
@requires(Permission.EDIT)
@operation(tag="conversations", body=StrangerIn, returns=ConversationOut, refuses=(404,))
def link_stranger(conversation_id: UUID) -> Response:
    """Say who a stranger is: the address and the whole thread become that person's."""
    contact_id, session, actor = read_json(StrangerIn).contact_id, current_session(), current_actor()
    _seen(conversation_id)
    contacts.contact(session, actor, contact_id=contact_id)
    services.link_stranger(session, actor, conversation_id=conversation_id, contact_id=contact_id, now=request_now())
    return one_conversation(conversation_id)


@blueprint.post("/conversations/<uuid:conversation_id>/merge")
@may_write
@operation(tag="conversations", body=OtherThreadIn, returns=ConversationOut, refuses=(404, 409))
def merge(conversation_id: UUID) -> Response:
    """Bring another thread of the same person in here."""
    other_id = read_json(OtherThreadIn).other_id
    _seen(conversation_id)
    _seen(other_id)
    services.merge_threads(
        current_session(), current_actor(), kept_id=conversation_id, gone_id=other_id, now=request_now()
    )
    return one_conversation(conversation_id)


@blueprint.post("/conversations/<uuid:conversation_id>/unmerge")
@may_write
@operation(tag="conversations", body=OtherThreadIn, returns=ConversationOut, refuses=(404,))
def unmerge(conversation_id: UUID) -> Response:
    """Take a thread out again that was brought in."""
    other_id = read_json(OtherThreadIn).other_id
    _seen(conversation_id)
    _seen(other_id)
    services.unmerge_threads(
        current_session(), current_actor(), kept_id=conversation_id, gone_id=other_id, now=request_now()
    )
    return one_conversation(conversation_id)


@blueprint.get("/answer-times")
@may_look
@operation(tag="conversations", returns=FiguresOut)
def answer_times() -> Response:
    """Read how fast people had their answers."""
    found = queries.answer_figures(current_session(), current_actor(), now=request_now())
    return answer(
        FiguresOut(
            channels=[_speed(key, one) for key, one in found.by_channel.items()],
            colleagues=[_speed(key, one) for key, one in found.by_colleague.items()],
            weeks=[_speed(key.isoformat(), one) for key, one in found.by_week.items()],
        )
    )


@blueprint.get("/canned-replies")
@may_write
@operation(tag="conversations", returns=page_model(CannedOut))
def list_canned() -> Response:
    """List canned replies by title."""
    rows = queries.canned_replies(current_session(), current_actor())
    return page_answer(Page(rows, None), CannedOut.model_validate)


@blueprint.post("/canned-replies")
@may_write
@operation(tag="conversations", body=CannedCreate, returns=CannedOut, status=201)
def create_canned() -> Response:
    """Keep a canned reply; mistakes in its variables are told at the field."""
    data = parsed(services.CannedReplyInput, read_json(CannedCreate).model_dump())
    row = services.create_canned(current_session(), current_actor(), data=data, now=request_now())
    return _one(row, 201, Location=f"/api/v1/canned-replies/{row.id}")


@blueprint.get("/canned-replies/<uuid:canned_id>")
@may_write
@operation(tag="conversations", returns=CannedOut, refuses=(404,))
def read_canned(canned_id: UUID) -> Response:
    """Read a canned reply; the ETag names the version."""
    return _one(services.load_canned(current_session(), canned_id))


@blueprint.patch("/canned-replies/<uuid:canned_id>")
@may_write
@operation(tag="conversations", body=CannedPatch, returns=CannedOut, refuses=(404, 409))
def change_canned(canned_id: UUID) -> Response:
    """Change a canned reply."""
    session, actor = current_session(), current_actor()
    row = services.load_canned(session, canned_id)
    changes = read_json(CannedPatch).model_dump(exclude_unset=True)
    data = parsed(services.CannedReplyInput, {**{name: getattr(row, name) for name in CANNED}, **changes})
    row = services.update_canned(
        session, actor, canned_id=canned_id, data=data, expected_version=expected_version(), now=request_now()
    )
    return _one(row)


@blueprint.delete("/canned-replies/<uuid:canned_id>")
@may_write
@operation(tag="conversations", status=204, refuses=(404,))
def delete_canned(canned_id: UUID) -> Response:
    """Remove a canned reply."""
    services.delete_canned(current_session(), current_actor(), canned_id=canned_id)
    return Response(status=204)


def _seen(conversation_id: UUID) -> None:
    """Raise `NotFoundError` for a conversation that the caller may not see."""
    queries.conversation(current_session(), current_actor(), conversation_id=conversation_id)


def _speed(name: str, speed: Speed) -> SpeedOut:
    return SpeedOut(
        name=name,
        count=speed.count,
        median=speed.median,
        ninety=speed.ninety,
        office_median=speed.office_median,
        office_ninety=speed.office_ninety,
    )


def _one(row: CannedReply, status: int = 200, **headers: str) -> Response:
    return answer(CannedOut.model_validate(row), status, {"ETag": etag(row.version), **headers})

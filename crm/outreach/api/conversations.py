"""REST: conversations with their threads, answers, and whose turn it is."""

from datetime import datetime
from uuid import UUID

from flask import Response
from pydantic import AwareDatetime, Field

from crm.accounts.guards import current_actor
from crm.channels.base import ChannelKind
from crm.contacts import queries as contacts
from crm.errors import InvalidInputError
from crm.outreach import queries, services
from crm.outreach.api.blueprint import blueprint, may_look, may_write
from crm.outreach.api.messages import MessageRead, one_message
from crm.outreach.kinds import ConversationState, DeliveryState, MessageDirection, MessageState
from crm.outreach.waking import wake
from crm.web.api import ApiModel, PageQuery, answer, operation, page_answer, page_model, read_json, read_query
from crm.web.sessions import current_session, request_now


class ConversationOut(ApiModel):
    """An exchange with one person on one channel; `contact_id` null is somebody not yet known."""

    id: UUID
    channel: ChannelKind
    account_id: UUID | None
    contact_id: UUID | None
    name: str
    address: str
    subject: str
    state: ConversationState
    visibility: str = Field(description="public below a post of anybody's, team for everything else.")
    post_url: str
    assignee_id: UUID | None
    assignee_name: str
    unanswered_since: datetime | None
    last_at: datetime
    snoozed_until: datetime | None
    merged_into_id: UUID | None
    is_unread: bool = Field(description="They wrote after the caller last looked.")
    last_words: str = Field(description="The beginning of the newest message; lists only.")
    negative_since: datetime | None = Field(description="Since when something negative is unanswered; lists only.")


class ThreadOut(ApiModel):
    """One message, theirs or ours; planned ones are included."""

    id: UUID
    direction: MessageDirection
    state: MessageState
    reason: str
    subject: str
    body: str
    at: datetime
    delivery: DeliveryState
    author_name: str
    is_note: bool = Field(description="A note of the team, between the messages.")
    sentiment: str | None
    post_url: str


class ConversationRead(ConversationOut):
    """A conversation with the newest part of its thread; `earlier` leads further back."""

    thread: list[ThreadOut]
    earlier: str | None


class ThreadQuery(ApiModel):
    before: str | None = Field(None, description="`earlier` of the part that comes after.")


class ConversationsQuery(PageQuery):
    state: ConversationState | None = None
    contact_id: UUID | None = None
    unanswered: bool = Field(False, description="Only those where somebody waits for us.")
    mine: bool = Field(False, description="Only those assigned to the caller.")
    unassigned: bool = False
    unread: bool = False
    public: bool = False
    negative: bool = Field(False, description="Only people with something negative that nobody answered.")
    channel: ChannelKind | None = None
    q: str = Field("", max_length=200, description="Words of the subject, or a name.")


class ReplyIn(ApiModel):
    body: str
    subject: str = ""
    send_at: AwareDatetime | None = Field(None, description="Without it: now, with some seconds to take it back.")


class AssignIn(ApiModel):
    """A colleague's user id, null for nobody."""

    assignee_id: UUID | None


class ConversationSnoozeIn(ApiModel):
    until: AwareDatetime


@blueprint.get("/conversations")
@may_look
@operation(tag="conversations", query=ConversationsQuery, returns=page_model(ConversationOut))
def list_conversations() -> Response:
    """List conversations, the newest exchange first."""
    query = read_query(ConversationsQuery)
    page = queries.conversations(
        current_session(),
        current_actor(),
        where=queries.InboxFilter(
            state=query.state,
            contact_id=query.contact_id,
            only_unanswered=query.unanswered,
            is_mine=query.mine,
            is_unassigned=query.unassigned,
            is_unread=query.unread,
            is_public=query.public,
            is_negative=query.negative,
            channel=query.channel,
            text=query.q,
        ),
        after=query.after,
        limit=query.limit,
    )
    return page_answer(page, _shown)


@blueprint.get("/conversations/<uuid:conversation_id>")
@may_look
@operation(tag="conversations", query=ThreadQuery, returns=ConversationRead, refuses=(404,))
def read_conversation(conversation_id: UUID) -> Response:
    """Read a conversation with its thread, oldest first; 40 messages at a time."""
    before = read_query(ThreadQuery).before
    session, actor = current_session(), current_actor()
    line = queries.conversation(session, actor, conversation_id=conversation_id)
    thread = queries.thread(session, actor, conversation_id=conversation_id, before=before)
    entries = [ThreadOut.model_validate(entry) for entry in thread.items]
    return answer(ConversationRead(**_shown(line).model_dump(), thread=entries, earlier=thread.next))


@blueprint.post("/conversations/<uuid:conversation_id>/reply")
@may_write
@operation(tag="conversations", body=ReplyIn, returns=MessageRead, status=201, refuses=(404, 409))
def reply(conversation_id: UUID) -> Response:
    """Answer on the same channel and from the same account."""
    given, session, actor = read_json(ReplyIn), current_session(), current_actor()
    queries.conversation(session, actor, conversation_id=conversation_id)
    message = services.reply(
        session,
        actor,
        conversation_id=conversation_id,
        body=given.body,
        subject=given.subject,
        send_at=given.send_at,
        now=request_now(),
    )
    wake(message)
    return one_message(message.id, 201, Location=f"/api/v1/messages/{message.id}")


@blueprint.post("/conversations/<uuid:conversation_id>/assign")
@may_write
@operation(tag="conversations", body=AssignIn, returns=ConversationOut, refuses=(404,))
def assign(conversation_id: UUID) -> Response:
    """Hand it to a colleague, or to nobody."""
    assignee_id, session, actor = read_json(AssignIn).assignee_id, current_session(), current_actor()
    queries.conversation(session, actor, conversation_id=conversation_id)
    if assignee_id is not None and assignee_id not in contacts.colleagues(session, actor):
        unknown = "this is not a colleague of the workspace"
        raise InvalidInputError(unknown, code="unknown_colleague", fields={"assignee_id": unknown})
    services.assign(session, actor, conversation_id=conversation_id, assignee_id=assignee_id)
    return one_conversation(conversation_id)


@blueprint.post("/conversations/<uuid:conversation_id>/snooze")
@may_write
@operation(tag="conversations", body=ConversationSnoozeIn, returns=ConversationOut, refuses=(404,))
def snooze(conversation_id: UUID) -> Response:
    """Out of sight until a moment ahead."""
    until, session, actor = read_json(ConversationSnoozeIn).until, current_session(), current_actor()
    queries.conversation(session, actor, conversation_id=conversation_id)
    services.snooze(session, actor, conversation_id=conversation_id, until=until, now=request_now())
    return one_conversation(conversation_id)


@blueprint.post("/conversations/<uuid:conversation_id>/close")
@may_write
@operation(tag="conversations", returns=ConversationOut, refuses=(404,))
def close(conversation_id: UUID) -> Response:
    """Nothing more to answer; what the person writes next opens it again."""
    session, actor = current_session(), current_actor()
    queries.conversation(session, actor, conversation_id=conversation_id)
    services.close(session, actor, conversation_id=conversation_id)
    return one_conversation(conversation_id)


def _shown(line: queries.ConversationLine) -> ConversationOut:
    return ConversationOut(**{name: getattr(line, name) for name in ConversationOut.model_fields})


def one_conversation(conversation_id: UUID) -> Response:
    """The answer with one conversation as it is now."""
    line = queries.conversation(current_session(), current_actor(), conversation_id=conversation_id)
    return answer(_shown(line))

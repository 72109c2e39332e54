"""REST: the timeline and its entries."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from flask import Response
from pydantic import AwareDatetime, Field

from crm.accounts.guards import current_actor
from crm.channels.base import ChannelKind
from crm.contacts.inputs import Input, Line, Text
from crm.errors import InvalidInputError, worded
from crm.interactions import queries, services
from crm.interactions.api.blueprint import blueprint
from crm.interactions.kinds import Direction, Sentiment, Tone, Visibility
from crm.web.api import (
    ApiModel,
    PageQuery,
    answer,
    operation,
    page_answer,
    page_model,
    read_json,
    read_query,
)
from crm.web.sessions import current_session, request_now

_WHOSE = worded("Give one of contact_id, company_id and handle_id.")
_ABOUT = worded("Say whom it is about: a contact, a company or an address.")


class LabelOut(ApiModel):
    id: UUID
    key: str
    name: str
    tone: Tone


class EntryFileOut(ApiModel):
    """A file of an entry; `size` is in bytes, the download is `GET /interactions/files/{id}`."""

    id: UUID
    name: str
    size: int


class InteractionOut(ApiModel):
    id: UUID
    kind: str
    channel: ChannelKind | None
    direction: Direction
    happened_at: datetime
    subject: str
    body: str
    contact_id: UUID | None
    company_id: UUID | None
    handle_id: UUID | None
    author_id: UUID | None
    author_name: str
    visibility: Visibility
    sentiment: Sentiment | None
    is_automatic: bool
    answered_at: datetime | None
    source_kind: str | None
    source_id: UUID | None
    external_id: str | None
    post_url: str
    duration_minutes: int | None
    points: int | None
    amount_minor: int | None
    created_at: datetime
    edited_at: datetime | None
    labels: list[LabelOut]
    files: list[EntryFileOut]


class InteractionIn(Input):
    """Something that happened; `happened_at` is now when it is left out."""

    kind: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_.]*$")]
    contact_id: UUID | None = None
    company_id: UUID | None = None
    handle_id: UUID | None = None
    channel: ChannelKind | None = None
    direction: Direction | None = None
    happened_at: AwareDatetime | None = None
    subject: Line = ""
    body: Annotated[Text, Field(max_length=50_000)] = ""
    external_id: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    sentiment: Sentiment | None = None
    visibility: Visibility = Visibility.TEAM
    post_url: Annotated[str, Field(max_length=2000, pattern=r"^(https?://.*)?$")] = ""
    duration_minutes: Annotated[int, Field(ge=0, le=10_000)] | None = None
    amount_minor: int | None = None
    is_automatic: bool = False
    label_ids: Annotated[list[UUID], Field(max_length=20)] = []


class InteractionPatch(Input):
    """What may change afterwards; `body` only of what was written down here, and the earlier text is kept."""

    sentiment: Sentiment | None = None
    is_answered: bool | None = None
    body: Annotated[Text, Field(max_length=50_000)] | None = None
    label_ids: Annotated[list[UUID], Field(max_length=20)] | None = None


class TimelineQuery(PageQuery):
    kinds: str = Field("", description="Kinds to show, separated by commas; empty for all.")
    channel: ChannelKind | None = Field(None, description="Only what happened on this channel.")
    sentiment: Sentiment | None = Field(None, description="Only what has this sentiment.")
    label_id: UUID | None = Field(None, description="Only what carries this label.")


class InteractionQuery(TimelineQuery):
    contact_id: UUID | None = None
    company_id: UUID | None = None
    handle_id: UUID | None = Field(None, description="The address of a stranger; see `GET /strangers`.")
    person_id: UUID | None = Field(None, description="With company_id: only what happened with this person.")


def _where(query: TimelineQuery) -> queries.TimelineFilter:
    return queries.TimelineFilter(
        kinds=[kind.strip() for kind in query.kinds.split(",") if kind.strip()],
        channel=query.channel,
        sentiment=query.sentiment,
        label_id=query.label_id,
        person_id=query.person_id if isinstance(query, InteractionQuery) else None,
    )


@blueprint.get("/contacts/<uuid:contact_id>/timeline")
@operation(tag="contacts", query=TimelineQuery, returns=page_model(InteractionOut), refuses=(404,))
def contact_timeline(contact_id: UUID) -> Response:
    """What happened with a person, newest first."""
    query = read_query(TimelineQuery)
    page = queries.timeline(
        current_session(),
        current_actor(),
        contact_id=contact_id,
        where=_where(query),
        after=query.after,
        limit=query.limit,
    )
    return page_answer(page, _shown)


@blueprint.get("/companies/<uuid:company_id>/timeline")
@operation(tag="companies", query=TimelineQuery, returns=page_model(InteractionOut), refuses=(404,))
def company_timeline(company_id: UUID) -> Response:
    """What happened with a company and its people, newest first."""
    query = read_query(TimelineQuery)
    page = queries.timeline(
        current_session(),
        current_actor(),
        company_id=company_id,
        where=_where(query),
        after=query.after,
        limit=query.limit,
    )
    return page_answer(page, _shown)


@blueprint.get("/interactions")
@operation(tag="interactions", query=InteractionQuery, returns=page_model(InteractionOut), refuses=(404,))
def list_interactions() -> Response:
    """List what happened with one contact, company or stranger (one of the ids is needed), newest first."""
    query = read_query(InteractionQuery)
    if [query.contact_id, query.company_id, query.handle_id].count(None) != 2:  # noqa: PLR2004 - one of three.
        raise InvalidInputError(_WHOSE, fields={"contact_id": _WHOSE})
    page = queries.timeline(
        current_session(),
        current_actor(),
        contact_id=query.contact_id,
        company_id=query.company_id,
        handle_id=query.handle_id,
        where=_where(query),
        after=query.after,
        limit=query.limit,
    )
    return page_answer(page, _shown)


@blueprint.post("/interactions")
@operation(tag="interactions", body=InteractionIn, returns=InteractionOut, status=201, refuses=(404,))
def create_interaction() -> Response:
    """Log something that happened; the same `channel` and `external_id` twice is one entry (200 the second time)."""
    data = read_json(InteractionIn)
    if data.contact_id is None and data.company_id is None and data.handle_id is None:
        raise InvalidInputError(_ABOUT, fields={"contact_id": _ABOUT})
    session, actor, now = current_session(), current_actor(), request_now()
    for label_id in data.label_ids:
        queries.label(session, actor, label_id=label_id)
    given = data.model_dump(exclude={"happened_at"})
    before = now
    row = services.log(session, actor, **given, happened_at=data.happened_at or now, now=now)
    is_new = row.created_at >= before
    if is_new:
        services.tell_mentioned(session, actor, row=row, body=data.body, now=now)
    shown = _shown(queries.entry(session, actor, interaction_id=row.id))
    return answer(shown, 201 if is_new else 200, {"Location": f"/api/v1/interactions/{row.id}"})


@blueprint.get("/interactions/<uuid:interaction_id>")
@operation(tag="interactions", returns=InteractionOut, refuses=(404,))
def read_interaction(interaction_id: UUID) -> Response:
    """Read one entry."""
    return answer(_shown(queries.entry(current_session(), current_actor(), interaction_id=interaction_id)))


@blueprint.patch("/interactions/<uuid:interaction_id>")
@operation(tag="interactions", body=InteractionPatch, returns=InteractionOut, refuses=(404,))
def change_interaction(interaction_id: UUID) -> Response:
    """Set sentiment and labels, say that it was answered, or edit a note's text; what happened itself stays."""
    session, actor, data, now = current_session(), current_actor(), read_json(InteractionPatch), request_now()
    if "sentiment" in data.model_fields_set:
        services.set_sentiment(session, actor, interaction_id=interaction_id, sentiment=data.sentiment, now=now)
    if data.is_answered:
        services.mark_answered(session, actor, interaction_id=interaction_id, now=now)
    if data.body is not None:
        services.edit_text(session, actor, interaction_id=interaction_id, body=data.body, now=now)
    if data.label_ids is not None:
        services.set_labels(session, actor, interaction_id=interaction_id, label_ids=data.label_ids)
    return answer(_shown(queries.entry(session, actor, interaction_id=interaction_id)))


@blueprint.delete("/interactions/<uuid:interaction_id>")
@operation(tag="interactions", status=204, refuses=(404,))
def remove_interaction(interaction_id: UUID) -> Response:
    """Take an entry off the timeline; points it earned that are still pending go with it."""
    services.remove(current_session(), current_actor(), interaction_id=interaction_id, now=request_now())
    return Response(status=204)


def _shown(entry: queries.TimelineEntry) -> InteractionOut:
    return InteractionOut.model_validate({name: getattr(entry, name) for name in InteractionOut.model_fields})

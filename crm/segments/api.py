"""REST: segments, the catalogue of fields, previews, members, and why somebody is in one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.errors import ConflictError, InvalidInputError, worded
from crm.filters.catalogue import Field as RuleField
from crm.filters.catalogue import load_choices
from crm.filters.evaluate import Explained
from crm.filters.registry import catalogue_of
from crm.filters.schema import RuleDocument, parse
from crm.filters.sentence import clause, plain, seen_text
from crm.filters.values import Choice
from crm.outreach.api.gate import GateListOut, GateQuery, listed, verdicts_for
from crm.segments import queries, services
from crm.segments.kinds import PickMode, SegmentKind
from crm.segments.models import Segment
from crm.web.api import (
    ApiModel,
    PageQuery,
    answer,
    api_blueprint,
    etag,
    expected_version,
    operation,
    page_answer,
    page_model,
    read_json,
    read_query,
)
from crm.web.sessions import current_session, request_now

blueprint = api_blueprint("segments")
may_look = requires(Permission.VIEW_OWN)
may_edit = requires(Permission.EDIT)


class ChoiceOut(ApiModel):
    value: str
    label: str


class OptionOut(ApiModel):
    """A further key of the value object: `choice`, `span` or `window`."""

    name: str
    kind: str
    label: str
    required: bool
    many: bool
    choices: list[ChoiceOut]


class FieldOut(ApiModel):
    """Something a rule can ask about; with `options` the value is an object with `value` and the options by name."""

    name: str
    type: str
    label: str
    group: str
    operators: list[str]
    choices: list[ChoiceOut]
    options: list[OptionOut]


class FieldsOut(ApiModel):
    items: list[FieldOut]
    next: str | None = None


class SegmentOut(ApiModel):
    id: UUID
    name: str
    description: str
    kind: str
    rule: RuleDocument
    sentence: str
    members: int | None
    refreshed_at: datetime | None
    frozen_from_id: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime


class SegmentCreate(ApiModel):
    """A live segment has a rule, a hand-picked one contact ids instead."""

    name: str = Field(max_length=120)
    description: str = Field("", max_length=500)
    kind: SegmentKind = SegmentKind.LIVE
    rule: RuleDocument | None = None
    contact_ids: list[UUID] = Field([], max_length=1000)


class SegmentPatch(ApiModel):
    name: str | None = Field(None, max_length=120)
    description: str | None = Field(None, max_length=500)
    rule: RuleDocument | None = None


class PreviewIn(ApiModel):
    rule: RuleDocument
    segment_id: UUID | None = Field(None, description="Compare with this saved segment.")


class SampleOut(ApiModel):
    id: UUID
    name: str
    company: str


class PreviewOut(ApiModel):
    count: int
    total: int | None = Field(description="How many people you may see; null where that is too many to count.")
    sample: list[SampleOut]
    sentence: str
    entering: int | None
    leaving: int | None


class MemberOut(ApiModel):
    id: UUID
    name: str
    company: str
    email: str
    city: str
    last_interaction_at: datetime | None


class PickIn(ApiModel):
    """Hand picks; `mode` null leaves the people to the rule again."""

    contact_ids: list[UUID] = Field(min_length=1, max_length=1000)
    mode: PickMode | None


class FreezeIn(ApiModel):
    name: str = Field("", max_length=120)


class WhyQuery(ApiModel):
    segment: UUID


class WhyNode(ApiModel):
    """A condition with what was seen, or a group with its children; `path` points into the rule."""

    path: str
    holds: bool
    field: str | None = None
    op: str | None = None
    sentence: str | None = None
    seen: str | None = None
    children: list["WhyNode"] = []


class WhyOut(ApiModel):
    segment_id: UUID
    contact_id: UUID
    inside: bool
    picked: PickMode | None
    since: datetime | None
    tree: WhyNode | None


class SegmentGateQuery(GateQuery):
    """What would be written to the people of a segment, and which page of them."""

    limit: int = Field(50, ge=1, le=200, description="Most people in the answer.")
    after: str | None = Field(None, description="The `next` of the previous answer.")


class SegmentGateOut(GateListOut):
    """The gate's answers for a page of a segment."""

    next: str | None


@blueprint.get("/segments")
@may_look
@operation(tag="segments", query=PageQuery, returns=page_model(SegmentOut))
def list_segments() -> Response:
    """List segments by name."""
    query = read_query(PageQuery)
    page = queries.segments(current_session(), current_actor(), after=query.after, limit=query.limit)
    counts = queries.member_counts(current_session(), current_actor(), segments=page.items)
    return page_answer(page, lambda row: _shown(row, counts))


@blueprint.get("/segments/fields")
@may_look
@operation(tag="segments", returns=FieldsOut)
def fields() -> Response:
    """The catalogue: every field a rule may name, with operators, choices and options."""
    session, workspace_id = current_session(), current_actor().workspace_id
    everything = [item for item in catalogue_of(session, workspace_id) if item.is_offered]
    choices = load_choices(session, workspace_id, everything)
    return answer(FieldsOut(items=[_field(item, choices) for item in everything]))


@blueprint.post("/segments/preview")
@may_look
@operation(tag="segments", body=PreviewIn, returns=PreviewOut, refuses=(404,))
def preview() -> Response:
    """What a rule would find now: count, some people, and the rule as a sentence."""
    data, session, actor = read_json(PreviewIn), current_session(), current_actor()
    against = queries.segment(session, actor, segment_id=data.segment_id) if data.segment_id else None
    found = queries.preview(session, actor, rule=parse_rule(data.rule), now=request_now(), against=against)
    sample = [SampleOut(id=face.id, name=face.name, company=face.company) for face in found.faces]
    return answer(
        PreviewOut(
            count=found.count,
            total=found.total,
            sample=sample,
            sentence=plain(found.sentence),
            entering=found.entering,
            leaving=found.leaving,
        )
    )


@blueprint.post("/segments")
@may_edit
@operation(tag="segments", body=SegmentCreate, returns=SegmentOut, status=201, refuses=(404, 409))
def create_segment() -> Response:
    """Save a segment: a live rule, or a hand-picked list."""
    data, session, actor, now = read_json(SegmentCreate), current_session(), current_actor(), request_now()
    row = services.create(
        session,
        actor,
        name=data.name,
        description=data.description,
        kind=data.kind,
        rule=parse_rule(data.rule) if data.rule is not None else None,
        now=now,
    )
    if data.contact_ids:
        services.pick(session, actor, segment_id=row.id, contact_ids=data.contact_ids, mode=PickMode.ADDED, now=now)
    return _one(row, 201, Location=f"/api/v1/segments/{row.id}")


@blueprint.get("/segments/<uuid:segment_id>")
@may_look
@operation(tag="segments", returns=SegmentOut, refuses=(404,))
def read_segment(segment_id: UUID) -> Response:
    """Read a segment; the ETag names the version."""
    return _one(queries.segment(current_session(), current_actor(), segment_id=segment_id))


@blueprint.patch("/segments/<uuid:segment_id>")
@may_edit
@operation(tag="segments", body=SegmentPatch, returns=SegmentOut, refuses=(404, 409))
def change_segment(segment_id: UUID) -> Response:
    """Change name, description or rule; with If-Match only on that version."""
    data, session, actor = read_json(SegmentPatch), current_session(), current_actor()
    row = queries.segment(session, actor, segment_id=segment_id, lock=True)
    version = expected_version()
    if version is not None and version != row.version:
        raise ConflictError(worded("The segment has changed since that version."), code="changed_meanwhile")
    if data.name is not None or data.description is not None:
        name = row.name if data.name is None else data.name
        row = services.rename(session, actor, segment_id=segment_id, name=name, description=data.description)
    if data.rule is not None:
        rule = parse_rule(data.rule)
        row = services.edit_rule(session, actor, segment_id=segment_id, rule=rule, now=request_now())
    return _one(row)


@blueprint.delete("/segments/<uuid:segment_id>")
@may_edit
@operation(tag="segments", status=204, refuses=(404, 409))
def delete_segment(segment_id: UUID) -> Response:
    """Delete a segment; refused while another one asks for it."""
    services.remove(current_session(), current_actor(), segment_id=segment_id, now=request_now())
    return Response(status=204)


@blueprint.get("/segments/<uuid:segment_id>/members")
@may_look
@operation(tag="segments", query=PageQuery, returns=page_model(MemberOut), refuses=(404,))
def list_members(segment_id: UUID) -> Response:
    """The people who are in it now and whom you may see, by name."""
    query, session, actor = read_query(PageQuery), current_session(), current_actor()
    row = queries.segment(session, actor, segment_id=segment_id)
    page = queries.members(session, actor, segment=row, now=request_now(), after=query.after, limit=query.limit)
    return page_answer(page, MemberOut.model_validate)


@blueprint.get("/segments/<uuid:segment_id>/gate")
@may_look
@operation(tag="segments", query=SegmentGateQuery, returns=SegmentGateOut, refuses=(404,))
def gate_of_segment(segment_id: UUID) -> Response:
    """May I write to the people of this segment? A page of them by name, each with the gate's answer."""
    query, session, actor = read_query(SegmentGateQuery), current_session(), current_actor()
    row = queries.segment(session, actor, segment_id=segment_id)
    page = queries.members(session, actor, segment=row, now=request_now(), after=query.after, limit=query.limit)
    found = verdicts_for(query, [person.id for person in page.items])
    return answer(SegmentGateOut(**listed(found, unknown=[]).model_dump(), next=page.next))


@blueprint.post("/segments/<uuid:segment_id>/freeze")
@may_edit
@operation(tag="segments", body=FreezeIn, returns=SegmentOut, status=201, refuses=(404,))
def freeze_segment(segment_id: UUID) -> Response:
    """Keep who is in it now as a segment of its own, which does not change any more."""
    data = read_json(FreezeIn)
    row = services.freeze(current_session(), current_actor(), segment_id=segment_id, name=data.name, now=request_now())
    return _one(row, 201, Location=f"/api/v1/segments/{row.id}")


@blueprint.post("/segments/<uuid:segment_id>/picks")
@may_edit
@operation(tag="segments", body=PickIn, returns=SegmentOut, refuses=(404, 409))
def pick(segment_id: UUID) -> Response:
    """Add people by hand, take them out by hand, or leave them to the rule again."""
    data = read_json(PickIn)
    row = services.pick(
        current_session(),
        current_actor(),
        segment_id=segment_id,
        contact_ids=data.contact_ids,
        mode=data.mode,
        now=request_now(),
    )
    return _one(row)


@blueprint.get("/contacts/<uuid:contact_id>/why")
@may_look
@operation(tag="segments", query=WhyQuery, returns=WhyOut, refuses=(404,))
def why(contact_id: UUID) -> Response:
    """Why the contact is in the segment or not: each condition with the value seen."""
    session, actor = current_session(), current_actor()
    segment_id = read_query(WhyQuery).segment
    found = queries.why(session, actor, segment_id=segment_id, contact_id=contact_id, now=request_now())
    tz = queries.context_of(session, actor, now=request_now()).tz
    return answer(
        WhyOut(
            segment_id=segment_id,
            contact_id=contact_id,
            inside=found.inside,
            picked=found.picked,
            since=found.since,
            tree=_node(found.explained, found.labels, tz) if found.explained else None,
        )
    )


def parse_rule(data: dict[str, Any]) -> Any:
    """The rule in a body; mistakes are reported below `rule`."""
    try:
        rule = parse(data)
        queries.bound_rule(current_session(), rule, workspace_id=current_actor().workspace_id)
    except InvalidInputError as error:
        fields = {f"rule.{at}".rstrip("."): message for at, message in error.fields.items()}
        raise InvalidInputError(error.message, code=error.code, fields=fields) from error
    return rule


def _one(row: Segment, status: int = 200, **headers: str) -> Response:
    counts = queries.member_counts(current_session(), current_actor(), segments=[row])
    return answer(_shown(row, counts), status, {"ETag": etag(row.version), **headers})


def _shown(row: Segment, counts: Mapping[UUID, int | None]) -> SegmentOut:
    rule, sentence = row.rule, ""
    if row.kind == SegmentKind.LIVE:
        bound = queries.bound_rule(current_session(), parse(row.rule), workspace_id=row.workspace_id)
        sentence = plain(queries.sentence_of(current_session(), current_actor(), bound))
    return SegmentOut(
        id=row.id,
        name=row.name,
        description=row.description,
        kind=row.kind,
        rule=rule,
        sentence=sentence,
        members=counts[row.id],
        refreshed_at=row.refreshed_at,
        frozen_from_id=row.frozen_from_id,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _field(item: RuleField, choices: dict[str, tuple[Choice, ...]]) -> FieldOut:
    options = [
        OptionOut(
            name=option.name,
            kind=option.kind,
            label=str(option.label),
            required=option.required,
            many=option.many,
            choices=_choices(choices[f"{item.name}.{option.name}"]),
        )
        for option in item.options
    ]
    return FieldOut(
        name=item.name,
        type=item.type.value,
        label=str(item.label),
        group=str(item.group),
        operators=[op.value for op in item.operators],
        choices=_choices(choices[item.name]),
        options=options,
    )


def _choices(listed: tuple[Choice, ...]) -> list[ChoiceOut]:
    return [ChoiceOut(value=choice.value, label=str(choice.label)) for choice in listed]


def _node(explained: Explained, labels: Any, tz: str) -> WhyNode:
    if explained.leaf is not None:
        leaf = explained.leaf
        return WhyNode(
            path=".".join(map(str, leaf.path)),
            holds=explained.holds,
            field=leaf.field.name,
            op=leaf.op.value,
            sentence=plain(clause(leaf, labels)),
            seen=seen_text(leaf, explained.seen, labels, tz=tz),
        )
    path = explained.group.path if explained.group else ()
    children = [_node(child, labels, tz) for child in explained.children]
    return WhyNode(path=".".join(map(str, path)), holds=explained.holds, children=children)

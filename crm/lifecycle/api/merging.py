"""REST API of duplicates and merges."""

from datetime import datetime
from uuid import UUID

from flask import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.lifecycle.api.blueprint import blueprint
from crm.lifecycle.kinds import Effect
from crm.lifecycle.queries import duplicates as queries
from crm.lifecycle.queries import merges as merge_queries
from crm.lifecycle.rules.duplicates import Sign
from crm.lifecycle.services import duplicates as services
from crm.lifecycle.services import merging
from crm.lifecycle.services.merging import Side
from crm.web.api import ApiModel, PageQuery, answer, operation, page_answer, page_model, read_json, read_query
from crm.web.sessions import current_session, request_now


class DuplicateOut(ApiModel):
    """Two contacts that may be one person, and why."""

    contact_id: UUID
    contact_name: str
    other_id: UUID
    other_name: str
    sign: Sign
    said: str


class NotSameIn(ApiModel):
    """The other contact of a pair that is not one person."""

    other_id: UUID


class MergeIn(ApiModel):
    """`other_id` goes up in the contact of the address; `choices` says by field whose value stays (`kept`, `other`).

    An own field is called `custom.<key>`.
    """

    other_id: UUID
    choices: dict[str, Side] = {}


class MergeFieldOut(ApiModel):
    """A field in which both differ; `is_open` when both have a value, so that there is something to choose."""

    field: str
    kept: str
    other: str
    side: Side
    is_open: bool


class MergePreviewOut(ApiModel):
    """What a merge would do: fields that differ, and how many things of each kind it touches."""

    fields: list[MergeFieldOut]
    effects: dict[Effect, int]


class MergedOut(ApiModel):
    """A merge that was done; the change set undoes it."""

    change_set_id: UUID
    undo_until: datetime
    effects: dict[Effect, int]


class MergeOut(ApiModel):
    """A merge: whom it left, and until when it can be undone."""

    id: UUID
    contact_id: UUID
    at: datetime
    undo_until: datetime
    undone_at: datetime | None
    can_undo: bool


class UndoneMergeOut(ApiModel):
    """What an undo did, and what stayed because of later work."""

    restored: int
    removed: int
    returned: int
    people_removed: int
    people_kept: int
    kept_because_later: int
    missing_points: int = 0


@blueprint.get("/duplicates")
@requires(Permission.MERGE)
@operation(tag="merges", query=PageQuery, returns=page_model(DuplicateOut))
def duplicates() -> Response:
    """List pairs of contacts that may be one person, each with its reason."""
    query = read_query(PageQuery)
    page = queries.duplicates(current_session(), current_actor(), **query.model_dump())
    return page_answer(
        page,
        lambda pair: DuplicateOut(
            contact_id=pair.one.id,
            contact_name=pair.one.display_name,
            other_id=pair.two.id,
            other_name=pair.two.display_name,
            sign=pair.sign,
            said=pair.said,
        ),
    )


@blueprint.post("/contacts/<uuid:contact_id>/not-same")
@requires(Permission.MERGE)
@operation(tag="merges", body=NotSameIn, status=204, refuses=(404, 409))
def not_same(contact_id: UUID) -> Response:
    """Say that two contacts are not the same person; they are not named together again."""
    data = read_json(NotSameIn)
    services.dismiss(
        current_session(), current_actor(), contact_id=contact_id, other_id=data.other_id, now=request_now()
    )
    return Response(status=204)


@blueprint.post("/contacts/<uuid:contact_id>/merge/preview")
@requires(Permission.MERGE)
@operation(tag="merges", body=MergeIn, returns=MergePreviewOut, refuses=(404, 409))
def preview(contact_id: UUID) -> Response:
    """Show what a merge would do, without doing it."""
    data = read_json(MergeIn)
    found = merging.preview(
        current_session(),
        current_actor(),
        kept_id=contact_id,
        other_id=data.other_id,
        choices=data.choices,
        now=request_now(),
    )
    fields = [
        MergeFieldOut(field=one.field, kept=one.kept, other=one.other, side=one.side, is_open=one.is_open)
        for one in found.fields
    ]
    return answer(MergePreviewOut(fields=fields, effects=dict(found.effects)))


@blueprint.post("/contacts/<uuid:contact_id>/merge")
@requires(Permission.MERGE)
@operation(tag="merges", body=MergeIn, returns=MergedOut, status=201, refuses=(404, 409))
def merge(contact_id: UUID) -> Response:
    """Merge another contact into this one; its address leads here from then on."""
    data = read_json(MergeIn)
    done = merging.merge(
        current_session(),
        current_actor(),
        kept_id=contact_id,
        other_id=data.other_id,
        choices=data.choices,
        now=request_now(),
    )
    row = done.change_set
    return answer(MergedOut(change_set_id=row.id, undo_until=row.undo_until, effects=dict(done.effects)), 201)


@blueprint.get("/merges")
@requires(Permission.MERGE)
@operation(tag="merges", query=PageQuery, returns=page_model(MergeOut))
def merges() -> Response:
    """List merges, newest first."""
    query = read_query(PageQuery)
    page = merge_queries.merges(current_session(), current_actor(), now=request_now(), **query.model_dump())
    return page_answer(
        page, lambda row: MergeOut.model_validate({name: getattr(row, name) for name in MergeOut.model_fields})
    )


@blueprint.post("/merges/<uuid:change_set_id>/undo")
@requires(Permission.MERGE)
@operation(tag="merges", returns=UndoneMergeOut, refuses=(404, 409))
def undo(change_set_id: UUID) -> Response:
    """Undo a merge; what somebody changed later stays and is counted, and so are points that were spent meanwhile."""
    done = merging.undo_merge(current_session(), current_actor(), change_set_id=change_set_id, now=request_now())
    shown = {name: getattr(done.undone, name) for name in UndoneMergeOut.model_fields if name != "missing_points"}
    return answer(UndoneMergeOut(**shown, missing_points=done.missing_points))

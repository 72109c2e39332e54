"""REST: one change to many people, and taking it back."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts.kinds import ChangeSetState
from crm.desk.listing import address_of
from crm.desk.people_bulk import chosen_by
from crm.desk.people_views import PEOPLE
from crm.errors import InvalidInputError, worded
from crm.lifecycle.kinds import BulkField
from crm.lifecycle.queries.changes import bulk_edits
from crm.lifecycle.services import bulk_edit as service
from crm.lifecycle.services.bulk_edit import BulkChange, Chosen
from crm.lifecycle.services.changes import undo
from crm.web.api import ApiModel, answer, api_blueprint, operation, page_answer, page_model, read_json, read_query
from crm.web.sessions import current_session, request_now

blueprint = api_blueprint("bulk")


class BulkEditIn(ApiModel):
    field: BulkField = Field(description="What changes.")
    value: str = Field("", max_length=200, description="A user id or '' (owner), a stage, an importance, or a tag.")
    contact_ids: list[UUID] = Field([], max_length=20_000, description="The people, or `view_id`, or `args`.")
    view_id: UUID | None = Field(None, description="Everybody of a view whom the caller may see.")
    args: dict[str, str] | None = Field(None, description="Everybody whom these filters find, as in a view.")
    dry_run: bool = Field(False, description="Only count; nothing changes.")


class BulkEditOut(ApiModel):
    changed: int = Field(description="How many people changed, or with `dry_run` would change.")
    change_set_id: UUID | None = Field(description="What takes it back for 30 days; null when nobody changed.")


class BulkListQuery(ApiModel):
    after: str | None = Field(None, description="The `next` of the previous answer.")


class BulkSetOut(ApiModel):
    id: UUID
    title: str = Field(description="`field=value`.")
    at: datetime
    who: str
    state: ChangeSetState
    undo_until: datetime
    can_undo: bool
    result: dict[str, Any]


class UndoneOut(ApiModel):
    restored: int = Field(description="Values that went back.")
    removed: int = Field(description="Rows, such as tags, that went away again.")
    returned: int = Field(description="Rows that came back.")
    kept_because_later: int = Field(description="Values and rows that somebody changed since; they stay.")


def _chosen(given: BulkEditIn) -> Chosen:
    ways = [bool(given.contact_ids), given.view_id is not None, given.args is not None]
    if sum(ways) != 1:
        raise InvalidInputError(worded("Say either contact_ids, or view_id, or args."), code="which_people")
    if given.view_id is not None:
        session, actor = current_session(), current_actor()
        named = {"view": str(given.view_id)}
        return chosen_by(address_of(session, actor, named, listing=PEOPLE).args)
    if given.args is not None:
        strange = sorted(given.args.keys() - set(PEOPLE.filters))
        if strange:
            raise InvalidInputError(worded("There is no filter or column “%(name)s”.", name=strange[0][:80]))
        return chosen_by(given.args)
    return Chosen(contact_ids=given.contact_ids)


@blueprint.get("/bulk-edits")
@operation(tag="bulk edits", query=BulkListQuery, returns=page_model(BulkSetOut))
@requires(Permission.BULK_EDIT)
def list_bulk_edits() -> Response:
    """What was changed of many people, the newest first."""
    query = read_query(BulkListQuery)
    page = bulk_edits(current_session(), current_actor(), after=query.after, now=request_now())
    return page_answer(page, BulkSetOut.model_validate)


@blueprint.post("/bulk-edits")
@operation(tag="bulk edits", body=BulkEditIn, returns=BulkEditOut, status=201, refuses=(403, 404))
@requires(Permission.BULK_EDIT)
def bulk_edit() -> Response:
    """Change one thing of many people in one transaction; people whom the caller may not see are left out."""
    given, session, actor = read_json(BulkEditIn), current_session(), current_actor()
    chosen, change = _chosen(given), BulkChange(field=given.field, value=given.value)
    if given.dry_run:
        found = service.preview(session, actor, chosen=chosen, change=change)
        return answer(BulkEditOut(changed=found.changing, change_set_id=None), 201)
    done = service.bulk_edit(session, actor, chosen=chosen, change=change, now=request_now())
    return answer(BulkEditOut(changed=done.changed, change_set_id=done.change_set_id), 201)


@blueprint.post("/bulk-edits/<uuid:change_set_id>/undo")
@operation(tag="bulk edits", returns=UndoneOut, refuses=(403, 404, 409))
@requires(Permission.BULK_EDIT)
def undo_bulk_edit(change_set_id: UUID) -> Response:
    """Take a bulk edit back; what somebody changed later stays."""
    session, actor = current_session(), current_actor()
    service.require_bulk_edit(session, actor, change_set_id=change_set_id)
    done = undo(session, actor, change_set_id=change_set_id, now=request_now())
    return answer(UndoneOut(**{name: getattr(done, name) for name in UndoneOut.model_fields}))

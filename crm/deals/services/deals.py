"""Owns making, changing, deleting and restoring deals."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.contacts import queries as contacts
from crm.contacts.inputs import parsed
from crm.contacts.services.conflicts import VersionMismatchError
from crm.contacts.services.owners import check_owner
from crm.deals import queries
from crm.deals.kinds import DealEvent, StageKind
from crm.deals.models import Deal, DealCompany, DealContact, DealStage, StageChange
from crm.deals.services.inputs import DealInput, NewDealInput
from crm.deals.services.telling import tell
from crm.errors import ConflictError, InvalidInputError, worded
from crm.filters.text import normalise

#: What is edited of a deal; its stage is moved, its people are linked.
FIELDS: Final = tuple(DealInput.model_fields)


class DealConflictError(ConflictError):
    """Somebody changed the same field meanwhile; `theirs` holds their value by field, as text."""

    code = "changed_meanwhile"

    def __init__(self, theirs: dict[str, str]) -> None:
        sentence = worded("Somebody else changed this meanwhile. Look at their value and decide.")
        super().__init__(sentence, fields=dict.fromkeys(theirs, sentence))
        self.theirs = theirs


def text_of(deal: Deal, field: str) -> str:
    """A field's value as text: what a form remembers to have shown."""
    value = getattr(deal, field)
    return "" if value is None else str(value)


def create(session: Session, actor: Actor, *, data: NewDealInput, now: datetime) -> Deal:
    """A new deal in an open stage, told on the timeline of its main person.

    Raises `InvalidInputError` (no pipeline, a closed stage, an owner who isn't here), not-found errors for what the
    actor doesn't see, `ForbiddenError`.
    """
    actor.require(Permission.EDIT)
    stage = _beginning(session, actor, data.stage_id)
    check_owner(session, actor, current=None, wanted=data.owner_id)
    if data.contact_id is not None:
        contacts.contact(session, actor, contact_id=data.contact_id)
    for company_id in data.company_ids:
        contacts.company(session, actor, company_id=company_id)
    values = {field: getattr(data, field) for field in FIELDS}
    values["currency"] = data.currency or session.get_one(Workspace, actor.workspace_id).currency
    deal = Deal(
        **values,
        title_norm=normalise(data.title),
        pipeline_id=stage.pipeline_id,
        stage_id=stage.id,
        state=StageKind.OPEN.value,
        stage_since=now,
        created_by_id=actor.user_id,
        created_at=now,
        updated_at=now,
    )
    if deal.owner_id is None and actor.kind is ActorKind.USER:
        deal.owner_id = actor.user_id
    session.add(deal)
    session.flush()
    session.add(StageChange(deal_id=deal.id, stage_id=stage.id, at=now, user_id=actor.user_id))
    if data.contact_id is not None:
        session.add(DealContact(deal_id=deal.id, contact_id=data.contact_id, role=data.contact_role, is_main=True))
    session.add_all(DealCompany(deal_id=deal.id, company_id=key) for key in dict.fromkeys(data.company_ids))
    session.flush()
    tell(session, actor, deal=deal, kind=DealEvent.CREATED, body=stage.name, now=now)
    return deal


def _beginning(session: Session, actor: Actor, stage_id: UUID | None) -> DealStage:
    """The stage where a deal begins: the one asked for, else the first open one."""
    if stage_id is None:
        for pipeline in queries.pipelines(session, actor):
            for stage in queries.stages(session, actor, pipeline_id=pipeline.id):
                if stage.kind == StageKind.OPEN:
                    return queries.stage(session, actor, stage_id=stage.id, keep=True)
        sentence = worded("Set up a pipeline first.")
        raise InvalidInputError(sentence, code="no_pipeline", fields={"stage_id": sentence})
    # The pipeline before the stage, as those do who change its stages.
    asked = queries.stage(session, actor, stage_id=stage_id)
    pipeline = queries.pipeline(session, actor, pipeline_id=asked.pipeline_id, keep=True)
    stage = queries.stage(session, actor, stage_id=stage_id, keep=True)
    if stage.kind != StageKind.OPEN:
        sentence = worded("A deal begins in an open stage.")
        raise InvalidInputError(sentence, fields={"stage_id": sentence})
    if pipeline.archived_at is not None:
        sentence = worded("This pipeline was put away.")
        raise InvalidInputError(sentence, fields={"stage_id": sentence})
    return stage


def update(
    session: Session,
    actor: Actor,
    *,
    deal_id: UUID,
    changes: Mapping[str, Any],
    seen: Mapping[str, str] | None = None,
    expected_version: int | None = None,
    now: datetime,
) -> Deal:
    """Change fields of a deal; `changes` as `DealInput`.

    `seen` holds the texts that the form showed: a field that somebody else changed meanwhile is refused with
    `DealConflictError`, others merge. `expected_version` refuses any other version with `VersionMismatchError`.
    """
    actor.require(Permission.EDIT)
    deal = queries.deal(session, actor, deal_id=deal_id, lock=True)
    if expected_version is not None and expected_version != deal.version:
        raise VersionMismatchError(worded("This was changed meanwhile. Read it again."))
    data = parsed(DealInput, {"title": deal.title, **changes})
    fresh = {field: getattr(data, field) for field in changes if getattr(deal, field) != getattr(data, field)}
    if fresh.get("currency") == "":
        fresh["currency"] = session.get_one(Workspace, actor.workspace_id).currency
    theirs = {
        field: text_of(deal, field)
        for field in fresh
        if seen is not None and field in seen and text_of(deal, field) != seen[field]
    }
    if theirs:
        raise DealConflictError(theirs)
    if not fresh:
        return deal
    if "owner_id" in fresh:
        check_owner(session, actor, current=deal.owner_id, wanted=fresh["owner_id"])
    if "probability" in fresh and deal.state != StageKind.OPEN:
        sentence = worded("What is won or lost has no chance any more.")
        raise InvalidInputError(sentence, fields={"probability": sentence})
    for field, value in fresh.items():
        setattr(deal, field, value)
    deal.title_norm, deal.updated_at = normalise(deal.title), now
    session.flush()
    return deal


def delete(session: Session, actor: Actor, *, deal_id: UUID, now: datetime) -> Deal:
    """Take a deal off boards, lists and totals; `restore` brings it back."""
    actor.require(Permission.EDIT)
    deal = queries.deal(session, actor, deal_id=deal_id, lock=True)
    deal.deleted_at = deal.updated_at = now
    session.flush()
    audit.record(session, actor, action="deal.deleted", object_kind="deal", object_id=deal_id)
    return deal


def restore(session: Session, actor: Actor, *, deal_id: UUID, now: datetime) -> Deal:
    """Bring a deleted deal back to its stage, or where that was removed, to the first one of its kind."""
    actor.require(Permission.EDIT)
    deal = queries.deal(session, actor, deal_id=deal_id, lock=True, deleted=True)
    stage = session.get_one(DealStage, deal.stage_id)
    if stage.archived_at is not None:
        rest = queries.stages(session, actor, pipeline_id=deal.pipeline_id)
        heir = next((other for other in rest if other.kind == deal.state), None)
        if heir is None:
            raise ConflictError(worded("Its stage was removed, and the pipeline has no other one like it."))
        deal.stage_id, deal.stage_since = heir.id, now
        session.add(StageChange(deal_id=deal.id, stage_id=heir.id, at=now, user_id=actor.user_id))
    # Somebody else may stand where it stood.
    deal.deleted_at, deal.updated_at, deal.placed = None, now, None
    session.flush()
    audit.record(session, actor, action="deal.restored", object_kind="deal", object_id=deal_id)
    return deal

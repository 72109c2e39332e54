"""Owns reading pipelines, their stages and the reasons for which deals are lost."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.queries import Scope
from crm.deals.models import Deal, DealStage, LostReason, Pipeline
from crm.errors import NotFoundError, worded


class PipelineNotFoundError(NotFoundError):
    """No such pipeline in this workspace."""

    code = "pipeline_not_found"


class StageNotFoundError(NotFoundError):
    """No such stage, or it was removed."""

    code = "stage_not_found"


class LostReasonNotFoundError(NotFoundError):
    """No such reason, or it was removed."""

    code = "lost_reason_not_found"


def pipelines(session: Session, actor: Actor, *, archived: bool = False) -> Sequence[Pipeline]:
    """The pipelines in use (or those put away) in their order; nothing for those who see nobody."""
    if contacts.scope(actor) is Scope.NOTHING:
        return []
    state = Pipeline.archived_at.is_not(None) if archived else Pipeline.archived_at.is_(None)
    return session.scalars(select(Pipeline).where(state).order_by(Pipeline.position, Pipeline.id)).all()


def pipeline(session: Session, actor: Actor, *, pipeline_id: UUID, lock: bool = False, keep: bool = False) -> Pipeline:
    """The pipeline, also one that was put away; raises `PipelineNotFoundError`.

    `lock` holds it for changing, `keep` only against being put away.
    """
    wanted = select(Pipeline).where(Pipeline.id == pipeline_id)
    if lock or keep:
        wanted = wanted.with_for_update(read=not lock).execution_options(populate_existing=True)
    found = session.scalars(wanted).one_or_none() if contacts.scope(actor) is not Scope.NOTHING else None
    if found is None:
        raise PipelineNotFoundError(worded("There is no such pipeline."))
    return found


def stages(session: Session, actor: Actor, *, pipeline_id: UUID | None = None) -> Sequence[DealStage]:
    """The stages in use of one pipeline, or of all, in their order."""
    if contacts.scope(actor) is Scope.NOTHING:
        return []
    wanted = select(DealStage).join(Pipeline, Pipeline.id == DealStage.pipeline_id)
    wanted = wanted.where(DealStage.archived_at.is_(None))
    if pipeline_id is not None:
        wanted = wanted.where(DealStage.pipeline_id == pipeline_id)
    return session.scalars(wanted.order_by(Pipeline.position, Pipeline.id, DealStage.position, DealStage.id)).all()


def stage(session: Session, actor: Actor, *, stage_id: UUID, lock: bool = False, keep: bool = False) -> DealStage:
    """The stage in use; raises `StageNotFoundError`. `lock` holds it for changing, `keep` only against its removal."""
    wanted = select(DealStage).where(DealStage.id == stage_id, DealStage.archived_at.is_(None))
    if lock or keep:
        wanted = wanted.with_for_update(read=not lock).execution_options(populate_existing=True)
    found = session.scalars(wanted).one_or_none() if contacts.scope(actor) is not Scope.NOTHING else None
    if found is None:
        raise StageNotFoundError(worded("There is no such stage."))
    return found


def stage_names(session: Session, actor: Actor, *, stage_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of stages, also of removed ones."""
    if contacts.scope(actor) is Scope.NOTHING or not stage_ids:
        return {}
    rows = session.execute(select(DealStage.id, DealStage.name).where(DealStage.id.in_(stage_ids)))
    return {row.id: row.name for row in rows}


def deals_in(session: Session, *, stage_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many living deals stand in each of the stages, whoever may see them; those without any are left out."""
    counted = select(Deal.stage_id, func.count()).where(Deal.stage_id.in_(stage_ids), Deal.deleted_at.is_(None))
    return dict(session.execute(counted.group_by(Deal.stage_id)).all())


def lost_reasons(session: Session, actor: Actor) -> Sequence[LostReason]:
    """The reasons to choose from, by name."""
    if contacts.scope(actor) is Scope.NOTHING:
        return []
    wanted = select(LostReason).where(LostReason.archived_at.is_(None)).order_by(LostReason.name_norm)
    return session.scalars(wanted).all()


def lost_reason(session: Session, actor: Actor, *, reason_id: UUID, removed: bool = False) -> LostReason:
    """The reason, with `removed` also one out of use; raises `LostReasonNotFoundError`."""
    wanted = select(LostReason).where(LostReason.id == reason_id)
    if not removed:
        wanted = wanted.where(LostReason.archived_at.is_(None))
    found = session.scalars(wanted).one_or_none() if contacts.scope(actor) is not Scope.NOTHING else None
    if found is None:
        raise LostReasonNotFoundError(worded("There is no such reason."))
    return found

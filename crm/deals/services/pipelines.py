"""Owns setting up pipelines, their stages, and the reasons for which deals are lost."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.contacts.inputs import parsed
from crm.db import new_id
from crm.deals import queries
from crm.deals.kinds import StageKind
from crm.deals.models import Deal, DealStage, LostReason, Pipeline, StageChange
from crm.deals.rules import CERTAIN
from crm.deals.services.inputs import StageInput
from crm.errors import ConflictError, InvalidInputError, worded
from crm.filters.text import normalise

MOST_PIPELINES: Final = 20
MOST_STAGES: Final = 30
MOST_REASONS: Final = 100


class StageInUseError(ConflictError):
    """Deals stand in the stage; `count` of them need another one first."""

    code = "stage_in_use"

    def __init__(self, count: int) -> None:
        sentence = worded("%(count)s deals stand in this stage. Say where they go.", count=count)
        super().__init__(sentence, fields={"move_to": sentence})
        self.count = count


def create_pipeline(
    session: Session, actor: Actor, *, name: str, stages: Sequence[StageInput], now: datetime
) -> Pipeline:
    """A new pipeline behind the others with its stages in the given order, at least one of them open."""
    actor.require(Permission.MANAGE_PIPELINES)
    if not any(stage.kind is StageKind.OPEN for stage in stages):
        sentence = worded("A pipeline needs at least one open stage.")
        raise InvalidInputError(sentence, fields={"stages": sentence})
    count, last = session.execute(select(func.count(), func.max(Pipeline.position))).one()
    if count >= MOST_PIPELINES:
        raise InvalidInputError(worded("There are too many pipelines already."), code="too_many")
    made = Pipeline(name=_name(name), position=(last or 0) + 1, created_at=now)
    session.add(made)
    session.flush()
    for position, data in enumerate(stages[:MOST_STAGES], start=1):
        session.add(DealStage(pipeline_id=made.id, position=position, **_values(data)))
    session.flush()
    audit.record(session, actor, action="pipeline.created", object_kind="pipeline", object_id=made.id)
    return made


def _name(name: str) -> str:
    return parsed(StageInput, {"name": name}).name


def _values(data: StageInput) -> dict[str, object]:
    """The columns of a stage: where the end is certain, there is neither another chance nor rot."""
    values: dict[str, object] = data.model_dump()
    values["kind"] = data.kind.value
    if data.kind in CERTAIN:
        values.update(probability=CERTAIN[data.kind], rot_days=None)
    return values


def rename_pipeline(session: Session, actor: Actor, *, pipeline_id: UUID, name: str) -> Pipeline:
    """Give a pipeline another name."""
    actor.require(Permission.MANAGE_PIPELINES)
    row = queries.pipeline(session, actor, pipeline_id=pipeline_id, lock=True)
    row.name = _name(name)
    session.flush()
    return row


def order_pipelines(session: Session, actor: Actor, *, pipeline_ids: Sequence[UUID]) -> None:
    """Put the pipelines in use in this order; raises `InvalidInputError` unless each is named once."""
    actor.require(Permission.MANAGE_PIPELINES)
    rows = {row.id: row for row in session.scalars(select(Pipeline).order_by(Pipeline.id).with_for_update())}
    _check_order(pipeline_ids, [key for key, row in rows.items() if row.archived_at is None])
    for position, key in enumerate(pipeline_ids, start=1):
        rows[key].position = position
    session.flush()


def _check_order(given: Sequence[UUID], held: Sequence[UUID]) -> None:
    if len(given) != len(held) or set(given) != set(held):
        sentence = worded("Name each one once, in the new order.")
        raise InvalidInputError(sentence, fields={"ids": sentence})


def shift_pipeline(session: Session, actor: Actor, *, pipeline_id: UUID, by: int) -> None:
    """Move a pipeline by so many places to the front (negative) or to the back; at the ends it stays."""
    actor.require(Permission.MANAGE_PIPELINES)
    found = queries.pipeline(session, actor, pipeline_id=pipeline_id)
    ids = [row.id for row in queries.pipelines(session, actor)]
    if found.id in ids:
        order_pipelines(session, actor, pipeline_ids=_shifted(ids, found.id, by))


def _shifted(ids: list[UUID], key: UUID, by: int) -> list[UUID]:
    at = ids.index(key)
    rest = [*ids[:at], *ids[at + 1 :]]
    to = min(max(at + by, 0), len(rest))
    return [*rest[:to], key, *rest[to:]]


def archive_pipeline(session: Session, actor: Actor, *, pipeline_id: UUID, now: datetime) -> Pipeline:
    """Put a pipeline away: its deals stay on their pages and in reports. One with open deals is refused."""
    actor.require(Permission.MANAGE_PIPELINES)
    row = queries.pipeline(session, actor, pipeline_id=pipeline_id, lock=True)
    open_deals = select(func.count()).where(
        Deal.pipeline_id == row.id, Deal.state == StageKind.OPEN, Deal.deleted_at.is_(None)
    )
    count = session.scalar(open_deals)
    if count:
        raise ConflictError(
            worded("%(count)s open deals stand in this pipeline. End or delete them first.", count=count),
            code="pipeline_in_use",
        )
    row.archived_at = row.archived_at or now
    session.flush()
    audit.record(session, actor, action="pipeline.archived", object_kind="pipeline", object_id=row.id)
    return row


def unarchive_pipeline(session: Session, actor: Actor, *, pipeline_id: UUID) -> Pipeline:
    """Take a pipeline into use again."""
    actor.require(Permission.MANAGE_PIPELINES)
    row = queries.pipeline(session, actor, pipeline_id=pipeline_id, lock=True)
    row.archived_at = None
    session.flush()
    return row


def add_stage(session: Session, actor: Actor, *, pipeline_id: UUID, data: StageInput) -> DealStage:
    """A new stage: an open one behind the open ones, another at the end."""
    actor.require(Permission.MANAGE_PIPELINES)
    queries.pipeline(session, actor, pipeline_id=pipeline_id, lock=True)
    held = list(queries.stages(session, actor, pipeline_id=pipeline_id))
    if len(held) >= MOST_STAGES:
        raise InvalidInputError(worded("There are too many stages already."), code="too_many")
    made = DealStage(pipeline_id=pipeline_id, position=len(held) + 1, **_values(data))
    session.add(made)
    opens = [stage for stage in held if stage.kind == StageKind.OPEN]
    at = held.index(opens[-1]) + 1 if data.kind is StageKind.OPEN and opens else len(held)
    _number([*held[:at], made, *held[at:]])
    session.flush()
    return made


def _number(stages: Sequence[DealStage]) -> None:
    for position, stage in enumerate(stages, start=1):
        stage.position = position


def change_stage(session: Session, actor: Actor, *, stage_id: UUID, data: StageInput) -> DealStage:
    """Name, chance and days of a stage; what it means stays while deals stand in it, deleted ones included."""
    actor.require(Permission.MANAGE_PIPELINES)
    stage = _held(session, actor, stage_id)
    if data.kind != stage.kind:
        if session.scalar(select(Deal.id).where(Deal.stage_id == stage.id).limit(1)) is not None:
            sentence = worded("Deals stood in this stage, so what it means can't change. Add another one instead.")
            raise ConflictError(sentence, code="stage_in_use", fields={"kind": sentence})
        _keep_one_open(session, actor, stage)
    for name, value in _values(data).items():
        setattr(stage, name, value)
    session.flush()
    return stage


def _held(session: Session, actor: Actor, stage_id: UUID) -> DealStage:
    """The stage, locked behind its pipeline: whoever changes the stages of one takes turns."""
    found = queries.stage(session, actor, stage_id=stage_id)
    queries.pipeline(session, actor, pipeline_id=found.pipeline_id, lock=True)
    return queries.stage(session, actor, stage_id=stage_id, lock=True)


def _keep_one_open(session: Session, actor: Actor, stage: DealStage) -> None:
    held = queries.stages(session, actor, pipeline_id=stage.pipeline_id)
    if stage.kind == StageKind.OPEN and sum(other.kind == StageKind.OPEN for other in held) == 1:
        raise ConflictError(worded("A pipeline needs at least one open stage."), code="last_open_stage")


def order_stages(session: Session, actor: Actor, *, pipeline_id: UUID, stage_ids: Sequence[UUID]) -> None:
    """Put the stages of a pipeline in this order; raises `InvalidInputError` unless each in use is named once."""
    actor.require(Permission.MANAGE_PIPELINES)
    queries.pipeline(session, actor, pipeline_id=pipeline_id, lock=True)
    rows = {row.id: row for row in queries.stages(session, actor, pipeline_id=pipeline_id)}
    _check_order(stage_ids, list(rows))
    _number([rows[key] for key in stage_ids])
    session.flush()


def shift_stage(session: Session, actor: Actor, *, stage_id: UUID, by: int) -> DealStage:
    """Move a stage by so many places to the front (negative) or to the back; at the ends it stays."""
    actor.require(Permission.MANAGE_PIPELINES)
    stage = _held(session, actor, stage_id)
    ids = [row.id for row in queries.stages(session, actor, pipeline_id=stage.pipeline_id)]
    order_stages(session, actor, pipeline_id=stage.pipeline_id, stage_ids=_shifted(ids, stage.id, by))
    return stage


def remove_stage(
    session: Session, actor: Actor, *, stage_id: UUID, move_to: UUID | None = None, now: datetime
) -> DealStage:
    """Take a stage out of use; its deals go to `move_to`, another stage of the pipeline that means the same.

    The history keeps its name. Raises `StageInUseError` when deals stand in it and nobody says where they go,
    `InvalidInputError` for a stage that they can't go to, `ConflictError` for the last open one.
    """
    actor.require(Permission.MANAGE_PIPELINES)
    stage = _held(session, actor, stage_id)
    _keep_one_open(session, actor, stage)
    count = queries.deals_in(session, stage_ids=[stage.id]).get(stage.id, 0)
    if count and move_to is None:
        raise StageInUseError(count)
    if move_to is not None:
        target = queries.stage(session, actor, stage_id=move_to, keep=True)
        if target.id == stage.id or (target.pipeline_id, target.kind) != (stage.pipeline_id, stage.kind):
            sentence = worded("Choose another stage of this pipeline that means the same.")
            raise InvalidInputError(sentence, fields={"move_to": sentence})
        _move_all(session, actor, stage, target, now=now)
    stage.archived_at = now
    session.flush()
    audit.record(session, actor, action="stage.removed", object_kind="pipeline", object_id=stage.pipeline_id)
    return stage


def _move_all(session: Session, actor: Actor, stage: DealStage, target: DealStage, *, now: datetime) -> None:
    """Every deal of the stage, deleted ones too; their history says so."""
    ids = session.scalars(select(Deal.id).where(Deal.stage_id == stage.id).order_by(Deal.id).with_for_update()).all()
    if not ids:
        return
    session.execute(
        insert(StageChange),
        [
            {
                "id": new_id(),
                "workspace_id": actor.workspace_id,
                "deal_id": deal_id,
                "stage_id": target.id,
                "at": now,
                "user_id": actor.user_id,
            }
            for deal_id in ids
        ],
    )
    session.execute(
        update(Deal)
        .where(Deal.stage_id == stage.id)
        .values(stage_id=target.id, stage_since=now, placed=None, version=Deal.version + literal(1)),
        execution_options={"synchronize_session": False},
    )
    session.expire_all()


def add_reason(session: Session, actor: Actor, *, name: str) -> LostReason:
    """A reason for lost deals; the same words (case and accents apart) are one, also when they were out of use."""
    actor.require(Permission.MANAGE_PIPELINES)
    bare = _name(name)
    if session.scalar(select(func.count()).where(LostReason.archived_at.is_(None))) == MOST_REASONS:
        sentence = worded("There are too many reasons already.")
        raise InvalidInputError(sentence, code="too_many", fields={"name": sentence})
    made = insert(LostReason).values(id=new_id(), workspace_id=actor.workspace_id, name=bare, name_norm=normalise(bare))
    again = made.on_conflict_do_update(
        index_elements=["workspace_id", "name_norm"], set_={"name": made.excluded.name, "archived_at": None}
    )
    return session.scalars(again.returning(LostReason), execution_options={"populate_existing": True}).one()


def remove_reason(session: Session, actor: Actor, *, reason_id: UUID, now: datetime) -> LostReason:
    """Offer a reason no more; deals that were lost for it keep it."""
    actor.require(Permission.MANAGE_PIPELINES)
    row = queries.lost_reason(session, actor, reason_id=reason_id)
    row.archived_at = now
    session.flush()
    return row

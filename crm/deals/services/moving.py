"""Owns moving deals from stage to stage and within one, and what follows when one is won or lost."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.deals import queries
from crm.deals.kinds import DealEvent, StageKind
from crm.deals.models import Deal, DealContact, DealStage, Pipeline, StageChange
from crm.deals.services.inputs import MoveInput
from crm.deals.services.placing import place_of
from crm.deals.services.telling import tell
from crm.errors import ConflictError, InvalidInputError, worded
from crm.events import DealWon, publish

_TOLD = {StageKind.OPEN: DealEvent.MOVED, StageKind.WON: DealEvent.WON, StageKind.LOST: DealEvent.LOST}


class DealChangedError(ConflictError):
    """Somebody else changed the deal since it was looked at; `deal` is how it stands."""

    code = "changed_meanwhile"

    def __init__(self, deal: Deal, stage: str) -> None:
        super().__init__(
            worded(
                "Somebody else changed “%(title)s” meanwhile: it stands in “%(stage)s” now.",
                title=deal.title,
                stage=stage,
            )
        )
        self.deal = deal


def move(
    session: Session,
    actor: Actor,
    *,
    deal_id: UUID,
    data: MoveInput,
    expected_version: int | None = None,
    now: datetime,
) -> Deal:
    """Move a deal to another stage, or to another place of its own; where it stands already, nothing happens.

    In another stage its own chance is forgotten, the history grows, the timeline tells it, and `DealWon` when it was
    won. Raises `DealChangedError` when it isn't the version that was looked at, `NeighbourMovedError`,
    `InvalidInputError` for a place that can't be, for a stage of a pipeline that `data` doesn't name or that was put
    away, and for a lost one without a reason, not-found errors, `ForbiddenError`.
    """
    actor.require(Permission.EDIT)
    # The stage before the deal, as its removal does: the two can't wait for each other.
    stage = _target(session, actor, data)
    deal = queries.deal(session, actor, deal_id=deal_id, lock=True)
    is_elsewhere = deal.stage_id != stage.id
    if not is_elsewhere and data.after_id is None and data.before_id is None:
        return deal
    if expected_version is not None and expected_version != deal.version:
        raise DealChangedError(deal, session.get_one(DealStage, deal.stage_id).name)
    if stage.pipeline_id not in {deal.pipeline_id, data.pipeline_id}:
        sentence = worded("This stage belongs to another pipeline.")
        raise InvalidInputError(sentence, fields={"stage_id": sentence})
    place = place_of(session, actor, deal=deal, stage=stage, data=data)
    if is_elsewhere:
        _enter(session, actor, deal, stage=stage, place=place, data=data, now=now)
    else:
        deal.placed, deal.updated_at = place, now
    session.flush()
    return deal


def _target(session: Session, actor: Actor, data: MoveInput) -> DealStage:
    """The stage to go to: kept in use, and held alone by whoever chooses a place in it."""
    if data.pipeline_id is not None:
        pipeline = queries.pipeline(session, actor, pipeline_id=data.pipeline_id, keep=True)
        if pipeline.archived_at is not None:
            sentence = worded("This pipeline was put away.")
            raise InvalidInputError(sentence, fields={"stage_id": sentence})
    is_placed = data.after_id is not None or data.before_id is not None
    stage = queries.stage(session, actor, stage_id=data.stage_id, lock=is_placed, keep=True)
    if data.pipeline_id not in {None, stage.pipeline_id}:
        sentence = worded("This stage belongs to another pipeline.")
        raise InvalidInputError(sentence, fields={"stage_id": sentence})
    return stage


def _enter(
    session: Session, actor: Actor, deal: Deal, *, stage: DealStage, place: str | None, data: MoveInput, now: datetime
) -> None:
    """Let the deal stand in another stage: what it is from now on, its history, what the timeline tells."""
    kind = StageKind(stage.kind)
    is_lost = kind is StageKind.LOST
    told = f"{_name_of(session, deal, stage)} → {_name_of(session, stage, deal)}"
    told = _reason(session, actor, data) if is_lost else told
    deal.pipeline_id, deal.stage_id, deal.state, deal.placed = stage.pipeline_id, stage.id, kind.value, place
    deal.stage_since, deal.updated_at, deal.probability = now, now, None
    deal.closed_at = None if kind is StageKind.OPEN else now
    deal.lost_reason_id, deal.lost_note = (data.lost_reason_id, data.lost_note) if is_lost else (None, "")
    session.add(StageChange(deal_id=deal.id, stage_id=stage.id, at=now, user_id=actor.user_id))
    session.flush()
    tell(session, actor, deal=deal, kind=_TOLD[kind], body=told, now=now)
    if kind is StageKind.WON:
        _publish(session, deal, now=now)


def _name_of(session: Session, here: Deal | DealStage, there: Deal | DealStage) -> str:
    """The name of the stage where one of the two is, with its pipeline where the other has another one."""
    stage = here if isinstance(here, DealStage) else session.get_one(DealStage, here.stage_id)
    if here.pipeline_id == there.pipeline_id:
        return stage.name
    return f"{session.get_one(Pipeline, here.pipeline_id).name}: {stage.name}"


def _reason(session: Session, actor: Actor, data: MoveInput) -> str:
    """Why it was lost, in words: the reason of the list and the note."""
    if data.lost_reason_id is None and not data.lost_note:
        sentence = worded("Say why it was lost: choose a reason or write one.")
        raise InvalidInputError(sentence, code="lost_reason_missing", fields={"lost_reason_id": sentence})
    named = ""
    if data.lost_reason_id is not None:
        named = queries.lost_reason(session, actor, reason_id=data.lost_reason_id).name
    return "\n".join(part for part in (named, data.lost_note) if part)


def _publish(session: Session, deal: Deal, *, now: datetime) -> None:
    main = select(DealContact.contact_id).where(DealContact.deal_id == deal.id, DealContact.is_main)
    publish(
        session,
        DealWon(
            workspace_id=deal.workspace_id,
            now=now,
            deal_id=deal.id,
            contact_id=session.scalars(main).one_or_none(),
            amount_minor=deal.amount_minor,
            currency=deal.currency,
        ),
    )

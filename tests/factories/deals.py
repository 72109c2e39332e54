"""Builders of pipelines and deals."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts.inputs import parsed
from crm.deals import queries, services
from crm.deals.models import Deal, DealStage, Pipeline
from crm.deals.services import MoveInput, NewDealInput, StageInput

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
#: Name, meaning, chance in per cent, days until its deals are marked.
STAGES: tuple[tuple[str, str, int, int | None], ...] = (
    ("First talk", "open", 20, 14),
    ("Offer", "open", 50, 7),
    ("Closing", "open", 80, None),
    ("Won", "won", 100, None),
    ("Lost", "lost", 0, None),
)


def pipeline(session: Session, actor: Actor, name: str = "Sales", *, now: datetime = NOW) -> Pipeline:
    """A pipeline with the five stages above; `actor` may manage pipelines."""
    stages = [
        StageInput.model_validate({"name": name, "kind": kind, "probability": chance, "rot_days": days})
        for name, kind, chance, days in STAGES
    ]
    return services.create_pipeline(session, actor, name=name, stages=stages, now=now)


def stage(session: Session, actor: Actor, name: str, *, pipeline_id: UUID | None = None) -> DealStage:
    """The stage in use called `name`."""
    return next(row for row in queries.stages(session, actor, pipeline_id=pipeline_id) if row.name == name)


def deal(
    session: Session, actor: Actor, title: str = "Report on ten firms", *, now: datetime = NOW, **fields: Any
) -> Deal:
    """A deal in the first open stage; `fields` as `NewDealInput`."""
    data = parsed(NewDealInput, {"title": title, "amount_minor": 100_000, **fields})
    return services.create(session, actor, data=data, now=now)


def moved(session: Session, actor: Actor, deal_id: UUID, name: str, *, now: datetime = NOW, **fields: Any) -> Deal:
    """The deal, moved to the stage of its pipeline called `name`; a lost one says why."""
    held = queries.deal(session, actor, deal_id=deal_id)
    target = stage(session, actor, name, pipeline_id=held.pipeline_id)
    if target.kind == "lost":
        fields = {"lost_note": "Too dear", **fields}
    data = MoveInput(stage_id=target.id, **fields)
    return services.move(session, actor, deal_id=deal_id, data=data, now=now)

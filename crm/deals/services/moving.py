"""Owns moving deals from stage to stage, and what follows when one is won or lost."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.deals import queries
from crm.deals.kinds import DealEvent, StageKind
from crm.deals.models import Deal, DealContact, DealStage, StageChange
from crm.deals.services.inputs import MoveInput
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
    """Move a deal to another stage of its pipeline; where it stands already, nothing happens.

    Its own chance is forgotten, the history grows, the timeline tells it, and `DealWon` when it was won. Raises
    `DealChangedError` when it isn't the version that was looked at, `InvalidInputError` for a stage of another
    pipeline and for a lost one without a reason, not-found errors, `ForbiddenError`.
    """
    actor.require(Permission.EDIT)
    # The stage before the deal, as its removal does: the two can't wait for each other.
    stage = queries.stage(session, actor, stage_id=data.stage_id, keep=True)
    deal = queries.deal(session, actor, deal_id=deal_id, lock=True)
    if deal.stage_id == stage.id:
        return deal
    if expected_version is not None and expected_version != deal.version:
        raise DealChangedError(deal, session.get_one(DealStage, deal.stage_id).name)
    if stage.pipeline_id != deal.pipeline_id:
        sentence = worded("This stage belongs to another pipeline.")
        raise InvalidInputError(sentence, fields={"stage_id": sentence})
    reason = _reason(session, actor, data) if stage.kind == StageKind.LOST else ""
    before = session.get_one(DealStage, deal.stage_id).name
    kind = StageKind(stage.kind)
    deal.stage_id, deal.state, deal.stage_since, deal.probability = stage.id, kind.value, now, None
    deal.closed_at = None if kind is StageKind.OPEN else now
    is_lost = kind is StageKind.LOST
    deal.lost_reason_id, deal.lost_note = (data.lost_reason_id, data.lost_note) if is_lost else (None, "")
    deal.updated_at = now
    session.add(StageChange(deal_id=deal.id, stage_id=stage.id, at=now, user_id=actor.user_id))
    session.flush()
    tell(session, actor, deal=deal, kind=_TOLD[kind], body=reason or f"{before} → {stage.name}", now=now)
    if kind is StageKind.WON:
        _publish(session, deal, now=now)
    return deal


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

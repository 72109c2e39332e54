"""Owns the place of a deal among the others of its stage: a word between those of its neighbours.

Nobody else is written for it, but where places grew too long: then the few that stand too close are put further apart.
Whoever places holds the stage, so two who use the same gap take turns.
"""

from uuid import UUID

from sqlalchemy import Text, Uuid, column, select, update, values
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.deals import queries, rules
from crm.deals.kinds import StageKind
from crm.deals.models import Deal, DealStage
from crm.deals.services.inputs import MoveInput
from crm.errors import ConflictError, InvalidInputError, worded


class NeighbourMovedError(ConflictError):
    """The deal beside which another one should stand is elsewhere by now."""

    code = "neighbour_moved"

    def __init__(self) -> None:
        super().__init__(worded("The deal beside it was moved meanwhile. Look at the board again."))


def place_of(session: Session, actor: Actor, *, deal: Deal, stage: DealStage, data: MoveInput) -> str | None:
    """The place that `data` asks for in a stage that the caller holds; None where it says nothing.

    Raises `InvalidInputError` for a place that can't be, `NeighbourMovedError`.
    """
    beside = data.after_id or data.before_id
    if beside is None:
        return None
    _check(deal, stage, data)
    neighbour = _neighbour(session, actor, stage, beside)
    low, high = _gap(session, deal, stage, neighbour, is_after=data.after_id is not None)
    place = rules.rank_between(low, high)
    if len(place) > rules.LONGEST_RANK:
        _make_room(session, deal, stage, low)
        session.refresh(neighbour, ["rank"])
        low, high = _gap(session, deal, stage, neighbour, is_after=data.after_id is not None)
        place = rules.rank_between(low, high)
    return place


def _check(deal: Deal, stage: DealStage, data: MoveInput) -> None:
    name = "after_id" if data.after_id else "before_id"
    sentence = ""
    if data.after_id and data.before_id:
        sentence = worded("Say one neighbour, not two.")
    elif stage.kind != StageKind.OPEN:
        sentence = worded("Won and lost deals stand by the day of their end.")
    elif deal.id in {data.after_id, data.before_id}:
        sentence = worded("A deal can't stand beside itself.")
    if sentence:
        raise InvalidInputError(sentence, fields={name: sentence})


def _neighbour(session: Session, actor: Actor, stage: DealStage, deal_id: UUID) -> Deal:
    try:
        found = queries.deal(session, actor, deal_id=deal_id)
    except queries.DealNotFoundError as error:
        raise NeighbourMovedError from error
    session.refresh(found, ["stage_id", "rank"])
    if found.stage_id != stage.id:
        raise NeighbourMovedError
    return found


def _gap(session: Session, deal: Deal, stage: DealStage, neighbour: Deal, *, is_after: bool) -> tuple[str, str | None]:
    """The places around the gap on one side of `neighbour`, whoever may see who stands there."""
    others = select(Deal.rank).where(Deal.stage_id == stage.id, Deal.deleted_at.is_(None), Deal.id != deal.id)
    if is_after:
        behind = others.where(Deal.rank > neighbour.rank).order_by(Deal.rank).limit(1)
        return neighbour.rank, session.scalars(behind).one_or_none()
    before = others.where(Deal.rank < neighbour.rank).order_by(Deal.rank.desc()).limit(1)
    return session.scalars(before).one_or_none() or "", neighbour.rank


def _make_room(session: Session, deal: Deal, stage: DealStage, low: str) -> None:
    """Put those that stand too close around the gap behind `low` further apart; order and versions stay."""
    start = low[: rules.ROOMY_RANK].rstrip(rules.DIGITS[0])
    others = select(Deal.id, Deal.rank).where(
        Deal.stage_id == stage.id, Deal.deleted_at.is_(None), Deal.id != deal.id, Deal.rank > start
    )
    crowd: list[UUID] = []
    end = None
    for deal_id, rank in session.execute(others.order_by(Deal.rank)):
        if rank > low and rules.is_roomy(start, rank):
            end = rank
            break
        crowd.append(deal_id)
    places = rules.ranks_between(start, end, len(crowd))
    fresh = values(column("id", Uuid), column("place", Text), name="fresh").data(list(zip(crowd, places, strict=True)))
    table = Deal.__table__
    session.execute(update(table).where(table.c.id == fresh.c.id).values(placed=fresh.c.place))
    for held in list(session.identity_map.values()):
        if isinstance(held, Deal) and held.id in set(crowd):
            session.expire(held, ["placed", "rank"])

"""Movers of the timeline and of tasks."""

from dataclasses import dataclass
from typing import Final

from crm.interactions.services.recounting import redate, rewarm
from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers.base import Mover, Pair, Stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Warming(Stays):
    """Warmth follows from the timeline, which has its mover before this one; so does when a person is due."""

    def move(self, pair: Pair) -> None:
        """Count both anew."""
        rewarm(pair.session, contact_ids=[pair.kept_id, pair.other_id], now=pair.now)

    def back(self, pair: Pair) -> None:
        """Count both anew; what was told after the merge may be older than what goes back."""
        redate(pair.session, contact_ids=[pair.kept_id, pair.other_id])
        rewarm(pair.session, contact_ids=[pair.kept_id, pair.other_id], now=pair.now)


MOVERS: Final[tuple[Mover, ...]] = (
    Mover(table="interaction", counts={Effect.INTERACTIONS: "x.removed_at is null"}),
    Mover(table="task", counts={Effect.TASKS: "x.done_at is null"}),
    Mover(table="task_link", same_by=("task_id",), counts={Effect.TASK_LINKS: ""}),
    Mover(table="cadence", same_by=("workspace_id",), counts={Effect.RHYTHM: "x.own_days is not null"}),
    Mover(table="set_aside", counts={Effect.SET_ASIDE: ""}),
    Warming(table="warmth", why="it is counted anew from the timeline of both, after that went over or came back"),
)

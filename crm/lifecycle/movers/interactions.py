"""Movers of the timeline and of tasks."""

from typing import Final

from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers.base import Mover

MOVERS: Final[tuple[Mover, ...]] = (
    Mover(table="interaction", counts={Effect.INTERACTIONS: "x.removed_at is null"}),
    Mover(table="task", counts={Effect.TASKS: "x.done_at is null"}),
    Mover(table="task_link", same_by=("task_id",)),
)

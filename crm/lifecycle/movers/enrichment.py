"""Movers of what was looked up elsewhere."""

from typing import Final

from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers.base import Mover

MOVERS: Final[tuple[Mover, ...]] = (
    Mover(table="enrichment_run", counts={Effect.LOOKUPS: "x.state in ('queued', 'running')"}),
)

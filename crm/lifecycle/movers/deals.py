"""Movers of deals: who takes part in them."""

from typing import Final

from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers.base import Mover

_LIVING: Final = (
    "exists (select 1 from deal d where d.workspace_id = x.workspace_id and d.id = x.deal_id and d.deleted_at is null)"
)

MOVERS: Final[tuple[Mover, ...]] = (
    # A deal that has both keeps its main person.
    Mover(
        table="deal_contact",
        same_by=("deal_id",),
        other_wins="o.is_main and not k.is_main",
        counts={Effect.DEALS: _LIVING},
    ),
)

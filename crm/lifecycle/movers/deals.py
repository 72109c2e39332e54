"""Movers of deals: who takes part in them."""

from typing import Final

from crm.lifecycle.movers.base import Mover

MOVERS: Final[tuple[Mover, ...]] = (
    # A deal that has both keeps its main person.
    Mover(table="deal_contact", same_by=("deal_id",), other_wins="o.is_main and not k.is_main"),
)

"""What becomes of every reference to a person when two records are merged: exactly one mover for each.

A new table that refers to a person gets a line in the module of its domain here. An architecture test holds that.
"""

from typing import Final

from crm.lifecycle.movers import audiences, consent, contacts, deals, enrichment, interactions, loyalty, outreach
from crm.lifecycle.movers.base import Mover, Pair, Stays, counted

#: In the order in which they run: messages are judged by consents before those change.
MOVERS: Final[tuple[Mover, ...]] = (
    *outreach.MOVERS,
    *consent.MOVERS,
    *loyalty.MOVERS,
    *contacts.MOVERS,
    *interactions.MOVERS,
    *enrichment.MOVERS,
    *deals.MOVERS,
    *audiences.MOVERS,
)

__all__ = ["MOVERS", "Mover", "Pair", "Stays", "counted", "loyalty"]

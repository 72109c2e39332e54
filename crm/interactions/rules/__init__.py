"""Decisions about the timeline, tasks, cadences and warmth: pure functions on plain values."""

from crm.interactions.rules.exchanges import EXCHANGES, LastSeen, direction_of, is_exchange, last_seen

__all__ = ["EXCHANGES", "LastSeen", "direction_of", "is_exchange", "last_seen"]

"""Decisions of loyalty as pure functions: drawing on lots, expiry, offers, and the codes people type."""

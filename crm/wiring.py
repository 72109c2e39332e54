"""Owns the one table of events and their handlers, shared by web, workers and command line."""

from crm.events import Event, Handler, Handlers

EVENTS: tuple[tuple[type[Event], Handler], ...] = ()


def handlers() -> Handlers:
    """The reactions of the whole product, in the order in which they run."""
    return Handlers(EVENTS)

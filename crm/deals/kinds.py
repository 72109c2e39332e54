"""Owns the words of deals: what a stage means, the orders of the list, and what stands on the timeline."""

from enum import StrEnum


class StageKind(StrEnum):
    """What it means that a deal stands in a stage; a deal's state is the kind of its stage."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class DealSort(StrEnum):
    """The orders of the list; each has the amount, the day or the title as its key and the id behind it."""

    CLOSES = "closes"
    TITLE = "title"
    AMOUNT = "amount"
    CREATED = "created"


class Step(StrEnum):
    """How a card goes within its column."""

    UP = "up"
    DOWN = "down"
    TOP = "top"


class Whose(StrEnum):
    MINE = "mine"
    TEAM = "team"


class DealEvent(StrEnum):
    """Kinds of interaction that a deal logs with its main contact."""

    CREATED = "deal.created"
    MOVED = "deal.moved"
    WON = "deal.won"
    LOST = "deal.lost"

"""Owns the words of campaigns: their states and what became of a recipient."""

from enum import StrEnum


class CampaignState(StrEnum):
    DRAFT = "draft"
    PREPARING = "preparing"
    REVIEW = "review"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class RecipientState(StrEnum):
    """A recipient's enrolment; what became of the text is read from the message itself."""

    PLANNED = "planned"
    DRAFTED = "drafted"
    HELD = "held"
    SKIPPED = "skipped"
    HOLDOUT = "holdout"


class LeaverPolicy(StrEnum):
    STAY = "stay"
    STOP = "stop"


class ScheduleKind(StrEnum):
    NOW = "now"
    AT = "at"
    SPREAD = "spread"

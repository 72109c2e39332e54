"""Owns the words of campaigns: their stages and states, and what became of a recipient."""

from enum import StrEnum


class CampaignStage(StrEnum):
    """How far people have brought a campaign; what its messages do meanwhile is read from them."""

    DRAFT = "draft"
    REVIEW = "review"
    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"


class CampaignState(StrEnum):
    """What pages show: the stage, together with the batch and its messages."""

    DRAFT = "draft"
    REVIEW = "review"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class RecipientState(StrEnum):
    """A recipient's enrolment; what became of the text is read from the message itself."""

    DRAFTED = "drafted"
    SKIPPED = "skipped"
    HOLDOUT = "holdout"


class Outcome(StrEnum):
    """What became of a recipient: every one is in exactly one of these, so that a report adds up."""

    WAITING = "waiting"
    SENT = "sent"
    SKIPPED = "skipped"
    HELD = "held"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    HOLDOUT = "holdout"


class Reaction(StrEnum):
    """What people did after it was sent; one person can be in several."""

    DELIVERED = "delivered"
    REPLIED = "replied"
    REDEEMED = "redeemed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    OPTED_OUT = "opted_out"


class LeaverPolicy(StrEnum):
    """What happens to people who leave the segment after the preparation."""

    STAY = "stay"
    STOP = "stop"


class ScheduleKind(StrEnum):
    NOW = "now"
    AT = "at"
    SPREAD = "spread"

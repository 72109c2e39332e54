"""Owns the words of outreach: the life of a message, delivery, account health, conversations."""

from enum import StrEnum


class MessageState(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    HELD = "held"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    RECEIVED = "received"


class MessageDirection(StrEnum):
    OUTBOUND = "outbound"
    INBOUND = "inbound"


class DeliveryState(StrEnum):
    """In order of severity: a later, milder receipt never hides a worse one."""

    NONE = "none"
    DELIVERED = "delivered"
    READ = "read"
    DELAYED = "delayed"
    FAILED = "failed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class AccountState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    HELD = "held"


class BatchState(StrEnum):
    OPEN = "open"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class ConversationState(StrEnum):
    OPEN = "open"
    WAITING = "waiting"
    SNOOZED = "snoozed"
    CLOSED = "closed"


class InboundState(StrEnum):
    STORED = "stored"
    PARKED = "parked"
    """A receipt whose message is not known yet: its sending may not be committed."""
    HANDLED = "handled"
    FAILED = "failed"


class NotSent(StrEnum):
    """Why a message did not go by hand."""

    LATER = "later"
    TOMORROW = "tomorrow"
    NOT_REACHED = "not_reached"
    WRONG_ADDRESS = "wrong_address"
    SKIP = "skip"
    NO_MORE = "no_more"


class MailboxState(StrEnum):
    """`HELD`: the server refused us, and only a change of the account lets it be asked again."""

    ON = "on"
    HELD = "held"
    STOPPED = "stopped"


class MailboxReach(StrEnum):
    """How far back the mail of a mailbox is brought in."""

    NOTHING = "nothing"
    THREE_MONTHS = "three_months"
    TWO_YEARS = "two_years"


class FolderRole(StrEnum):
    RECEIVED = "received"
    SENT = "sent"


class ReplyMode(StrEnum):
    """What is being written in a conversation."""

    REPLY = "reply"
    PRIVATE = "private"
    NOTE = "note"

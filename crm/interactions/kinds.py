"""Owns the words of the timeline: kinds of interaction, direction, visibility, sentiment, formats of history."""

from enum import StrEnum


class InteractionKind(StrEnum):
    """Dotted names, stored as text: workspaces may add kinds of their own beside these."""

    MESSAGE_SENT = "message.sent"
    MESSAGE_RECEIVED = "message.received"
    MESSAGE_IN_GROUP = "message.group"
    CALL = "call"
    MEETING = "meeting"
    NOTE = "note"
    COMMENT = "comment"
    MENTION = "mention"
    LIKE = "like"
    SHARE = "share"
    FOLLOW = "follow"
    REVIEW = "review"
    PURCHASE = "purchase"
    VISIT = "visit"
    POINTS_EARNED = "points.earned"
    POINTS_SPENT = "points.spent"
    OFFER_GIVEN = "offer.given"
    OFFER_REDEEMED = "offer.redeemed"
    FIELD_CHANGED = "field.changed"
    CONSENT_CHANGED = "consent.changed"
    DEAL_CREATED = "deal.created"
    DEAL_MOVED = "deal.moved"
    DEAL_WON = "deal.won"
    DEAL_LOST = "deal.lost"


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    NONE = "none"


class Visibility(StrEnum):
    PRIVATE = "private"
    TEAM = "team"
    PUBLIC = "public"


class Sentiment(StrEnum):
    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


class Tone(StrEnum):
    """The colour of a tag, by the names that the macros know."""

    PLAIN = "plain"
    ACCENT = "accent"
    OK = "ok"
    WAIT = "wait"
    BAD = "bad"


class StandardLabel(StrEnum):
    """The labels that every workspace has."""

    FEEDBACK = "feedback"
    COMPLAINT = "complaint"


class HistoryFormat(StrEnum):
    """What can be brought in as history."""

    WHATSAPP = "whatsapp"
    LINKEDIN = "linkedin"
    INSTAGRAM = "instagram"
    CALENDAR = "calendar"


class LeftOut(StrEnum):
    """Why something in brought-in history is on no timeline."""

    NOBODY = "nobody"
    GROUP = "group"
    AHEAD = "ahead"


class HistoryState(StrEnum):
    UPLOADED = "uploaded"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

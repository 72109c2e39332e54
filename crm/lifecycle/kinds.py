"""Owns the words of lifecycle: states and modes of an import, causes of an erasure, what a merge touches."""

from enum import StrEnum


class ImportState(StrEnum):
    UPLOADED = "uploaded"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class MatchKey(StrEnum):
    """By what an import recognises the people that are here already."""

    ANY = "any"
    """By the code in another program, then by any address, then (a row without either) by name and company."""
    EMAIL = "email"
    PHONE = "phone"
    HANDLE = "handle"
    """By the names on networks and messengers."""
    EXTERNAL_ID = "external_id"
    NAME = "name"


class ImportMode(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"


class ErasureCause(StrEnum):
    """Why somebody was erased."""

    ASKED = "asked"
    RETENTION = "retention"
    RESTORED = "restored"
    """A backup from before the erasure was restored, and brought them back."""


class Effect(StrEnum):
    """What a merge touches of the person who goes; numbers of rows, but for points and what is said otherwise."""

    ADDRESSES = "addresses"
    COMPANIES = "companies"
    LINKS = "links"
    TAGS = "tags"
    INTERACTIONS = "interactions"
    TASKS = "tasks"
    MESSAGES = "messages"
    SCHEDULED = "scheduled"
    #: Waiting messages, of either of the two, that go because both are in one campaign.
    DOUBLES = "doubles"
    #: Waiting messages, of either of the two, whose ground does not hold for the person that remains.
    SKIPPED = "skipped"
    CONVERSATIONS = "conversations"
    POINTS = "points"
    VOUCHERS = "vouchers"
    OPT_OUTS = "opt_outs"
    #: Limits on processing that stand.
    LIMITS = "limits"
    SEGMENTS = "segments"
    CAMPAIGNS = "campaigns"
    LOOKUPS = "lookups"
    DEALS = "deals"
    #: Uses of codes.
    REDEMPTIONS = "redemptions"
    #: Choices by hand: in or out of a segment or a campaign.
    PICKS = "picks"
    #: Tasks of somebody or something else that are also about this person.
    TASK_LINKS = "task_links"
    #: A number of days of their own for keeping in touch.
    RHYTHM = "rhythm"
    #: What colleagues put off or skipped on Today.
    SET_ASIDE = "set_aside"
    #: Values with their source, and those that still ask.
    FACTS = "facts"
    SUGGESTIONS = "suggestions"
    #: Values in fields of the workspace's own, and such fields of others that name this person.
    FIELDS = "fields"
    NAMED_IN = "named_in"
    #: Colleagues who were named to see this person.
    ACCESS = "access"
    #: Records that went up in this one before.
    EARLIER = "earlier"


class BulkField(StrEnum):
    """What a bulk edit changes of many people."""

    OWNER = "owner"
    LIFECYCLE = "lifecycle"
    IMPORTANCE = "importance"
    ADD_TAG = "add_tag"
    REMOVE_TAG = "remove_tag"
    DELETE = "delete"


class ExportFormat(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    VCARD_3 = "vcard3"
    VCARD_4 = "vcard4"


class ExportState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    """The file is gone; what was asked for stays on the list."""

"""Owns the words of contacts: importance, lifecycle, companies, handles, facts, links, and change sets."""

from enum import StrEnum


class Importance(StrEnum):
    KEY = "key"
    HIGH = "high"
    NORMAL = "normal"


class Lifecycle(StrEnum):
    FOLLOWER = "follower"
    LEAD = "lead"
    PROSPECT = "prospect"
    CUSTOMER = "customer"
    PARTNER = "partner"
    AMBASSADOR = "ambassador"
    PRESS = "press"
    PAST = "past"


class CompanyKind(StrEnum):
    PROSPECT = "prospect"
    CUSTOMER = "customer"
    PARTNER = "partner"
    COMPETITOR = "competitor"
    PRESS = "press"


class Address(StrEnum):
    """How the person is addressed in texts: Lei or tu."""

    FORMAL = "formal"
    INFORMAL = "informal"


class HandleState(StrEnum):
    ACTIVE = "active"
    BOUNCED = "bounced"
    BLOCKED = "blocked"
    GONE = "gone"


class LimitGround(StrEnum):
    """Why somebody's data may only be kept for the time being: the four cases of article 18 (1) of the GDPR."""

    ACCURACY = "accuracy"
    UNLAWFUL = "unlawful"
    CLAIMS = "claims"
    OBJECTION = "objection"


class AccessReason(StrEnum):
    """Why a colleague sees a person, or does not."""

    OWNER = "owner"
    MANAGES = "manages"
    NAMED = "named"
    ROLE_SEES_ALL = "role_sees_all"
    SAME_TEAM = "same_team"
    NOBODYS = "nobodys"
    RESTRICTED = "restricted"
    OTHER_TEAM = "other_team"
    OWN_ONLY = "own_only"
    NO_PEOPLE = "no_people"


class FactOrigin(StrEnum):
    TYPED = "typed"
    IMPORTED = "imported"
    FOUND = "found"
    RECEIVED = "received"


class FactState(StrEnum):
    CURRENT = "current"
    SUPERSEDED = "superseded"
    SUGGESTED = "suggested"
    REJECTED = "rejected"


class LinkKind(StrEnum):
    KNOWS = "knows"
    INTRODUCED_BY = "introduced_by"
    ASSISTANT_OF = "assistant_of"
    REPORTS_TO = "reports_to"


class ChangeSetKind(StrEnum):
    """What a change set can be of; each is undone by who may do it."""

    IMPORT = "import"
    BULK_EDIT = "bulk_edit"
    MERGE = "merge"


class ChangeSetState(StrEnum):
    OPEN = "open"
    DONE = "done"
    UNDONE = "undone"


class ChangeAction(StrEnum):
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class ListSubject(StrEnum):
    """Of what a list is, of which somebody chooses columns and keeps views."""

    PEOPLE = "people"
    COMPANIES = "companies"


class CustomSubject(StrEnum):
    """What a field of the workspace's own describes."""

    CONTACT = "contact"
    COMPANY = "company"


class CustomType(StrEnum):
    """What a field of the workspace's own holds."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    CHOICE = "choice"
    CHOICES = "choices"
    YES_NO = "yes_no"
    URL = "url"
    CONTACT = "contact"

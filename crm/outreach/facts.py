"""Owns what the gate may know about a person, an address, a message and the workspace: plain values, no I/O."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from crm.outreach.kinds import AccountState, BatchState
from crm.outreach.windows import Window


class ConsentAnswer(StrEnum):
    """What the consent domain says for one contact, purpose and channel."""

    ALLOWED = "allowed"
    MISSING = "missing"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Other:
    """Another message to the same person: when it left or is to leave, who wrote it, and whether by hand."""

    at: datetime
    author_id: UUID | None
    is_by_hand: bool


# Not all are frozen: these are made for each message that leaves, and a frozen one takes three times as long to make.
@dataclass(slots=True, kw_only=True)
class PersonFacts:
    """What the gate knows about the person; all instants UTC."""

    is_erased: bool = False
    is_merged: bool = False
    is_deleted: bool = False
    #: The person's data may only be kept for the time being.
    is_limited: bool = False
    time_zone: str = ""
    country: str = ""
    consent: ConsentAnswer = ConsentAnswer.ALLOWED
    last_reply_at: datetime | None = None
    last_exchange_at: datetime | None = None
    unanswered_since: datetime | None = None
    #: Since when the oldest complaint that nobody answered stands.
    complaint_since: datetime | None = None
    #: Messages planned for the person, or tried lately, apart from the one that is judged.
    others: tuple[Other, ...] = ()
    #: Promotional attempts of the last `BUDGET_SPAN`, oldest first.
    promotions: tuple[datetime, ...] = ()
    company_promotions: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandleFacts:
    """The address the message goes to; `state` is None when there is no usable handle."""

    state: str | None = "active"
    is_suppressed: bool = False
    #: False where a machine may write only to people who began the chat, and this one has not.
    is_started: bool = True
    #: Where free text may only answer what a person wrote lately: when that ends, which was long ago if they never did.
    text_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """The sender account; `pace_free_at` is when an exhausted minute or hour ends, `day_free_at` an exhausted day."""

    state: AccountState = AccountState.ACTIVE
    held_until: datetime | None = None
    pace_free_at: datetime | None = None
    day_free_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class MessageFacts:
    """The conditions a message carries itself; a mere question ("may I write?") has none."""

    batch: BatchState | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    stop_if_replied_since: datetime | None = None
    author_id: UUID | None = None
    has_voucher: bool = False
    is_voucher_redeemed: bool = False
    is_voucher_alive: bool = True
    has_missing_values: bool = False
    #: The words are a template that the network approved, which may go at any time.
    has_template: bool = False
    #: How far behind its time the message already was when the account was attended again; see `lateness`.
    late_by: timedelta = timedelta(0)
    is_late_accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The workspace's settings that bind the gate."""

    time_zone: str
    country: str
    window: Window
    promotional_per_week: int
    company_per_week: int
    late_after: timedelta
    is_sending_paused: bool = False
    are_promotions_paused: bool = False


@dataclass(slots=True, kw_only=True)
class Facts:
    """Everything `judge` looks at. `account` is None when the question is not about a particular sender account."""

    person: PersonFacts | None
    handle: HandleFacts
    message: MessageFacts = field(default_factory=MessageFacts)
    account: AccountFacts | None = None
    #: Nobody has set up an account for a channel that needs one.
    is_account_missing: bool = False

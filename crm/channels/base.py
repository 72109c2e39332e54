"""The small interface between the product and every channel: what goes out, what came of it, what came in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable
from uuid import UUID


class ChannelKind(StrEnum):
    """A kind of way to reach people."""

    EMAIL = "email"
    PHONE = "phone"
    WHATSAPP = "whatsapp"
    INSTAGRAM = "instagram"
    MESSENGER = "messenger"
    LINKEDIN = "linkedin"
    X = "x"
    TELEGRAM = "telegram"
    MASTODON = "mastodon"
    BLUESKY = "bluesky"
    SMS = "sms"
    WEBHOOK = "webhook"


class OutcomeKind(StrEnum):
    """What came of one attempt. Only `ACCEPTED` and the surely-not-sent kinds are certain."""

    ACCEPTED = "accepted"
    """The channel took the message; `remote_id` names it there."""
    RETRY_LATER = "retry_later"
    """Surely nothing left; the same attempt may succeed later."""
    PERMANENT = "permanent"
    """This address can't be reached, now or ever."""
    POLICY = "policy"
    """Not allowed now or by this route; the address is good."""
    CONTENT = "content"
    """The text, size or format is at fault."""
    AUTH = "auth"
    """The sender account is at fault: hold all of it, burn no attempts."""
    UNKNOWN = "unknown"
    """Bytes may have left; only a person or a read-back can settle it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer of a channel to one attempt.

    `code` is a short machine code (`connect_refused`, `rcpt_550`), `detail` another one
    with the enhanced status or the stage; neither ever holds a personal value, because
    both are kept in append-only tables.
    """

    kind: OutcomeKind
    code: str
    detail: str = ""
    remote_id: str | None = None
    not_before: datetime | None = None

    @property
    def surely_not_sent(self) -> bool:
        """Whether no copy can have reached the recipient."""
        return self.kind not in {OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file that travels with a message: its name for the reader, its media type, its bytes.

    `is_inline` says that it is a picture which the HTML of the message shows, as that of a signature, by its
    `content_id`.
    """

    filename: str
    content_type: str
    content: bytes
    is_inline: bool = False
    content_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundTemplate:
    """A text that the network itself approved: its name there, its language there, and the values of its gaps."""

    name: str
    language: str
    parameters: Sequence[str] = ()


def always() -> bool:
    """Nothing speaks against it."""
    return True


# One is made for each message that leaves; a frozen one takes three times as long to make.
@dataclass(slots=True, kw_only=True)
class Outbound:
    """One attempt to hand one message to a channel: everything an adapter may need, already rendered.

    `reference` is chosen before the first attempt and never changes: for e-mail it is the
    Message-ID with its angle brackets, for others our own id in whatever field the channel echoes.
    `date` is the moment of the attempt; e-mail writes it into the Date header. `to_platform_id` is the recipient's
    immutable id where the channel has one. `may_leave` is asked once more right before the first byte that can't be
    taken back.
    """

    message_id: UUID
    attempt_no: int
    reference: str
    from_address: str
    to_address: str
    subject: str
    text: str
    date: datetime
    from_name: str = ""
    to_name: str = ""
    html: str | None = None
    reply_to: str | None = None
    envelope_from: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    in_reply_to: str | None = None
    references: Sequence[str] = ()
    attachments: Sequence[Attachment] = ()
    to_platform_id: str | None = None
    template: OutboundTemplate | None = None
    may_leave: Callable[[], bool] = always


class ReceiptKind(StrEnum):
    """What a channel tells about a message that it took earlier."""

    SENT = "sent"
    """It took it: news only where our own try ended in doubt."""
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class BounceAction(StrEnum):
    """The `Action` field of RFC 3464, section 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One event that arrived: what all kinds have in common.

    `event_id` is the platform's own id, unique within an account, so that the same event stored twice is one row; of
    a message it is the id by which answers name it. `occurred_at` is what the sender claims and may be missing or
    wrong.
    """

    event_id: str
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread(Inbound):
    """An event of a kind that nothing here reads, `what` in the platform's word: kept raw, and nothing is done."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Inbound):
    """A message that a person wrote to us (also when it answers nothing of ours).

    `text` is what they wrote now, without quoted history; `full_text` is everything.
    `token` is the plus-address part of the recipient, if any. `opt_out` is true when the whole
    short message is a stop word. `platform_id` is the author's immutable id; where there is one, `from_address` is
    only what they are called today, and may be empty. `in_reply_to` is the Message-ID, or elsewhere the `remote_id`,
    of what they answer.
    """

    from_address: str
    platform_id: str | None = None
    text: str
    from_name: str = ""
    full_text: str = ""
    html: str | None = None
    subject: str = ""
    to_addresses: Sequence[str] = ()
    in_reply_to: str | None = None
    references: Sequence[str] = ()
    token: str | None = None
    opt_out: bool = False
    attachments: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoReply(Reply):
    """An out-of-office note or another machine's answer: kept, but it is not a reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Reply):
    """A person opened our start link and pressed the button: from now on we may write to them there.

    `payload` is what our link carried, empty when they came by themselves.
    """

    payload: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicPost(Reply):
    """A comment or mention that everybody can read, at `post_url`, below our own post at `parent_url`."""

    post_url: str
    parent_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachability(Inbound):
    """Whether the account may write to a person has changed: they blocked it, left, or let it in again."""

    platform_id: str
    reachable: bool
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncedRecipient:
    """What a delivery report says about one address; `status` is `5.1.1`-like or empty."""

    address: str
    action: BounceAction
    status: str = ""
    outcome: OutcomeKind = OutcomeKind.PERMANENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce(Inbound):
    """A delivery report about something we sent (RFC 3464, or a free-form imitation of it)."""

    recipients: Sequence[BouncedRecipient]
    original_reference: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint(Inbound):
    """A feedback report (RFC 5965): the person pressed "this is spam"."""

    feedback_type: str
    original_reference: str | None = None
    original_recipient: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Inbound):
    """News about a message the channel took earlier, by the channel's id or our reference."""

    kind: ReceiptKind
    remote_id: str | None = None
    reference: str | None = None
    code: str = ""
    outcome: OutcomeKind | None = None
    """What a failure means, as for an attempt; None for good news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a channel allows: text length as it counts it, pace, and the window after a person wrote.

    `None` means that the channel sets no such limit.
    """

    max_text: int | None = None
    max_bytes: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    reply_window: timedelta | None = None
    has_subject: bool = False
    assisted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Whether the credentials of a sender account work; `code` says what is wrong."""

    ok: bool
    code: str = "ok"
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a channel knows about an address: its immutable id, and whether we may write there."""

    address: str
    platform_id: str | None = None
    reachable: bool = True
    code: str = ""


@runtime_checkable
class Adapter(Protocol):
    """One sender account on one channel. No database, no web request, no shared state.

    An adapter may keep connections; `close` ends them. It is used by one thread at a time. One that waits for the
    network through `crm.hub` alone may say so with `takes_turns = True` (see `takes_turns`), and one that asks
    `may_leave` before anything that can't be taken back with `asks_to_leave = True` (see `asks_to_leave`).
    """

    @property
    def kind(self) -> ChannelKind:
        """The channel it speaks to."""
        ...

    @property
    def limits(self) -> Limits:
        """What the channel allows this account."""
        ...

    def check(self) -> CheckResult:
        """Try the credentials without sending anything."""
        ...

    def resolve(self, address: str) -> Resolved:
        """Find the immutable id of a normalised address and whether it can be written to."""
        ...

    def send(self, outbound: Outbound) -> Outcome:
        """Hand over one message. Never raises for what the network or the channel does."""
        ...

    def find_sent(self, reference: str) -> Outcome | None:
        """Look up an earlier attempt by our reference; None when the channel can't be read back.

        Accepted: a copy is there. Unknown: none is there, which may prove nothing. Anything else: nobody could look.
        """
        ...

    def parse(self, raw: bytes) -> Sequence[Inbound]:
        """Read one raw inbound payload of this channel."""
        ...

    def close(self) -> None:
        """End kept connections; safe to call twice."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """One event of a delivery, raw: the platform's id of it (unique within the account) and its own bytes."""

    event_id: str
    raw: bytes


class SignatureError(Exception):
    """A delivery that is not proven to come from the platform: `code` says why; nothing of it was read."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@runtime_checkable
class Door(Protocol):
    """How the deliveries of a channel are proven and taken apart. Pure: no network, no database.

    `secret` is the account's decrypted credentials, `config` its settings in clear, `headers` have names in lower case.
    """

    def challenge(self, query: Mapping[str, str], *, secret: Mapping[str, str]) -> str | None:
        """The plain answer to the platform's question whether the address is ours; None when it must be refused."""
        ...

    def verify(self, body: bytes, headers: Mapping[str, str], *, secret: Mapping[str, str], now: datetime) -> None:
        """Prove the raw bytes, before anything of them is read. Raises `SignatureError`."""
        ...

    def split(self, body: bytes, headers: Mapping[str, str], *, config: Mapping[str, Any]) -> Sequence[Piece]:
        """The events of a proven delivery; whatever can't be read is one piece as it is. Never raises.

        A delivery for somebody else's number or page (the platform's batch may hold several) is left out.
        """
        ...


@dataclass(frozen=True, slots=True)
class Polled:
    """What came since the last look, and where the next one begins."""

    pieces: Sequence[Piece]
    cursor: str


@runtime_checkable
class Polls(Protocol):
    """An adapter that asks for what came in; whoever calls commits the pieces before asking with the new cursor."""

    def poll(self, cursor: str) -> Polled:
        """Everything behind `cursor` (empty at first), at most what one answer holds. Raises `PollError`."""
        ...


class PollError(Exception):
    """Nothing could be asked: `kind` says whether the account is at fault or the moment, `code` what it was."""

    def __init__(self, code: str, kind: OutcomeKind = OutcomeKind.RETRY_LATER) -> None:
        super().__init__(code)
        self.code = code
        self.kind = kind


def takes_turns(adapter: Adapter) -> bool:
    """Whether `send` gives way to the other lines of its thread; else it must be called in a thread of its own."""
    return getattr(adapter, "takes_turns", False)


def asks_to_leave(adapter: Adapter) -> bool:
    """Whether `send` asks `may_leave` itself; else everything it does counts as something that can't be taken back."""
    return getattr(adapter, "asks_to_leave", False)

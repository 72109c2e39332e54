"""Decides by the head of a mail what becomes of it: new, history, sent by us, or left where it is."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind
from crm.channels.mail_parts import addresses, header, headers, message_ids, sender, sent_at
from crm.channels.mailbox import Head
from crm.outreach.kinds import FolderRole

#: A mail to more people than this is a newsletter, which nobody's history needs.
MOST_PEOPLE: Final = 50
#: Clocks of senders are wrong by hours, not by days.
_TOLERANCE: Final = timedelta(days=2)
#: The part of an address by which an answer, or a copy for the history, is known.
_TOKEN: Final = re.compile(r"\+([A-Za-z0-9_-]{4,64})@")
_MOST_TOKENS: Final = 5
_MACHINES: Final = frozenset({"mailer-daemon", "postmaster"})


class Fate(StrEnum):
    """What becomes of a mail."""

    #: As anything that comes in: stored raw, then handled.
    NEW = "new"
    #: A report about a delivery: stored when it is about something we sent.
    REPORT = "report"
    #: Dated when it happened; nobody is told, nothing waits.
    HISTORY = "history"
    #: Written by us in another mail program.
    SENT = "sent"
    STRANGER = "stranger"
    #: Kept out by an exclusion: not even counted by whom.
    EXCLUDED = "excluded"
    NEWSLETTER = "newsletter"
    #: Between colleagues, or our own copy of what this program sent.
    INSIDE = "inside"
    #: On the timeline already.
    KNOWN = "known"
    #: From before the time that was asked for, or without anybody in it.
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Place:
    """To whom an address belongs; neither of the first two for somebody who wrote to a shared mailbox."""

    handle_id: UUID
    contact_id: UUID | None
    company_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A head, read: addresses normalised, `at` the moment that its place on a timeline has."""

    uid: int
    size: int
    message_id: str
    author: str
    author_name: str
    recipients: tuple[str, ...]
    names: tuple[str, ...]
    at: datetime
    arrived_at: datetime | None
    written_at: datetime | None
    tokens: tuple[str, ...]
    is_crowded: bool
    is_list: bool
    is_report: bool

    @property
    def people(self) -> frozenset[str]:
        """Every address in it."""
        return frozenset((*self.recipients, self.author)) - {""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for a mailbox: see `crm.outreach.mailbox_models`."""

    own_address: str
    started_at: datetime
    since: datetime
    keeps_strangers: bool
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known here of the addresses and ids in a page of letters.

    `ours` are Message-IDs that this program gave, `tokens` those that name a message or a colleague of ours, `logged`
    the ids of entries (`<id>` of received mail, `<id>#address` of sent mail).
    """

    places: Mapping[str, Place]
    colleagues: Collection[str] = frozenset()
    erased: Collection[str] = frozenset()
    ours: Collection[str] = frozenset()
    tokens: Collection[str] = frozenset()
    logged: Collection[str] = frozenset()

    def has_answer(self, letter: Letter) -> bool:
        """Whether a letter answers something of ours, or was sent to somebody's address for copies."""
        if any(token in self.tokens for token in letter.tokens):
            return True
        return letter.author not in self.colleagues and any(name in self.ours for name in letter.names)


def read(head: Head, *, now: datetime) -> Letter:
    """Read a head that a stranger wrote; nothing in it is believed further than it must be."""
    fields = head.fields
    name, address = sender(fields)
    own_id = message_ids(headers(fields, "Message-ID"))
    answered = message_ids(headers(fields, "In-Reply-To"))
    everybody = addresses(head.recipients)
    written_at = sent_at(fields)
    arrived_at = head.arrived_at
    latest = min(now, arrived_at + _TOLERANCE) if arrived_at else now
    return Letter(
        uid=head.uid,
        size=head.size,
        message_id=own_id[0] if own_id else "",
        author=norm(address),
        author_name=name,
        recipients=tuple(dict.fromkeys(filter(None, map(norm, everybody[: MOST_PEOPLE + 5])))),
        names=tuple(dict.fromkeys((*answered, *reversed(message_ids(headers(fields, "References")))))),
        at=min(written_at or arrived_at or now, latest),
        arrived_at=arrived_at,
        written_at=written_at,
        tokens=tuple(dict.fromkeys(_TOKEN.findall(head.recipients)))[:_MOST_TOKENS],
        is_crowded=head.is_cut or len(everybody) > MOST_PEOPLE,
        is_list=_is_list(head),
        is_report=_is_report(head, address),
    )


def norm(address: str) -> str:
    """An address as handles keep it; empty for what is none."""
    try:
        return normalise(ChannelKind.EMAIL, address).address_norm
    except AddressError:
        return ""


def _is_list(head: Head) -> bool:
    """Newsletters, discussion lists and other mail to many (RFC 2919, RFC 2369, RFC 8058; Precedence by habit)."""
    if any(header(head.fields, name) for name in ("List-Id", "List-Post", "List-Unsubscribe")):
        return True
    is_answering = header(head.fields, "Auto-Submitted").lower().startswith("auto-replied") or any(
        header(head.fields, name) for name in ("X-Autoreply", "X-Autorespond")
    )
    return not is_answering and header(head.fields, "Precedence").lower() in {"bulk", "list", "junk"}


def _is_report(head: Head, address: str) -> bool:
    kind = header(head.fields, "Content-Type").lower()
    is_machine = address.partition("@")[0] in _MACHINES or bool(header(head.fields, "X-Failed-Recipients"))
    return kind.startswith("multipart/report") or is_machine


def is_new(letter: Letter, rules: Rules, *, is_back: bool) -> bool:
    """Whether it came after the mailbox was switched on.

    What has just come into a folder is new, unless somebody moved old mail there; the author's date, which may be
    wrong by years, is not asked. Going back through a folder both dates must say so, since a server that was moved
    gives old mail a new date of arrival.
    """
    if letter.arrived_at is None:
        return not is_back
    if not is_back:
        return letter.arrived_at >= rules.started_at - _TOLERANCE
    # Servers tell whole seconds.
    if letter.arrived_at < rules.started_at.replace(microsecond=0):
        return False
    return letter.written_at is None or letter.written_at >= rules.started_at - _TOLERANCE


def is_excluded(letter: Letter, rules: Rules, colleagues: Collection[str]) -> bool:
    """Whether anybody in it is kept out; ourselves and colleagues alone don't make a mail private."""
    if not rules.excluded:
        return False
    others = letter.people - set(colleagues) - {rules.own_address}
    if letter.author in colleagues and letter.author in rules.excluded:
        return True
    return any(matches(address, rules.excluded) for address in others)


def matches(address: str, patterns: Collection[str]) -> bool:
    """Whether an address, or its domain or one above it, is among the patterns (`a@b.example`, `@b.example`)."""
    if address in patterns:
        return True
    labels = address.rpartition("@")[2].split(".")
    return any("@" + ".".join(labels[start:]) in patterns for start in range(len(labels)))


def fate(letter: Letter, rules: Rules, around: Surroundings, *, role: FolderRole, is_back: bool) -> Fate:
    """What becomes of a letter in a folder of this role; `is_back` while its folder is read backwards."""
    if is_excluded(letter, rules, around.colleagues):
        return Fate.EXCLUDED
    fresh = is_new(letter, rules, is_back=is_back)
    if not fresh and letter.at < rules.since:
        return Fate.NOTHING
    if role is FolderRole.SENT:
        return _of_sent(letter, rules, around)
    return _of_received(letter, rules, around, fresh=fresh, is_back=is_back)


def _of_sent(letter: Letter, rules: Rules, around: Surroundings) -> Fate:
    if letter.message_id in around.ours:
        return Fate.INSIDE
    if letter.is_crowded or letter.is_list or letter.is_report:
        return Fate.NEWSLETTER
    others = set(letter.recipients) - {rules.own_address, letter.author}
    if not others:
        return Fate.NOTHING
    known = [address for address in others if is_known(address, rules, around)]
    if known:
        return Fate.KNOWN if all(f"{letter.message_id}#{one}" in around.logged for one in known) else Fate.SENT
    return Fate.INSIDE if others <= set(around.colleagues) else Fate.STRANGER


def _of_received(letter: Letter, rules: Rules, around: Surroundings, *, fresh: bool, is_back: bool) -> Fate:
    if letter.is_report:
        return Fate.REPORT if fresh else Fate.NOTHING
    # Whoever answers us is heard, even through a list or from an address that nobody knows.
    if fresh and around.has_answer(letter):
        return Fate.NEW
    if letter.is_list or letter.is_crowded:
        return Fate.NEWSLETTER
    # What came before somebody was erased must not bring them back.
    if not letter.author or (is_back and letter.author in around.erased):
        return Fate.NOTHING
    return _of_author(letter, rules, around, fresh=fresh)


def _of_author(letter: Letter, rules: Rules, around: Surroundings, *, fresh: bool) -> Fate:
    # A mail from our own address that lies among the received ones is a copy, or somebody who only claims to be us.
    if letter.author in around.colleagues or letter.author == rules.own_address:
        return Fate.INSIDE
    known = is_known(letter.author, rules, around)
    if fresh:
        return Fate.NEW if known or rules.keeps_strangers else Fate.STRANGER
    if not known:
        return Fate.STRANGER
    return Fate.KNOWN if letter.message_id in around.logged else Fate.HISTORY


def is_known(address: str, rules: Rules, around: Surroundings) -> bool:
    """Whether an address has a timeline: of a person or company, in a shared mailbox also of who wrote to it."""
    place = around.places.get(address)
    if place is None or address in around.colleagues:
        return False
    return rules.keeps_strangers or place.contact_id is not None or place.company_id is not None

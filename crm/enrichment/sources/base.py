"""What a source of public facts is: what it needs, what it can say, how often it may be asked, under which terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from crm.channels.base import ChannelKind
from crm.enrichment.kinds import SourceName
from crm.net.client import HttpClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a source may know about the company it is asked for, as plain values."""

    name: str
    website: str = ""
    domain: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One value for one field of the company; `confidence` 0 to 100."""

    field: str
    value: str
    confidence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHandle:
    """One address of the company on one channel, normalised."""

    channel: ChannelKind
    address: str
    address_norm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one look at a source gave.

    `url` is where it was read; `not_modified` says that nothing changed since `etag` or `last_modified`. `extras` are
    findings without a field of their own (feeds, logo), shown as they are.
    """

    url: str
    findings: tuple[Finding, ...] = ()
    handles: tuple[FoundHandle, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    last_modified: str = ""
    not_modified: bool = False


class SourceError(Exception):
    """The source answered, but said nothing usable; `code` is short and stable, `retry_after` when to ask again."""

    def __init__(self, code: str, *, retry_after: timedelta) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class Source(Protocol):
    """One place to ask. A new source is one file with one class, and one line in `sources.SOURCES`."""

    @property
    def name(self) -> SourceName:
        """Its key."""
        ...

    @property
    def title(self) -> str:
        """Its name for people, English for gettext."""
        ...

    @property
    def needs(self) -> str:
        """What must be known before it can be asked, as a sentence."""
        ...

    @property
    def says(self) -> tuple[str, ...]:
        """The fields of a company it can fill."""
        ...

    @property
    def licence(self) -> str:
        """Under which terms its answers may be kept, as a sentence."""
        ...

    @property
    def pace(self) -> timedelta:
        """The shortest time between two questions of one workspace."""
        ...

    @property
    def fresh_for(self) -> timedelta:
        """How long an answer is not asked for again by a machine."""
        ...

    def address(self, subject: Subject) -> str | None:
        """Where to ask about `subject`; None when something it needs is missing."""
        ...

    def fetch(
        self, client: HttpClient, address: str, *, country: str = "", etag: str = "", last_modified: str = ""
    ) -> Found:
        """Ask; `country` is taken where the answer names none.

        Raises `NetError` for the way there and `SourceError` for the answer.
        """
        ...

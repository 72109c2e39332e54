"""Calls the API of a platform: one guarded request with a JSON answer, and how much is certain when none comes."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import urlsplit

from crm.channels.base import Outcome, OutcomeKind
from crm.channels.setup import ConfigError
from crm.net.client import HttpClient
from crm.net.errors import NetCode, NetError
from crm.net.guard import Guard
from crm.numbers import whole

#: A platform that takes longer than this for one message has a problem.
TOTAL_SECONDS: Final = 20.0
#: Deeper JSON is written to exhaust its reader, and no platform sends it.
_MAX_DEPTH: Final = 40
_FIRST_SERVER_ERROR: Final = 500
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a platform answered: the status, headers by lower-case name, and its JSON object (empty when none)."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def is_theirs(self) -> bool:
        """Whether the platform itself spoke: a proxy on the way answers with no JSON, and may be wrong about it."""
        return bool(self.body)

    @property
    def is_server_error(self) -> bool:
        """Whether the other side says that it is at fault."""
        return self.status >= _FIRST_SERVER_ERROR


class NoAnswerError(Exception):
    """There is no answer: `code` says why, `may_have_arrived` whether the request can have been read all the same."""

    def __init__(self, code: NetCode, *, may_have_arrived: bool) -> None:
        super().__init__(code.value)
        self.code = code
        self.may_have_arrived = may_have_arrived

    @property
    def outcome(self) -> Outcome:
        """What this means for a message."""
        if self.may_have_arrived:
            return Outcome(kind=OutcomeKind.UNKNOWN, code="api_no_answer", detail=self.code.value)
        return Outcome(kind=OutcomeKind.RETRY_LATER, code=f"api_{self.code.value}")


class Platform:
    """One platform's API at its fixed address. Every call is a connection of its own.

    `base_url` replaces the address where the operator exempted its host with NET_ALLOW, else `ConfigError` is raised:
    credentials go nowhere but to the platform.
    """

    def __init__(self, home: str, guard: Guard, *, base_url: str = "", total_seconds: float = TOTAL_SECONDS) -> None:
        if base_url and not (urlsplit(base_url).hostname and guard.is_exempt(urlsplit(base_url).hostname or "")):
            raise ConfigError(["base_url"])
        self._base = (base_url or home).rstrip("/")
        self._client = HttpClient(guard, version=_version(), total_seconds=total_seconds)

    def post(self, path: str, data: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a JSON object to `path` (with its slash). Raises `NoAnswerError`."""
        content = json.dumps(data, ensure_ascii=False).encode()
        lines = {"content-type": "application/json", **(headers or {})}
        try:
            answer = self._client.post(self._base + path, content=content, headers=lines)
        except NetError as error:
            raise _no_answer(error) from None
        return Answer(status=answer.status, headers=answer.headers, body=read_object(answer.content))

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask `path` (with its slash). Raises `NoAnswerError`."""
        try:
            answer = self._client.get(self._base + path, headers=headers, robots=False)
        except NetError as error:
            raise _no_answer(error) from None
        return Answer(status=answer.status, headers=answer.headers, body=read_object(answer.content))


def _no_answer(error: NetError) -> NoAnswerError:
    # The address of the request may hold a credential, so the cause is left behind.
    return NoAnswerError(error.code, may_have_arrived=error.has_begun)


def _version() -> str:
    with suppress(PackageNotFoundError):
        return version("filodiretto")
    return "0"


def read_object(raw: bytes) -> Mapping[str, Any]:
    """The JSON object of some bytes; empty for anything else, also for what is nested too deeply."""
    try:
        read = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) and _is_shallow(read) else {}


def _is_shallow(read: object) -> bool:
    level = [read]
    for _ in range(_MAX_DEPTH):
        following: list[object] = []
        for each in level:
            following.extend(each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        if not following:
            return True
        level = following
    return False


def part(of: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The object inside an object, by the names on the way; empty when there is none."""
    found: Any = of
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def parts(of: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects in a list inside an object; whatever else is in it is left out."""
    found = of.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text_of(of: Mapping[str, Any], name: str) -> str:
    """A text inside an object, without the characters that no database takes; a whole number counts as its digits."""
    found = of.get(name)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if not isinstance(found, str):
        return ""
    return found.replace("\x00", "").encode("utf-8", "replace").decode()


def number_of(of: Mapping[str, Any], name: str) -> int | None:
    """A whole number inside an object, also one written as a text; None for anything else."""
    return whole(text_of(of, name))


def moment_of(of: Mapping[str, Any], name: str) -> datetime | None:
    """A Unix time in seconds inside an object; None for none, or for one that nobody can mean."""
    seconds = number_of(of, name)
    if seconds is None or not _EARLIEST.timestamp() <= seconds <= _LATEST.timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)

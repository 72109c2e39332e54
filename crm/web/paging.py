"""Owns keyset paging: a page of rows and the opaque cursor to the next one."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from crm.errors import InvalidInputError, worded
from crm.web.characters import refuse_unstorable

T = TypeVar("T")
_NOT_OURS = worded("This page marker is not one of ours. Begin again without it.")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in order, and the cursor that continues behind the last of them (None at the end)."""

    items: list[T]
    next: str | None = None


def encode_cursor(*values: object) -> str:
    """An opaque cursor of sort key values (text, numbers, UUIDs, instants, None)."""
    plain = [_plain(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The values of a cursor as `kinds`; raises `InvalidInputError` for anything we did not make."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        plain = json.loads(base64.urlsafe_b64decode(padded.encode()))
        refuse_unstorable(plain)
        return [_typed(value, kind) for value, kind in zip(plain, kinds, strict=True)]
    except (ValueError, TypeError, binascii.Error, UnicodeError) as error:
        raise InvalidInputError(_NOT_OURS, code="bad_cursor", fields={"after": _NOT_OURS}) from error


def page_of(rows: Sequence[T], *, limit: int, key: Callable[[T], tuple[object, ...]]) -> Page[T]:
    """A page from `limit + 1` fetched rows: the extra one only tells that there is more."""
    if len(rows) <= limit:
        return Page(list(rows))
    shown = list(rows[:limit])
    return Page(shown, encode_cursor(*key(shown[-1])))


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _typed(value: Any, kind: type) -> Any:
    if value is None:
        return None
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is UUID:
        return UUID(value)
    if not isinstance(value, kind):
        raise TypeError(value)
    return value

"""Reads `Retry-After` (RFC 9110, section 10.2.3): a number of seconds, or an HTTP date."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

#: Nobody waits longer than this because a server says so; a message that old has failed anyway.
LONGEST: Final = timedelta(hours=48)
#: Later dates leave no room for a pause.
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
_SECONDS: Final = re.compile(r"\A\d{1,10}(?:\.\d{1,6})?\Z", re.ASCII)


def not_before(value: str, *, now: datetime) -> datetime | None:
    """The moment that the field's value names, at most `LONGEST` ahead; None for what can't be read.

    A moment that has passed is `now`. Fractions of seconds are against the standard but written by some servers.
    """
    text = value.strip()
    if _SECONDS.match(text):
        return now + min(timedelta(seconds=float(text)), LONGEST)
    moment = _date(text)
    return None if moment is None else min(max(moment, now), now + LONGEST)


def pause(headers: Mapping[str, str]) -> timedelta | None:
    """How long an answer with these headers (by lower-case names) asks to be left alone; None when it doesn't say.

    A date is compared with the answer's own `Date`, because the server's clock may be wrong, and ours too.
    """
    now = min(_date(headers.get("date", "")) or datetime.now(UTC), _LATEST)
    moment = not_before(headers.get("retry-after", ""), now=now)
    return None if moment is None else moment - now


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        # A date without a zone is read as the standard demands of all three forms: as GMT.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None

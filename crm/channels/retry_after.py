"""Reads `Retry-After` (RFC 9110, section 10.2.3): a number of seconds, or an HTTP date."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

#: Nobody waits longer than this because a server says so; a message that old has failed anyway.
LONGEST: Final = timedelta(hours=48)
_SECONDS: Final = re.compile(r"\A\d{1,10}(?:\.\d{1,6})?\Z", re.ASCII)


def not_before(value: str, *, now: datetime) -> datetime | None:
    """The moment that the field's value names, at most `LONGEST` ahead; None for what can't be read.

    A moment that has passed is `now`. Fractions of seconds are against the standard but written by some servers.
    """
    text = value.strip()
    if _SECONDS.match(text):
        return now + min(timedelta(seconds=float(text)), LONGEST)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # A date without a zone is read as the standard demands of all three forms: as GMT.
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return min(max(moment, now), now + LONGEST)

"""Reads the meetings of a calendar file (RFC 5545): who was invited, and each time a recurring one took place."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from icalendar import Calendar

from crm.interactions.chats import recurring
from crm.interactions.chats.item import MAX_TEXT, Item, UnreadableHistoryError

MAX_EVENTS: Final = 20_000
#: Times of all events together: some of a thousand daily meetings since 1970 would fill days of reading.
MAX_TIMES: Final = 100_000
_MAX_PEOPLE: Final = 200
_DECLINED: Final = "DECLINED"


def items(raw: str, *, zone: ZoneInfo, now: datetime) -> Iterator[Item]:
    """Each time somebody met, up to `now`; cancelled events and what lies ahead are left out.

    Times without a zone are those of `zone`; a whole day begins at midnight there. Raises `UnreadableHistoryError`.
    """
    try:
        calendars = Calendar.from_ical(raw, multiple=True)
        events = [event for calendar in calendars for event in _events(calendar)]
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise UnreadableHistoryError("no_calendar") from error
    changed = {(_uid(event), _moment(event, "RECURRENCE-ID", zone)) for event in events}
    left = MAX_TIMES
    for event in islice(events, MAX_EVENTS):
        people = _people(event)
        uid = _uid(event)
        if not people or not uid or str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        for at in islice(_safely(_times(event, zone, now)), left):
            left -= 1
            own = _moment(event, "RECURRENCE-ID", zone)
            if own is None and (uid, at) in changed:
                continue
            named = own or at
            yield Item(
                key=f"ical:{uid}:{named.astimezone(UTC).strftime('%Y%m%dT%H%M%SZ')}",
                who="",
                to=people,
                at=at,
                subject=str(event.get("SUMMARY", ""))[:200].strip(),
                text=str(event.get("DESCRIPTION", ""))[:MAX_TEXT].strip(),
                minutes=_minutes(event, at, zone),
            )


def _safely(times: Iterator[datetime]) -> Iterator[datetime]:
    """The times as far as they can be read: one broken rule must not keep the rest of a calendar out."""
    try:
        yield from times
    except (ValueError, TypeError, OverflowError, KeyError, IndexError):
        return


def _events(calendar: Any) -> list[Any]:
    if str(calendar.get("METHOD", "")).upper() == "CANCEL":
        return []
    return calendar.walk("VEVENT")


def _uid(event: Any) -> str:
    return str(event.get("UID", "")).strip()[:300]


def _people(event: Any) -> tuple[str, ...]:
    """The addresses of organiser and guests who did not decline, in lower case."""
    given = event.get("ATTENDEE", [])
    guests = given if isinstance(given, list) else [given]
    coming = [guest for guest in guests if str(getattr(guest, "params", {}).get("PARTSTAT", "")).upper() != _DECLINED]
    everybody = [event.get("ORGANIZER"), *coming]
    found = (str(one).strip().lower().removeprefix("mailto:") for one in everybody if one)
    return tuple(dict.fromkeys(address for address in found if "@" in address))[:_MAX_PEOPLE]


def _aware(value: date | datetime, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time(0))
    return value if value.tzinfo else value.replace(tzinfo=zone)


def _moment(event: Any, name: str, zone: ZoneInfo) -> datetime | None:
    found = _dt(event, name)
    return _aware(found, zone) if isinstance(found, date) else None


def _dt(event: Any, name: str) -> object:
    """What the property means; None where it is missing, or holds what nobody can mean."""
    try:
        return getattr(event.get(name), "dt", None)
    except ValueError:
        return None


def _times(event: Any, zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """When it took place: the wall clock of its own zone stays the same over each change to summer time."""
    start = _moment(event, "DTSTART", zone)
    if start is None or start.year < 1970:  # noqa: PLR2004 - nobody's calendar is older.
        return
    rule = event.get("RRULE")
    rule = rule[0] if isinstance(rule, list) else rule
    if not rule:
        if start <= now:
            yield start
        return
    left_out = set(_dates(event, "EXDATE", zone))
    last = now.astimezone(start.tzinfo).date()
    for end in rule.get("UNTIL", [])[:1]:
        last = min(last, _aware(end, zone).astimezone(start.tzinfo).date())
    for day in recurring.days(start.date(), rule, until=last):
        at = datetime.combine(day, start.timetz())
        if at <= now and at not in left_out:
            yield at


def _dates(event: Any, name: str, zone: ZoneInfo) -> Iterator[datetime]:
    given = event.get(name, [])
    for one in given if isinstance(given, list) else [given]:
        for value in getattr(one, "dts", [])[: recurring.MOST]:
            yield _aware(value.dt, zone)


def _minutes(event: Any, at: datetime, zone: ZoneInfo) -> int | None:
    start, end = _moment(event, "DTSTART", zone), _moment(event, "DTEND", zone)
    length = _dt(event, "DURATION")
    if isinstance(length, timedelta):
        minutes = length // timedelta(minutes=1)
    elif start and end:
        minutes = (end - start) // timedelta(minutes=1)
    else:
        return None
    return minutes if 0 < minutes < 24 * 60 and at else None

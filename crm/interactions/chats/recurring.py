"""Owns the days of a recurring event (RFC 5545, 3.3.10), bounded: only the past, only so many, never a long search."""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

#: So many occurrences of one event are taken, the oldest first, and so many periods looked at.
MOST: Final = 10_000
_PERIODS: Final = 20_000
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: Parts of a rule that nobody's calendar writes for meetings; an event with one happens on its first day alone.
_UNREAD: Final = frozenset({"BYYEARDAY", "BYWEEKNO", "BYHOUR", "BYMINUTE", "BYSECOND"})


def days(first: date, rule: Mapping[str, Sequence[Any]], *, until: date) -> Iterator[date]:
    """The days on which an event happens that began on `first`, up to and with `until`."""
    frequency = str(rule.get("FREQ", [""])[0]).upper()
    if _UNREAD & set(rule) or frequency not in {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}:
        yield from [first] if first <= until else []
        return
    interval = max(int(rule.get("INTERVAL", [1])[0]), 1)
    left = min(int(rule["COUNT"][0]) if rule.get("COUNT") else MOST, MOST)
    for number in range(_PERIODS):
        period = _period(first, frequency, number * interval)
        if period is None or period[0] > until or left <= 0:
            return
        for day in _chosen(period, first, frequency, rule):
            if day < first:
                continue
            if day > until or left <= 0:
                return
            left -= 1
            yield day


def _period(first: date, frequency: str, steps: int) -> list[date] | None:
    """All days of the day, week, month or year that lies `steps` behind the first; None beyond the calendar."""
    try:
        if frequency == "DAILY":
            return [first + timedelta(days=steps)]
        if frequency == "WEEKLY":
            monday = first - timedelta(days=first.weekday()) + timedelta(weeks=steps)
            return [monday + timedelta(days=number) for number in range(7)]
        if frequency == "MONTHLY":
            months = first.year * 12 + first.month - 1 + steps
            year, month = divmod(months, 12)
            return [date(year, month + 1, day) for day in range(1, monthrange(year, month + 1)[1] + 1)]
        begin = date(first.year + steps, 1, 1)
        return [begin + timedelta(days=number) for number in range((date(begin.year + 1, 1, 1) - begin).days)]
    except (ValueError, OverflowError):
        return None


def _chosen(period: list[date], first: date, frequency: str, rule: Mapping[str, Sequence[Any]]) -> list[date]:
    months = {int(month) for month in rule.get("BYMONTH", ())}
    month_days = {int(day) for day in rule.get("BYMONTHDAY", ())}
    weekdays = [str(day).upper() for day in rule.get("BYDAY", ())]
    fits = [day for day in period if not months or day.month in months]
    if month_days:
        fits = [day for day in fits if _month_day(day) & month_days]
    if weekdays:
        by_month = frequency == "MONTHLY" or bool(months)
        fits = [day for day in fits if _weekday(day, weekdays, by_month=by_month)]
    if not month_days and not weekdays:
        fits = [day for day in fits if _like(day, first, frequency, has_months=bool(months))]
    positions = [int(position) for position in rule.get("BYSETPOS", ())]
    if positions:
        count = len(fits)
        wanted = {position - 1 if position > 0 else count + position for position in positions}
        fits = [day for number, day in enumerate(fits) if number in wanted]
    return fits


def _month_day(day: date) -> set[int]:
    return {day.day, day.day - monthrange(day.year, day.month)[1] - 1}


def _weekday(day: date, wanted: list[str], *, by_month: bool) -> bool:
    name = _WEEKDAYS[day.weekday()]
    left = monthrange(day.year, day.month)[1] - day.day
    ordinals = {f"{(day.day - 1) // 7 + 1}{name}", f"{-(left // 7 + 1)}{name}"}
    return name in wanted or (by_month and any(one.removeprefix("+") in ordinals for one in wanted))


def _like(day: date, first: date, frequency: str, *, has_months: bool) -> bool:
    """Whether the day is as the first one, where the rule doesn't say more."""
    if frequency == "WEEKLY":
        return day.weekday() == first.weekday()
    if frequency == "MONTHLY":
        return day.day == first.day
    if frequency == "YEARLY":
        return day.day == first.day and (has_months or day.month == first.month)
    return True

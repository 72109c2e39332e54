"""Owns how numbers, money, dates and times are written in templates, by the reader's language and zone."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from babel.dates import format_date, format_timedelta
from babel.numbers import format_currency, format_decimal, get_currency_precision
from flask import Flask
from markupsafe import Markup, escape

from crm.clock import utc_now, zone
from crm.web.i18n import _, choose_time_zone, locale_code


def number(value: float | None) -> str:
    """1,240 in English, 1.240 in Italian; a dash for nothing."""
    return "–" if value is None else _number(value, locale_code())


def money(minor: int | None, currency: str = "EUR") -> str:
    """Minor units as €900.00 or 900,00 €."""
    if minor is None:
        return "–"
    return format_currency(minor / 10 ** get_currency_precision(currency), currency, locale=locale_code())


def local(value: datetime) -> datetime:
    """`value` in the reader's zone."""
    return value.astimezone(zone(choose_time_zone()))


def moment(value: datetime | None) -> str:
    """Day and time, like "Fri 16 Oct, 10:00"; the year only when it is another one."""
    return "–" if value is None else _moment(local(value), local(utc_now()))


def day(value: date | datetime | None) -> str:
    """A day, like "16 October"; the year only when it is another one."""
    if value is None:
        return "–"
    return _day(local(value).date() if isinstance(value, datetime) else value, local(utc_now()))


def clock_time(value: datetime | None) -> str:
    """The time of day, like 17:42."""
    return "–" if value is None else f"{local(value):%H:%M}"


def relative(value: datetime | None) -> Markup:
    """How long ago or ahead, in a `<time>` with the exact moment on hover."""
    if value is None:
        return Markup("–")
    instant = utc_now()
    at, now = local(value), local(instant)
    iso = value.astimezone(UTC).isoformat(timespec="seconds")
    exact, words = escape(_moment(at, now)), escape(_relative_words(at, now, value - instant))
    return Markup(f'<time datetime="{iso}" title="{exact}">{words}</time>')  # noqa: S704 - escaped above.


def _moment(at: datetime, now: datetime) -> str:
    pattern = "EEE d MMM" if at.year == now.year else "d MMM y"
    return f"{_date(at.date(), pattern, locale_code())}, {at:%H:%M}"


def _day(on: date, now: datetime) -> str:
    return _date(on, "d MMMM" if on.year == now.year else "d MMMM y", locale_code())


def _relative_words(at: datetime, now: datetime, ahead: timedelta) -> str:
    days = (at.date() - now.date()).days
    if abs(ahead) < timedelta(minutes=1):
        return _("just now")
    if days == 0:
        return format_timedelta(ahead, add_direction=True, granularity="minute", locale=locale_code())
    if days == -1:
        return _("yesterday")
    if days == 1:
        return _("tomorrow")
    if abs(days) < 30:  # noqa: PLR2004 - beyond a month the date says more.
        return _days(days, locale_code())
    return _day(at.date(), now)


# What Babel writes is kept: a list says the same few days and numbers in row after row, and so does the next page.


@lru_cache(maxsize=4096)
def _number(value: float, locale: str) -> str:
    return format_decimal(value, locale=locale)


@lru_cache(maxsize=4096)
def _date(on: date, pattern: str, locale: str) -> str:
    return format_date(on, pattern, locale=locale)


@lru_cache(maxsize=256)
def _days(days: int, locale: str) -> str:
    return format_timedelta(timedelta(days=days), add_direction=True, granularity="day", threshold=1, locale=locale)


def init_app(app: Flask) -> None:
    """Make the formats available as template filters."""
    app.jinja_env.filters.update(
        number=number, money=money, datetime=moment, day=day, clock=clock_time, relative=relative
    )

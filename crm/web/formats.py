"""Owns how numbers, money, dates and times are written in templates, by the reader's language and zone."""

from datetime import UTC, date, datetime, timedelta

from flask import Flask
from flask_babel import format_date, format_datetime, format_decimal, format_time, format_timedelta
from markupsafe import Markup, escape

from crm.clock import utc_now
from crm.web.i18n import _, choose_time_zone, locale_code


def number(value: float | None) -> str:
    """1,240 in English, 1.240 in Italian; a dash for nothing."""
    return "–" if value is None else format_decimal(value)


def money(minor: int | None, currency: str = "EUR") -> str:
    """Minor units as €900.00 or 900,00 €."""
    if minor is None:
        return "–"
    from babel.numbers import format_currency, get_currency_precision

    return format_currency(minor / 10 ** get_currency_precision(currency), currency, locale=locale_code())


def local(value: datetime) -> datetime:
    """`value` in the reader's zone."""
    from crm.clock import zone

    return value.astimezone(zone(choose_time_zone()))


def moment(value: datetime | None) -> str:
    """Day and time, like "Fri 16 Oct, 10:00"; the year only when it is another one."""
    if value is None:
        return "–"
    shown = local(value)
    pattern = "EEE d MMM, HH:mm" if shown.year == local(utc_now()).year else "d MMM y, HH:mm"
    return format_datetime(value, pattern)


def day(value: date | datetime | None) -> str:
    """A day, like "16 October"; the year only when it is another one."""
    if value is None:
        return "–"
    on = local(value).date() if isinstance(value, datetime) else value
    return format_date(on, "d MMMM" if on.year == local(utc_now()).year else "d MMMM y", rebase=False)


def clock_time(value: datetime | None) -> str:
    """The time of day, like 17:42."""
    return "–" if value is None else format_time(value, "HH:mm")


def relative(value: datetime | None) -> Markup:
    """How long ago or ahead, in a `<time>` with the exact moment on hover."""
    if value is None:
        return Markup("–")
    words = _relative_words(value)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.astimezone(UTC).isoformat(timespec="seconds"), escape(moment(value)), words
    )


def _relative_words(value: datetime) -> str:
    now = utc_now()
    days = (local(value).date() - local(now).date()).days
    if abs(now - value) < timedelta(minutes=1):
        return _("just now")
    if days == 0:
        return format_timedelta(value - now, add_direction=True, granularity="minute")
    if days == -1:
        return _("yesterday")
    if days == 1:
        return _("tomorrow")
    if abs(days) < 30:  # noqa: PLR2004 - beyond a month the date says more.
        return format_timedelta(timedelta(days=days), add_direction=True, granularity="day", threshold=1)
    return day(value)


def init_app(app: Flask) -> None:
    """Make the formats available as template filters."""
    app.jinja_env.filters.update(
        number=number, money=money, datetime=moment, day=day, clock=clock_time, relative=relative
    )

"""When a repeating task comes next, and when a reminder rings, whatever the calendar and the clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.clock import end_of_day, local_day
from crm.interactions.rules.due import Reminder, due_instant, is_due, is_overdue, reminder_instant
from crm.interactions.rules.recurrence import WEEKDAYS, CountedFrom, Frequency, Recurrence, next_day, read

DUE, DONE = CountedFrom.DUE, CountedFrom.DONE
ROME = "Europe/Rome"


def series(rule, start, count, counted_from=DUE):
    days = [start]
    while len(days) < count:
        found = next_day(rule, anchor=start, due_on=days[-1], done_on=days[-1], counted_from=counted_from)
        if found is None:
            break
        days.append(found)
    return [day.isoformat() for day in days]


def rule(frequency, every=1, **more):
    return Recurrence(frequency=Frequency(frequency), every=every, **more)


@pytest.mark.parametrize(
    ("how", "start", "expected"),
    [
        (rule("daily"), "2026-12-30", ["2026-12-30", "2026-12-31", "2027-01-01"]),
        (rule("daily", 3), "2026-02-26", ["2026-02-26", "2026-03-01", "2026-03-04", "2026-03-07"]),
        (rule("weekly"), "2026-11-23", ["2026-11-23", "2026-11-30", "2026-12-07"]),
        (
            rule("weekly", weekdays=("MO", "TH")),
            "2026-11-23",
            ["2026-11-23", "2026-11-26", "2026-11-30", "2026-12-03"],
        ),
        (
            rule("weekly", 2, weekdays=("MO", "TH")),
            "2026-11-23",
            ["2026-11-23", "2026-11-26", "2026-12-07", "2026-12-10"],
        ),
        (rule("weekly", weekdays=("TU",)), "2026-11-23", ["2026-11-23", "2026-11-24", "2026-12-01"]),
        (
            rule("monthly"),
            "2027-01-31",
            ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"],
        ),
        (rule("monthly"), "2028-01-30", ["2028-01-30", "2028-02-29", "2028-03-30"]),
        (rule("monthly", 3), "2026-11-30", ["2026-11-30", "2027-02-28", "2027-05-30"]),
        (
            rule("yearly"),
            "2028-02-29",
            ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"],
        ),
        (rule("yearly", 4), "2028-02-29", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        (rule("daily", until=date(2026, 11, 25)), "2026-11-23", ["2026-11-23", "2026-11-24", "2026-11-25"]),
        (rule("monthly"), "9999-12-01", ["9999-12-01"]),
    ],
)
def test_a_series_has_these_days(how, start, expected):
    assert series(how, date.fromisoformat(start), max(len(expected), 4))[: len(expected)] == expected


def test_who_is_late_skips_what_is_over_and_the_grid_stays():
    every_three = rule("daily", 3)
    first = date(2026, 11, 1)
    assert next_day(every_three, anchor=first, due_on=first, done_on=date(2026, 11, 12), counted_from=DUE) == date(
        2026, 11, 13
    )
    assert next_day(every_three, anchor=first, due_on=first, done_on=date(2026, 11, 13), counted_from=DUE) == date(
        2026, 11, 13
    )


def test_counted_from_the_day_it_is_done_the_series_begins_anew():
    first = date(2026, 11, 1)
    assert next_day(
        rule("daily", 3), anchor=first, due_on=first, done_on=date(2026, 11, 12), counted_from=DONE
    ) == date(2026, 11, 15)


def test_who_is_early_still_gets_the_next_day_of_the_series():
    first = date(2026, 11, 20)
    assert next_day(rule("weekly"), anchor=first, due_on=first, done_on=date(2026, 11, 18), counted_from=DUE) == date(
        2026, 11, 27
    )


days = st.dates(date(1990, 1, 1), date(2100, 1, 1))
rules = st.builds(
    Recurrence,
    frequency=st.sampled_from(Frequency),
    every=st.integers(1, 40),
    until=st.none() | st.dates(date(2090, 1, 1), date(2300, 1, 1)),
) | st.builds(
    Recurrence,
    frequency=st.just(Frequency.WEEKLY),
    every=st.integers(1, 5),
    weekdays=st.sets(st.sampled_from(WEEKDAYS), min_size=1).map(
        lambda chosen: tuple(name for name in WEEKDAYS if name in chosen)
    ),
)


@given(how=rules, start=days, late=st.integers(0, 900), mode=st.sampled_from(CountedFrom))
@settings(max_examples=60)
def test_the_next_time_lies_ahead_and_on_its_day(how, start, late, mode):
    done = start + timedelta(days=late)
    found = next_day(how, anchor=start, due_on=start, done_on=done, counted_from=mode)
    assert read(how.text()) == how
    if found is None:
        assert how.until is not None
        return
    assert found > start
    assert found >= done
    begun = done if mode is DONE else start
    if how.frequency is Frequency.DAILY:
        assert (found - begun).days % how.every == 0
    elif how.weekdays:
        assert WEEKDAYS[found.weekday()] in how.weekdays
    elif how.frequency is Frequency.MONTHLY:
        months = (found.year - begun.year) * 12 + found.month - begun.month
        assert months % how.every == 0
        assert found.day == begun.day or (found + timedelta(days=1)).day == 1
    elif how.frequency is Frequency.YEARLY:
        assert (found.year - begun.year) % how.every == 0
        assert found.month == begun.month


@given(start=days, zone=st.sampled_from([ROME, "Pacific/Apia", "Pacific/Honolulu", "America/New_York", "Asia/Kolkata"]))
@settings(max_examples=60)
def test_nine_in_the_morning_stays_nine_in_the_morning(start, zone):
    for after in range(0, 370, 31):
        day = start + timedelta(days=after)
        ring = reminder_instant(Reminder(days=0, at=time(9)), due_on=day, due_at=None, tz=zone)
        # Whole days are skipped when a country changes its side of the date line (Apia, 30 December 2011).
        if day != date(2011, 12, 30):
            assert ring.astimezone(ZoneInfo(zone)).time() == time(9)


@pytest.mark.parametrize(("day", "hour"), [("2027-03-27", 8), ("2027-03-28", 7), ("2027-10-30", 7), ("2027-10-31", 8)])
def test_a_nine_oclock_reminder_over_both_changes_of_the_clock(day, hour):
    ring = reminder_instant(Reminder(days=0, at=time(9)), due_on=date.fromisoformat(day), due_at=None, tz=ROME)
    assert ring == datetime.fromisoformat(f"{day}T{hour:02}:00:00+00:00")


def test_reminders_before_the_day_and_before_the_hour():
    day, hour = date(2027, 3, 28), due_instant(date(2027, 3, 28), time(10), tz=ROME)
    assert hour == datetime(2027, 3, 28, 8, tzinfo=UTC)
    before = {"due_on": day, "due_at": hour, "tz": ROME}
    assert reminder_instant(Reminder(days=1, at=time(9)), **before) == datetime(2027, 3, 27, 8, tzinfo=UTC)
    assert reminder_instant(Reminder(minutes=90), **before) == datetime(2027, 3, 28, 6, 30, tzinfo=UTC)
    assert reminder_instant(Reminder(), **before) is None
    assert reminder_instant(Reminder(minutes=5), due_on=day, due_at=None, tz=ROME) is None
    assert reminder_instant(Reminder(days=9, at=time(9)), due_on=date(1, 1, 2), due_at=None, tz=ROME) is None


def test_an_hour_that_the_clock_skips_rings_after_the_gap():
    ring = reminder_instant(Reminder(days=0, at=time(2, 30)), due_on=date(2027, 3, 28), due_at=None, tz=ROME)
    assert ring.astimezone(ZoneInfo(ROME)).time() == time(3, 30)


@pytest.mark.parametrize(
    ("zone", "today", "is_late"),
    [("Pacific/Apia", date(2026, 11, 24), True), ("Pacific/Honolulu", date(2026, 11, 23), False)],
)
def test_a_day_is_the_readers_own_day_at_both_ends_of_the_world(zone, today, is_late):
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert local_day(now, tz=zone) == today
    due = {"due_on": date(2026, 11, 23), "due_at": None, "today": today}
    assert is_due(**due, tonight=end_of_day(today, tz=zone))
    assert is_overdue(**due, now=now) is is_late


moments = st.integers(0, 1_000_000).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


@given(
    at=moments,
    now=moments,
    zone=st.sampled_from(["Pacific/Apia", "Pacific/Honolulu", "Pacific/Kiritimati", ROME]),
)
@settings(max_examples=100)
def test_what_is_late_is_also_due_and_an_hour_is_the_same_for_all(at, now, zone):
    today = local_day(now, tz=zone)
    due = is_due(due_on=at.date(), due_at=at, today=today, tonight=end_of_day(today, tz=zone))
    late = is_overdue(due_on=at.date(), due_at=at, today=today, now=now)
    assert late == (at < now)
    assert due or not late
    assert due == (local_day(at, tz=zone) <= today)


def test_a_rule_of_another_kind_is_not_read():
    with pytest.raises(ValueError, match="FREQ"):
        read("FREQ=DAILY;INTERVAL=1;BYHOUR=9")

"""Windows: right in every zone, over midnight, on both days of daylight saving, at the ends of months."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crm.clock import local_instant
from crm.outreach.windows import Window, is_holiday_in, next_opening

ZONES = ["Europe/Rome", "America/St_Johns", "Asia/Kathmandu", "Pacific/Kiritimati"]
OFFICE = Window.of("09:00", "19:00", "1,2,3,4,5")
NIGHT = Window.of("22:00", "06:00", "1,2,3,4,5")

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
instants = st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: FIRST + timedelta(minutes=minutes))
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
windows = st.builds(Window, times, times, st.frozensets(st.integers(1, 7), min_size=1))


def is_open_by_the_clock(at: datetime, window: Window, tz: str) -> bool:
    """The slow, obvious reading: what the wall clock and the calendar on the wall show."""
    local = at.astimezone(ZoneInfo(tz))
    if window.start < window.end:
        return local.isoweekday() in window.days and window.start <= local.time() < window.end
    today = local.isoweekday() in window.days and local.time() >= window.start
    yesterday = (local - timedelta(days=1)).isoweekday() in window.days and local.time() < window.end
    return today or yesterday


def has_clock_change(at: datetime, tz: str) -> bool:
    zone = ZoneInfo(tz)
    offsets = {(at + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in range(-48, 49, 6)}
    return len(offsets) > 1


@given(at=instants, window=windows, tz=st.sampled_from(ZONES))
def test_an_instant_is_open_exactly_when_the_wall_clock_says_so(at, window, tz):
    assume(not has_clock_change(at, tz))
    assert (next_opening(at, window, tz=tz) == at) is is_open_by_the_clock(at, window, tz)


@given(at=instants, window=windows, tz=st.sampled_from(ZONES))
def test_the_opening_is_open_and_nothing_before_it_is(at, window, tz):
    opening = next_opening(at, window, tz=tz)
    assert opening is not None
    assert opening >= at
    assert next_opening(opening, window, tz=tz) == opening
    if opening > at:
        assert next_opening(opening - timedelta(microseconds=1), window, tz=tz) == opening
        for part in (1, 2, 3, 5, 7):
            earlier = at + (opening - at) * part / 8
            assert next_opening(earlier, window, tz=tz) == opening


@given(day=st.dates(date(2026, 1, 1), date(2029, 12, 31)), tz=st.sampled_from(ZONES))
def test_office_hours_open_at_nine_of_the_next_working_day_also_at_the_end_of_a_month(day, tz):
    evening = local_instant(day, time(19), tz=tz)
    expected = day + timedelta(days=1)
    while expected.isoweekday() > 5:
        expected += timedelta(days=1)
    assert next_opening(evening, OFFICE, tz=tz) == local_instant(expected, time(9), tz=tz)


@pytest.mark.parametrize(
    ("local", "opens"),
    [
        # Friday night belongs to Friday, Saturday night to nobody.
        ("2026-11-27T23:00", "2026-11-27T23:00"),
        ("2026-11-28T05:59", "2026-11-28T05:59"),
        ("2026-11-28T06:00", "2026-11-30T22:00"),
        ("2026-11-28T23:00", "2026-11-30T22:00"),
        ("2026-11-30T02:00", "2026-11-30T22:00"),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_began(local, opens):
    zone = ZoneInfo("Europe/Rome")
    at, expected = (datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC) for text in (local, opens))
    assert next_opening(at, NIGHT, tz="Europe/Rome") == expected


def test_the_night_of_spring_is_an_hour_shorter():
    every_day = Window.of("22:00", "06:00", "1,2,3,4,5,6,7")
    closes = datetime(2027, 3, 28, 4, 0, tzinfo=UTC)  # 06:00 in Rome, already in summer time.
    assert next_opening(closes - timedelta(minutes=1), every_day, tz="Europe/Rome") == closes - timedelta(minutes=1)
    assert next_opening(closes, every_day, tz="Europe/Rome") == datetime(2027, 3, 28, 20, 0, tzinfo=UTC)


def test_the_night_of_autumn_is_an_hour_longer():
    every_day = Window.of("22:00", "06:00", "1,2,3,4,5,6,7")
    closes = datetime(2026, 10, 25, 5, 0, tzinfo=UTC)  # 06:00 in Rome, back in winter time.
    assert next_opening(closes - timedelta(minutes=1), every_day, tz="Europe/Rome") == closes - timedelta(minutes=1)
    assert next_opening(closes, every_day, tz="Europe/Rome") == datetime(2026, 10, 25, 21, 0, tzinfo=UTC)


def test_a_start_that_daylight_saving_skips_moves_with_the_clock():
    early = Window.of("02:30", "08:00", "7")
    midnight = datetime(2027, 3, 27, 23, 0, tzinfo=UTC)
    assert next_opening(midnight, early, tz="Europe/Rome") == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)


def test_a_weekday_is_judged_where_the_person_lives():
    sunday_evening_in_rome = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    # On Kiritimati it is ten in the morning of Monday already.
    assert next_opening(sunday_evening_in_rome, OFFICE, tz="Pacific/Kiritimati") == sunday_evening_in_rome
    assert next_opening(sunday_evening_in_rome, OFFICE, tz="Europe/Rome") == datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_a_public_holiday_is_closed_in_its_own_country_only():
    liberation = datetime(2027, 4, 26, 8, 0, tzinfo=UTC)
    immaculate = datetime(2026, 12, 8, 9, 0, tzinfo=UTC)
    italy, britain = is_holiday_in("IT"), is_holiday_in("GB")
    assert next_opening(immaculate, OFFICE, tz="Europe/Rome", is_holiday=italy) == datetime(2026, 12, 9, 8, tzinfo=UTC)
    assert next_opening(immaculate, OFFICE, tz="Europe/Rome", is_holiday=britain) == immaculate
    assert next_opening(liberation, OFFICE, tz="Europe/Rome", is_holiday=italy) == liberation


def test_an_unknown_country_has_no_holidays():
    assert not is_holiday_in("ZZ")(date(2026, 12, 25))
    assert not is_holiday_in("")(date(2026, 12, 25))


def test_a_window_without_days_never_opens():
    assert next_opening(datetime(2026, 11, 23, tzinfo=UTC), Window.of("09:00", "19:00", ""), tz="Europe/Rome") is None


@pytest.mark.parametrize(
    "words", [("9", "19:00", "1"), ("09:00", "25:00", "1"), ("09:00", "19:00", "0"), ("a", "b", "c")]
)
def test_a_window_that_can_not_be_read_is_refused(words):
    with pytest.raises(ValueError):
        Window.of(*words)

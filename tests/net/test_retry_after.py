"""`Retry-After` in seconds and as a date, and everything else that servers write there."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.net.retry_after import LONGEST, not_before, pause

NOW = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 30 ", 30),
        ("1.5", 1.5),
        ("Mon, 23 Nov 2026 10:02:00 GMT", 120),
        # The two obsolete forms that a recipient must still read (RFC 9110, 5.6.7).
        ("Monday, 23-Nov-26 10:02:00 GMT", 120),
        ("Mon Nov 23 10:02:00 2026", 120),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0),
        ("9999999999", LONGEST.total_seconds()),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST.total_seconds()),
    ],
)
def test_a_moment_is_read_and_bounded(value, seconds):
    assert not_before(value, now=NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "1e9", "0x10", "٣", "Mon, 32 Nov 2026 10:00:00 GMT", "12345678901"]
)
def test_what_can_not_be_read_names_no_moment(value):
    assert not_before(value, now=NOW) is None


@given(seconds=st.integers(0, 172_800))
def test_both_forms_name_the_same_moment(seconds):
    moment = NOW + timedelta(seconds=seconds)
    assert not_before(str(seconds), now=NOW) == not_before(format_datetime(moment, usegmt=True), now=NOW) == moment


@given(value=st.text(max_size=60))
def test_nothing_that_a_server_writes_raises_or_leads_beyond_the_bounds(value):
    found = not_before(value, now=NOW)
    assert found is None or NOW <= found <= NOW + LONGEST


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "60", "date": "nonsense"}, 60),
        ({"retry-after": "Mon, 23 Nov 2026 10:02:00 GMT", "date": "Mon, 23 Nov 2026 10:01:00 GMT"}, 60),
        ({"retry-after": "60", "date": "Fri, 31 Dec 9999 23:59:59 GMT"}, 60),
        ({"date": "Mon, 23 Nov 2026 10:01:00 GMT"}, None),
    ],
)
def test_an_answer_asks_for_a_pause_by_its_own_clock(headers, seconds):
    assert pause(headers) == (None if seconds is None else timedelta(seconds=seconds))


@given(value=st.text(max_size=60), date=st.text(max_size=60))
def test_no_headers_raise(value, date):
    found = pause({"retry-after": value, "date": date})
    assert found is None or timedelta() <= found <= LONGEST

"""What no program should write into the history it hands out, and some do."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from crm.interactions.chats import calendar, instagram

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MEETING = "BEGIN:VEVENT\nUID:{uid}\nDTSTART:20260101T090000Z\n{line}ATTENDEE:mailto:ann@example.com\nEND:VEVENT\n"


def test_characters_that_no_database_takes_are_left_out_of_instagram_messages():
    data = {
        "thread_path": "inbox/ann",
        "messages": [
            {"sender_name": "Ann\0", "timestamp_ms": 1763892960000, "content": "a\0b \ud800"},
            {"sender_name": "\0", "timestamp_ms": 1763892960000, "content": "x"},
        ],
    }

    assert [(one.who, one.text) for one in instagram.items(json.dumps(data))] == [("Ann", "ab ?")]


@pytest.mark.parametrize(
    "broken", ["DURATION:P999999999999D", "DURATION:nonsense", "DTEND:nonsense", "RECURRENCE-ID:nonsense"]
)
def test_a_time_that_nobody_can_mean_keeps_no_other_meeting_out(broken):
    events = MEETING.format(uid="odd", line=f"{broken}\n") + MEETING.format(uid="plain", line="")
    raw = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{events}END:VCALENDAR\n"

    found = list(calendar.items(raw, zone=ROME, now=NOW))

    assert [one.minutes for one in found] == [None, None]

"""Exported chats and calendars as their programs write them."""

import io
import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.interactions.chats import calendar, reading, recurring, whatsapp
from crm.interactions.chats.instagram import repaired
from crm.interactions.chats.item import MAX_TEXT, UnreadableHistoryError
from crm.interactions.kinds import HistoryFormat

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def survey(text, *, now=NOW):
    raw = text if isinstance(text, bytes) else text.encode()
    return reading.survey(io.BytesIO(raw), zone=ROME, now=now)


def items(text, *, now=NOW):
    raw = text if isinstance(text, bytes) else text.encode()
    found = survey(raw, now=now)
    read = reading.items(io.BytesIO(raw), found.format, zone=ROME, day_first=found.day_first, now=now)
    return list(read)


ANDROID_IT = """\
23/11/25, 09:58 - I messaggi e le chiamate sono crittografati end-to-end. Tocca per saperne di più.
23/11/25, 10:15 - Ann Bo: Buongiorno, una domanda:
quando arriva?

Grazie
23/11/25, 10:16 - Giulia Ferri: Domani
23/11/25, 10:16 - Giulia Ferri: Domani
23/11/25, 10:17 - Ann Bo: <Media omessi>
23/11/25, 10:18 - Ann Bo: Questo messaggio è stato eliminato
"""
IOS_IT = """\
\ufeff[23/11/25, 09:58:01] Ann Bo: \u200eI messaggi e le chiamate sono crittografati end-to-end.
[23/11/25, 10:15:02] Ann Bo: Ciao: \u200eper domani
\u200e[23/11/25, 10:16:07] Ann Bo: \u200eimmagine omessa
[23/11/25, 10:17:09] \u202a+39 333 1234567\u202c: Presente
"""


def test_an_android_chat_is_read_with_its_many_lines_and_without_the_programs_own():
    assert [(one.who, one.text, one.at.strftime("%d.%m.%y %H:%M")) for one in items(ANDROID_IT)] == [
        ("Ann Bo", "Buongiorno, una domanda:\nquando arriva?\n\nGrazie", "23.11.25 10:15"),
        ("Giulia Ferri", "Domani", "23.11.25 10:16"),
        ("Giulia Ferri", "Domani", "23.11.25 10:16"),
        ("Ann Bo", "<Media omessi>", "23.11.25 10:17"),
    ]
    assert len({one.key for one in items(ANDROID_IT)}) == 4


def test_an_ios_chat_is_read_without_its_marks_of_direction():
    assert [(one.who, one.text, one.at.second) for one in items(IOS_IT)] == [
        ("Ann Bo", "Ciao: per domani", 2),
        ("Ann Bo", "immagine omessa", 7),
        ("+39 333 1234567", "Presente", 9),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("11/23/25, 10:15 PM - Ann: x", "2025-11-23 22:15"),
        ("11/23/25, 12:05\u202fAM - Ann: x", "2025-11-23 00:05"),
        ("[11/23/25, 12:05:01\u202fPM] Ann: x", "2025-11-23 12:05"),
        ("3/4/25, 1:05 AM - Ann: x", "2025-03-04 01:05"),
        ("03/04/2025, 13:05 - Ann: x", "2025-04-03 13:05"),
        ("03.04.25, 13:05 - Ann: x", "2025-04-03 13:05"),
        ("03/04/25, 13.05 - Ann: x", "2025-04-03 13:05"),
        ("[2025-04-03, 13:05:01] Ann: x", "2025-04-03 13:05"),
        ("[03/04/25, 1:05:01 p. m.] Ann: x", "2025-03-04 13:05"),
    ],
)
def test_dates_are_read_as_each_language_writes_them(line, expected):
    (found,) = items(line + "\n")
    assert found.at.strftime("%Y-%m-%d %H:%M") == expected
    assert found.at.tzinfo is ROME


def test_one_date_decides_for_those_that_fit_both_ways():
    american = "3/4/25, 10:15 - Ann: x\n3/23/25, 10:15 - Ann: y\n"
    assert [one.at.month for one in items(american)] == [3, 3]
    assert survey("3/4/25, 10:15 - Ann: x\n23/3/25, 10:15 - Ann: y\n").day_first


def test_the_same_chat_exported_later_names_the_same_messages():
    longer = ANDROID_IT + "24/11/25, 08:00 - Ann Bo: Ancora\n"
    assert [one.key for one in items(longer)][:4] == [one.key for one in items(ANDROID_IT)]


@given(st.lists(st.text(max_size=30), max_size=12))
@settings(max_examples=60)
def test_no_text_breaks_the_reader(lines):
    # Each message begins on a line of its own.
    assert len(list(whatsapp.items(lines, zone=ROME, day_first=True))) <= len(lines)


def test_linkedin_messages_are_read_with_their_preamble_quotes_and_markup():
    table = (
        "Notes:\nsomething\n\n"
        "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,RECIPIENT PROFILE URLS,DATE,SUBJECT,CONTENT,"
        "FOLDER\n"
        '2-a,,Ann Bo,u,Giulia Ferri,v,2025-11-23 10:15:00 UTC,Hello,"Two\nlines, ""quoted""",INBOX\n'
        "2-a,,Giulia Ferri,v,Ann Bo,u,2025-11-24 10:15:00 UTC,,<p>Yes &amp; no</p>,INBOX\n"
        "2-a,,,v,Ann Bo,u,not a date,,x,INBOX\n"
    )
    found = items(table)
    assert [(one.who, one.to, one.subject, one.text) for one in found] == [
        ("Ann Bo", ("Giulia Ferri",), "Hello", 'Two\nlines, "quoted"'),
        ("Giulia Ferri", ("Ann Bo",), "", "Yes & no"),
    ]
    assert found[0].at == datetime(2025, 11, 23, 10, 15, tzinfo=UTC)


def mojibake(text):
    """As the export writes it: each byte of the UTF-8 as a character."""
    return text.encode().decode("latin-1")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_every_text_is_repaired_to_what_was_typed(text):
    assert repaired(mojibake(text)) == text


def test_instagram_messages_are_repaired_and_put_in_order():
    data = {
        "participants": [{"name": mojibake("Niccolò")}, {"name": "Giulia Ferri"}],
        "messages": [
            {"sender_name": "Giulia Ferri", "timestamp_ms": 1763892960000, "content": mojibake("Perché no? 🎉")},
            {"sender_name": mojibake("Niccolò"), "timestamp_ms": 1763892900000, "photos": [{"uri": "x"}]},
            {"sender_name": mojibake("Niccolò"), "timestamp_ms": 1, "share": {"link": "javascript:alert(1)"}},
            {"sender_name": 5, "timestamp_ms": "x"},
            "nonsense",
        ],
        "thread_path": "inbox/niccolo_1",
    }
    found = items(json.dumps(data))
    assert [(one.who, one.text) for one in found] == [("Niccolò", "<photos>"), ("Giulia Ferri", "Perché no? 🎉")]


CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//
BEGIN:VEVENT
UID:one
DTSTART;TZID=Europe/Rome:20260323T090000
DTEND;TZID=Europe/Rome:20260323T094500
RRULE:FREQ=WEEKLY;COUNT=3
EXDATE;TZID=Europe/Rome:20260330T090000
SUMMARY:Weekly
ORGANIZER:mailto:giulia@lanterna.example
ATTENDEE;PARTSTAT=ACCEPTED:MAILTO:Ann@Example.com
ATTENDEE;PARTSTAT=DECLINED:mailto:carl@example.com
END:VEVENT
BEGIN:VEVENT
UID:one
RECURRENCE-ID;TZID=Europe/Rome:20260406T090000
DTSTART;TZID=Europe/Rome:20260407T150000
SUMMARY:Moved
ATTENDEE:mailto:ann@example.com
END:VEVENT
BEGIN:VEVENT
UID:two
STATUS:CANCELLED
DTSTART:20260101T090000Z
ATTENDEE:mailto:ann@example.com
END:VEVENT
BEGIN:VEVENT
UID:three
DTSTART:20990101T090000Z
ATTENDEE:mailto:ann@example.com
END:VEVENT
BEGIN:VEVENT
UID:four
DTSTART;VALUE=DATE:20260501
ATTENDEE:mailto:ann@example.com
END:VEVENT
BEGIN:VEVENT
UID:alone
DTSTART:20260101T090000Z
END:VEVENT
END:VCALENDAR
"""


def test_meetings_are_read_with_their_guests_at_the_wall_clock_of_their_zone():
    found = items(CALENDAR)
    assert [(one.subject, one.at.astimezone(UTC).isoformat()[:16], one.minutes) for one in found] == [
        ("Weekly", "2026-03-23T08:00", 45),
        ("Moved", "2026-04-07T13:00", None),
        ("", "2026-04-30T22:00", None),
    ]
    assert found[0].to == ("giulia@lanterna.example", "ann@example.com")
    assert len({one.key for one in found}) == 3


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"FREQ": ["DAILY"], "INTERVAL": [3], "COUNT": [3]}, ["01-31", "02-03", "02-06"]),
        ({"FREQ": ["MONTHLY"], "COUNT": [3]}, ["01-31", "03-31", "05-31"]),
        ({"FREQ": ["MONTHLY"], "BYMONTHDAY": [-1], "COUNT": [3]}, ["01-31", "02-28", "03-31"]),
        ({"FREQ": ["MONTHLY"], "BYDAY": ["-1FR"], "COUNT": [2]}, ["02-27", "03-27"]),
        ({"FREQ": ["MONTHLY"], "BYDAY": ["MO", "TU", "WE"], "BYSETPOS": [1], "COUNT": [2]}, ["02-02", "03-02"]),
        ({"FREQ": ["WEEKLY"], "BYDAY": ["SA", "MO"], "COUNT": [3]}, ["01-31", "02-02", "02-07"]),
        ({"FREQ": ["YEARLY"], "COUNT": [1]}, ["01-31"]),
        ({"FREQ": ["SECONDLY"]}, ["01-31"]),
        ({"FREQ": ["DAILY"], "BYMONTH": [2], "BYMONTHDAY": [30]}, []),
        ({"FREQ": ["YEARLY"], "BYSETPOS": [400]}, []),
    ],
)  # fmt: skip
def test_the_days_of_a_recurring_event(rule, expected):
    found = recurring.days(date(2026, 1, 31), rule, until=date(2026, 6, 30))
    assert [day.strftime("%m-%d") for day in found] == expected


@given(
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 400),
    st.lists(st.sampled_from(["MO", "2TU", "-1FR", "53SU"]), max_size=2),
    st.dates(date(1970, 1, 1), date(2026, 1, 1)),
)
@settings(max_examples=60)
def test_days_rise_within_the_bounds(frequency, interval, weekdays, first):
    until = date(2026, 6, 30)
    rule = {"FREQ": [frequency], "INTERVAL": [interval], **({"BYDAY": weekdays} if weekdays else {})}
    found = list(recurring.days(first, rule, until=until))
    assert found == sorted(set(found))
    assert len(found) <= recurring.MOST
    assert all(first <= day <= until for day in found)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"PK\x03\x04", "broken_pack"),
        (b"", "unknown_format"),
        (b"\x89PNG\r\n", "unknown_format"),
        (b"name;email\nAnn;a@b.it\n", "unknown_format"),
        (b'{"a": ', "no_json"),
        (b"{" * 100_000, "no_json"),
        (b'{"messages": 5}', "no_messages"),
        (b'{"messages": []}', "empty"),
        (b"BEGIN:VCALENDAR\nEND:VCALENDAR\n", "empty"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "no_calendar"),
        (b"23/11/25, 10:15 - The group was made\n", "empty"),
    ],
)
def test_a_file_that_tells_nothing_says_why(raw, code):
    with pytest.raises(UnreadableHistoryError) as refused:
        survey(raw)
    assert refused.value.code in {code, "empty"} if code == "no_calendar" else refused.value.code == code


def test_a_calendar_of_endless_meetings_is_read_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(calendar, "MAX_TIMES", 50)
    event = (
        "BEGIN:VEVENT\nUID:{}\nDTSTART:19700101T090000Z\nRRULE:FREQ=DAILY\nATTENDEE:mailto:a@example.com\nEND:VEVENT\n"
    )
    text = f"BEGIN:VCALENDAR\n{''.join(map(event.format, range(9)))}END:VCALENDAR\n"
    assert len(items(text)) == 50


ENCODED = """\
23/11/25, 10:15 - Niccolò Ferrè: Perché no? È già l’ora “giusta”
23/11/25, 10:16 - Zoë: così
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_encoding_is_read_without_wrong_letters(encoding):
    found = items(ENCODED.encode(encoding))
    assert [(one.who, one.text) for one in found] == [
        ("Niccolò Ferrè", "Perché no? È già l’ora “giusta”"),
        ("Zoë", "così"),
    ]
    assert [one.key for one in found] == [one.key for one in items(ENCODED)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_calendar_is_read_in_every_encoding(encoding):
    text = CALENDAR.replace("SUMMARY:Moved", "SUMMARY:Perché è così")
    assert "Perché è così" in [one.subject for one in items(text.encode(encoding))]


def test_a_broken_byte_keeps_a_chat_out_no_more_than_its_letter():
    raw = ENCODED.encode().replace("Zoë".encode(), b"Zo\xff")
    assert [one.who for one in items(raw)] == ["Niccolò Ferrè", "Zo\ufffd"]


def test_names_and_words_from_right_to_left_are_read():
    text = (
        "\u200f[23/11/25, 10:15:02] \u202bدانا לוי\u202c: \u200fשלום: מה נשמע\n"
        "23\u200f/11\u200f/25, 10:16 - דנה: שלום\n"
    )
    assert [(one.who, one.text) for one in items(text)] == [("دانا לוי", "שלום: מה נשמע"), ("דנה", "שלום")]


def test_what_fits_both_ways_is_read_so_that_the_chat_goes_forward():
    american = "".join(f"3/{day}/25, 10:15 - Ann: x{day}\n" for day in range(1, 13))
    assert not survey(american).day_first
    italian = "".join(f"{day}/3/25, 10:15 - Ann: x{day}\n" for day in range(1, 13))
    assert survey(italian).day_first


def test_what_the_program_says_of_a_group_is_nobodys():
    text = (
        "23/11/25, 09:00 - Ann Bo ha creato il gruppo “Fiera: Milano”\n"
        "23/11/25, 09:01 - Ann Bo changed the subject from “A: b” to “C: d”\n"
        "23/11/25, 09:02 - Hai aggiunto Carl\n"
        "23/11/25, 09:03 - Ann Bo: Eccoci\n"
        "23/11/25, 09:04 - Ann Bo: Hai eliminato questo messaggio\n"
        "23/11/25, 09:05 - Ann Bo: This message was deleted by admin Carl\n"
    )
    assert [(one.who, one.text) for one in items(text)] == [("Ann Bo", "Eccoci")]


def test_a_message_that_was_marked_as_edited_is_the_same_one():
    plain = "23/11/25, 10:15 - Ann Bo: Domani\n"
    for mark in ("<This message was edited>", "\u200e<Questo messaggio è stato modificato>"):
        (found,) = items(plain.replace("Domani", f"Domani {mark}"))
        assert (found.text, found.key) == ("Domani", items(plain)[0].key)


@pytest.mark.parametrize(
    ("without", "with_file", "name"),
    [
        (
            "23/11/25, 10:15 - Ann: <Media omessi>\nEcco",
            "23/11/25, 10:15 - Ann: IMG-20251123-WA0001.jpg (file allegato)\nEcco",
            "IMG-20251123-WA0001.jpg",
        ),
        (
            "[23/11/25, 10:15:02] Ann: \u200eimmagine omessa",
            "[23/11/25, 10:15:02] Ann: \u200e<allegato: 00000012-PHOTO-2025-11-23-10-15-02.jpg>",
            "00000012-PHOTO-2025-11-23-10-15-02.jpg",
        ),
        (
            "[23/11/25, 10:15:02] Ann: Offerta.pdf • \u200e2 pages \u200edocument omitted",
            "[23/11/25, 10:15:02] Ann: Offerta.pdf • \u200e2 pages \u200e<attached: 00000013-Offerta.pdf>",
            "00000013-Offerta.pdf",
        ),
    ],
)
def test_a_chat_exported_with_its_files_tells_the_same_messages(without, with_file, name):
    (plain,), (rich,) = items(without + "\n"), items(with_file + "\n")
    assert plain.key == rich.key
    assert (plain.files, rich.files) == ((), (name,))


def test_a_line_of_a_megabyte_is_cut_and_the_next_message_is_read():
    text = f"23/11/25, 10:15 - Ann: {'x' * 1_000_000}\n23/11/25, 10:16 - Ann: dopo\n"
    found = items(text)
    assert [len(one.text) for one in found] == [MAX_TEXT - len("Ann: "), 4]
    hard = "23/11/25, 10:15 - Ann: " + "a.b (" * 200_000 + "\n"
    assert len(items(hard)) == 1


def test_a_rule_without_end_and_a_zone_nobody_knows_are_read_up_to_now():
    text = (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID=Customized Zone 7:20160104T090000\nRRULE:FREQ=DAILY\n"
        "SUMMARY:Stand-up\nATTENDEE:mailto:ann@example.com\nEND:VEVENT\n"
        "BEGIN:VEVENT\nUID:2\nDTSTART;TZID=W. Europe Standard Time:20260323T090000\n"
        "ATTENDEE:mailto:ann@example.com\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    found = items(text)
    daily = [one for one in found if one.subject]
    assert (daily[0].at.isoformat(), daily[-1].at.date()) == ("2016-01-04T09:00:00+01:00", date(2026, 11, 23))
    assert len(daily) == (date(2026, 11, 23) - date(2016, 1, 4)).days + 1
    assert found[-1].at.astimezone(UTC).hour == 8


def test_a_chat_in_utf_16_is_read_too():
    assert [one.who for one in items(ANDROID_IT.encode("utf-16"))][:1] == ["Ann Bo"]
    assert survey(ANDROID_IT).names == [("Ann Bo", 2), ("Giulia Ferri", 2)]
    assert survey(ANDROID_IT).format is HistoryFormat.WHATSAPP

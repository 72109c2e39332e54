"""Archives as people download them from WhatsApp, LinkedIn, Instagram and Google, and as nobody should send them."""

import io
import json
import struct
import zipfile
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from factories.contacts import contact
from sqlalchemy import func, select

from crm.files.models import StoredFile
from crm.files.services import path_of
from crm.interactions import queries, runner
from crm.interactions.chats import packed, reading
from crm.interactions.chats.item import UnreadableHistoryError
from crm.interactions.kinds import HistoryFormat
from crm.interactions.services import history, landing

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
IOS = """\
[23/11/25, 10:15:02] Ann Bo: Ecco la foto
[23/11/25, 10:16:07] Ann Bo: \u200e<allegato: 00000002-PHOTO-2025-11-23-10-16-07.jpg>
[23/11/25, 10:17:09] Giulia Ferri: Bella
"""
ANDROID = """\
23/11/25, 10:15 - Ann Bo: Ecco la foto
23/11/25, 10:16 - Ann Bo: IMG-20251123-WA0001.jpg (file allegato)
23/11/25, 10:17 - Giulia Ferri: Bella
"""
BARE = """\
23/11/25, 10:15 - Ann Bo: Ecco la foto
23/11/25, 10:16 - Ann Bo: <Media omessi>
23/11/25, 10:17 - Giulia Ferri: Bella
"""
LINKEDIN = (
    "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,RECIPIENT PROFILE URLS,DATE,SUBJECT,CONTENT,FOLDER\n"
    "2-a,,Ann Bo,u,Giulia Ferri,v,2025-11-23 10:15:00 UTC,Hello,Testo,INBOX\n"
)
ICS = (
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:{0}\nDTSTART:20250301T090000Z\nSUMMARY:{0}\n"
    "ATTENDEE:mailto:ann@example.com\nEND:VEVENT\nEND:VCALENDAR\n"
)
JPEG = b"\xff\xd8\xff\xe0 a photo"


def thread(title, words, *, people=("Ann Bo", "Giulia Ferri"), photo=""):
    message = {"sender_name": people[0], "timestamp_ms": 1763892900000, "content": words}
    if photo:
        message["photos"] = [{"uri": photo}]
    return json.dumps(
        {"participants": [{"name": name} for name in people], "messages": [message], "thread_path": f"inbox/{title}"}
    )


def pack(files, *, compression=zipfile.ZIP_DEFLATED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def read(raw):
    found = reading.survey(io.BytesIO(raw), zone=ROME, now=NOW)
    given = reading.items(io.BytesIO(raw), found.format, zone=ROME, day_first=found.day_first, now=NOW)
    return found, list(given)


@pytest.fixture
def ann(session, actor):
    return contact(session, actor, "Ann Bo", email="ann@example.com")


@pytest.fixture
def bring(session, transaction, actor, ann, tmp_path, now):
    def bring(raw, people=None):
        row = history.upload(
            session, actor, folder=tmp_path, name="x.zip", stream=io.BytesIO(raw), limit=10_000_000, now=now
        )
        people = people or {"Ann Bo": str(ann.id), "Giulia Ferri": history.ME}
        history.start(session, actor, history_id=row.id, people=people, day_first=row.day_first, now=now)
        session.commit()
        runner.run(transaction, workspace_id=actor.workspace_id, history_id=row.id, folder=tmp_path)
        session.expire_all()
        return queries.history_file(session, actor, history_id=row.id)

    return bring


def told(session, actor, person):
    items = queries.timeline(session, actor, contact_id=person.id).items
    return [(one.kind, one.body.partition("\n")[0][:12], [file.name for file in one.files]) for one in reversed(items)]


@pytest.mark.parametrize(
    ("files", "kind", "words"),
    [
        ({"_chat.txt": IOS, "00000002-PHOTO-2025-11-23-10-16-07.jpg": JPEG}, HistoryFormat.WHATSAPP, "Ecco la foto"),
        ({"Chat WhatsApp con Ann Bo.txt": ANDROID, "note.txt": BARE}, HistoryFormat.WHATSAPP, "Ecco la foto"),
        ({"WhatsApp Chat with Ann/WhatsApp Chat with Ann.txt": BARE}, HistoryFormat.WHATSAPP, "Ecco la foto"),
        ({"esportata.txt": BARE, "readme.txt": "hello"}, HistoryFormat.WHATSAPP, "Ecco la foto"),
        ({"Profile.csv": "a,b\n", "messages.csv": LINKEDIN}, HistoryFormat.LINKEDIN, "Testo"),
        (
            {"your_instagram_activity/messages/inbox/ann_1/message_1.json": thread("ann_1", "Ciao")},
            HistoryFormat.INSTAGRAM,
            "Ciao",
        ),
        ({"giulia@lanterna.example.ics": ICS.format("Visita")}, HistoryFormat.CALENDAR, ""),
    ],
)
def test_the_file_that_matters_is_found(files, kind, words):
    found, items = read(pack(files))
    assert found.format is kind
    assert items[0].text == words


def test_each_conversation_of_an_account_has_its_own_people_and_a_broken_one_stays_alone():
    inbox = "your_instagram_activity/messages/inbox"
    found, items = read(
        pack(
            {
                f"{inbox}/ann_1/message_1.json": thread("ann_1", "Ciao"),
                f"{inbox}/bea_2/message_2.json": thread("bea_2", "prima", people=("Bea", "Giulia Ferri")),
                f"{inbox}/bea_2/message_1.json": thread("bea_2", "dopo", people=("Bea", "Giulia Ferri")),
                f"{inbox}/carl_3/message_1.json": "{broken",
            }
        )
    )
    assert [(one.who, one.to, one.text) for one in items] == [
        ("Ann Bo", ("Giulia Ferri",), "Ciao"),
        ("Bea", ("Giulia Ferri",), "prima"),
        ("Bea", ("Giulia Ferri",), "dopo"),
    ]
    assert found.total == 3


def test_all_calendars_of_an_account_are_read():
    _found, items = read(pack({"a.ics": ICS.format("uno"), "b.ics": ICS.format("due")}))
    assert [one.subject for one in items] == ["uno", "due"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"photo.jpg": JPEG}, "no_chat"),
        ({}, "no_chat"),
        ({"../_chat.txt": IOS, "/etc/_chat.txt": IOS, "C:/_chat.txt": IOS, "a\\..\\_chat.txt": IOS}, "no_chat"),
        ({"Chat WhatsApp con A.txt": BARE, "Chat WhatsApp con B.txt": BARE}, "several_chats"),
        ({"messages/inbox/ann/message_1.html": "<p>"}, "pages"),
        ({"_chat.txt": "[23/11/25, 10:15:02] Ann: fatto"[:5]}, "no_chat"),
    ],
)
def test_an_archive_that_tells_nothing_says_why(files, code):
    with pytest.raises(UnreadableHistoryError) as refused:
        read(pack(files))
    assert refused.value.code == code
    assert code in history.UNREADABLE


def test_a_flood_of_entries_is_refused_before_it_is_listed(monkeypatch):
    monkeypatch.setattr(packed, "MAX_PARTS", 50)
    with pytest.raises(UnreadableHistoryError) as refused:
        read(pack({f"{number}.txt": "" for number in range(60)}))
    assert refused.value.code == "too_many_parts"


def test_what_unpacks_to_a_flood_is_refused_by_its_size(monkeypatch):
    monkeypatch.setattr(packed, "MAX_CHAT", 100_000)
    bomb = pack({"_chat.txt": IOS + "x" * 200_000})
    assert len(bomb) < 2_000
    with pytest.raises(UnreadableHistoryError) as refused:
        read(bomb)
    assert refused.value.code == "too_large_pack"


def test_a_lie_about_the_size_unpacks_no_more_than_it_says():
    raw = bytearray(pack({"_chat.txt": IOS + "x" * 500_000}))
    entry = raw.rindex(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = struct.pack("<I", 100)
    with pytest.raises(UnreadableHistoryError) as refused:
        read(bytes(raw))
    assert refused.value.code == "broken_pack"


def test_a_password_and_damage_are_said():
    raw = bytearray(pack({"_chat.txt": IOS}))
    locked = bytearray(raw)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + place] |= 1
    cut = raw[:-30]
    damaged = bytearray(raw)
    damaged[60:70] = b"\xff" * 10
    for bad, code in ((locked, "locked_pack"), (cut, "broken_pack"), (damaged, "broken_pack")):
        with pytest.raises(UnreadableHistoryError) as refused:
            read(bytes(bad))
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("text", "name"), [(IOS, "00000002-PHOTO-2025-11-23-10-16-07.jpg"), (ANDROID, "IMG-20251123-WA0001.jpg")]
)
def test_a_photo_lies_beside_its_message_once(session, actor, ann, bring, client, tmp_path, text, name):
    raw = pack({"_chat.txt": text, name: JPEG})
    row = bring(raw)
    assert (row.added, row.files_kept, row.files_left) == (3, 1, 0)
    assert told(session, actor, ann)[1][2] == [name]
    again = bring(raw)
    assert (again.added, again.files_kept) == (0, 0)
    (stored,) = session.scalars(select(StoredFile))
    assert (stored.name, stored.media_type, stored.size) == (name, "image/jpeg", len(JPEG))
    assert path_of(tmp_path, stored.id).read_bytes() == JPEG
    assert "1 file is beside its message." in client.get(f"/history/{row.id}").text


def test_files_that_come_later_find_the_messages_that_are_there(session, actor, ann, bring):
    bring(BARE.encode())
    row = bring(pack({"_chat.txt": ANDROID, "IMG-20251123-WA0001.jpg": JPEG}))
    assert (row.added, row.known, row.files_kept) == (0, 3, 1)
    assert len(told(session, actor, ann)) == 3


def test_files_beyond_the_limits_are_left_and_counted(session, actor, ann, bring, monkeypatch):
    monkeypatch.setattr(packed, "MAX_FILE", 1_000)
    raw = pack({"_chat.txt": ANDROID, "IMG-20251123-WA0001.jpg": b"\0" * 5_000})
    row = bring(raw)
    assert (row.added, row.files_kept, row.files_left) == (3, 0, 1)
    monkeypatch.setattr(packed, "MAX_FILE", 10_000)
    monkeypatch.setattr(landing, "MOST_BYTES", 4_000)
    assert bring(raw).files_left == 1
    assert session.scalar(select(func.count()).select_from(StoredFile)) == 0


def test_a_damaged_photo_keeps_no_word_out(session, actor, ann, bring, tmp_path):
    raw = bytearray(pack({"_chat.txt": ANDROID, "IMG-20251123-WA0001.jpg": JPEG * 50}, compression=zipfile.ZIP_STORED))
    raw[raw.index(JPEG) + 20] ^= 0xFF
    row = bring(bytes(raw))
    assert (row.added, row.files_kept, row.files_left) == (3, 0, 1)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_photos_of_instagram_are_found_by_their_path(session, actor, ann, bring):
    uri = "your_instagram_activity/messages/inbox/ann_1/photos/1.jpg"
    row = bring(
        pack(
            {
                "your_instagram_activity/messages/inbox/ann_1/message_1.json": thread("ann_1", "Ciao", photo=uri),
                uri: JPEG,
                "your_instagram_activity/messages/inbox/bea_2/photos/1.jpg": b"another",
            }
        )
    )
    assert row.files_kept == 1
    assert told(session, actor, ann) == [("message.received", "Ciao", ["1.jpg"])]


def test_a_conversation_of_three_is_a_group(session, actor, ann, bring):
    bring(pack({"messages/inbox/x/message_1.json": thread("x", "Ciao", people=("Ann Bo", "Giulia Ferri", "Carl"))}))
    assert [one[0] for one in told(session, actor, ann)] == ["message.group"]


def test_a_refusal_is_said_where_the_file_was_chosen(client):
    data = {"file": (io.BytesIO(pack({"photo.jpg": JPEG})), "x.zip")}
    refused = client.post("/history", data=data, content_type="multipart/form-data")
    assert refused.status_code == 422
    assert "there is no chat of WhatsApp" in refused.text

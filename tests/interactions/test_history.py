"""History that nobody logged by hand: brought in once, dated when it happened, for whoever brought it."""

import io
from dataclasses import replace
from datetime import datetime

import pytest
from factories.accounts import user
from factories.contacts import contact, interaction
from sqlalchemy import event, func, select

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.contacts.queries import ContactNotFoundError
from crm.errors import InvalidInputError
from crm.events import Handlers, InteractionLogged
from crm.files.models import StoredFile
from crm.files.services import path_of
from crm.interactions import queries, runner
from crm.interactions.kinds import HistoryState
from crm.interactions.models import Interaction
from crm.interactions.services import history, landing

CHAT = """\
23/11/24, 10:15 - Ann Bo: Sono delusa
23/11/24, 10:16 - Giulia Ferri: Mi dispiace
"""
GROUP = CHAT + "23/11/24, 10:17 - Carl Dini: Anche io\n"
CALENDAR = """\
BEGIN:VCALENDAR
BEGIN:VEVENT
UID:1
DTSTART:20250301T090000Z
SUMMARY:Visit
ATTENDEE:mailto:ann@example.com
ATTENDEE:mailto:stranger@example.com
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
def ann(session, actor):
    return contact(session, actor, "Ann Bo", email="ann@example.com")


@pytest.fixture
def bring(session, actor, tmp_path, now):
    def bring(text, *, name="chat.txt", who=actor):
        return history.upload(
            session, who, folder=tmp_path, name=name, stream=io.BytesIO(text.encode()), limit=10_000_000, now=now
        )

    return bring


@pytest.fixture
def run(session, transaction, actor, tmp_path, now):
    def run(row, people):
        history.start(session, actor, history_id=row.id, people=people, day_first=True, now=now)
        session.commit()
        runner.run(transaction, workspace_id=actor.workspace_id, history_id=row.id, folder=tmp_path)
        session.expire_all()
        return queries.history_file(session, actor, history_id=row.id)

    return run


def told(session, actor, person):
    items = queries.timeline(session, actor, contact_id=person.id).items
    return [(one.kind, one.direction, one.body, one.happened_at.year) for one in reversed(items)]


def test_a_chat_lands_where_and_when_it_happened(session, actor, ann, bring, run):
    row = run(bring(CHAT), {"Ann Bo": str(ann.id), "Giulia Ferri": history.ME})
    assert told(session, actor, ann) == [
        ("message.received", "inbound", "Sono delusa", 2024),
        ("message.sent", "outbound", "Mi dispiace", 2024),
    ]
    assert (row.state, row.added, row.known, row.left_out) == (HistoryState.DONE, 2, 0, 0)
    assert ann.last_inbound_at.year == 2024


def test_the_same_file_again_adds_nothing_and_a_longer_one_the_rest(session, actor, ann, bring, run):
    people = {"Ann Bo": str(ann.id), "Giulia Ferri": history.ME}
    run(bring(CHAT), people)
    again = run(bring(CHAT), people)
    assert (again.added, again.known) == (0, 2)
    longer = run(bring(CHAT + "24/11/24, 08:00 - Ann Bo: Ancora qui\n"), people)
    assert (longer.added, longer.known) == (1, 2)
    assert len(told(session, actor, ann)) == 3


def test_an_old_file_moves_no_date_back_and_tells_nobody(session, actor, ann, bring, run, transaction, now):
    interaction(session, actor, ann.id, "call", happened_at=now)
    heard = []
    transaction.handlers = Handlers([(InteractionLogged, lambda _session, event: heard.append(event))])
    run(bring(CHAT), {"Ann Bo": str(ann.id), "Giulia Ferri": history.ME})
    assert ann.last_interaction_at == now
    assert heard == []


def test_keyword_rules_speak_about_old_words_too_and_they_were_answered(session, actor, ann, bring, run, now):
    from crm.interactions import services

    services.add_examples(session, actor, names={}, now=now)
    run(bring(CHAT), {"Ann Bo": str(ann.id), "Giulia Ferri": history.ME})
    first = queries.timeline(session, actor, contact_id=ann.id).items[-1]
    assert first.sentiment == "negative"
    assert first.answered_at is not None


def test_what_is_said_in_a_group_is_shown_so_and_warms_nobody(session, actor, ann, bring, run):
    carl = contact(session, actor, "Carl Dini")
    people = {"Ann Bo": str(ann.id), "Carl Dini": str(carl.id), "Giulia Ferri": history.ME}
    row = run(bring(GROUP), people)
    assert (row.added, row.left_out) == (4, 0)
    assert [one[:3] for one in told(session, actor, carl)] == [
        ("message.group", "outbound", "Mi dispiace"),
        ("message.group", "inbound", "Anche io"),
    ]
    assert (ann.last_interaction_at, carl.last_inbound_at) == (None, None)
    assert run(bring(GROUP), people).known == 4


def test_a_group_is_one_also_where_only_one_of_it_is_known(session, actor, ann, bring, run):
    row = run(bring(GROUP), {"Ann Bo": str(ann.id), "Giulia Ferri": history.ME})
    assert [one[0] for one in told(session, actor, ann)] == ["message.group", "message.group"]
    assert (row.left_out, row.left_why) == (1, {"nobody": 1})


def test_what_one_says_to_a_large_group_is_left_out_with_its_reason(session, actor, ann, bring, run, monkeypatch):
    monkeypatch.setattr(landing, "MOST_IN_GROUP", 1)
    carl = contact(session, actor, "Carl Dini")
    people = {"Ann Bo": str(ann.id), "Carl Dini": str(carl.id), "Giulia Ferri": history.ME}
    row = run(bring(GROUP), people)
    assert (row.added, row.left_why) == (2, {"group": 1})


@pytest.mark.parametrize("mine", [{"Giulia Ferri": "me"}, {}])
def test_two_names_of_one_person_are_no_group(session, actor, ann, bring, run, mine):
    text = CHAT + "23/11/24, 10:18 - +39 333 1234567: Nuovo numero\n"
    run(bring(text), {"Ann Bo": str(ann.id), "+39 333 1234567": str(ann.id), **mine})
    assert {one[0] for one in told(session, actor, ann)} <= {"message.received", "message.sent"}
    assert len(told(session, actor, ann)) == 2 + len(mine)


def test_a_meeting_lands_on_each_known_guest(session, actor, ann, bring, run):
    row = bring(CALENDAR, name="calendar.ics")
    found = queries.candidates(session, actor, row=row, names=[name for name, _count in row.found])
    assert {name: [one.id for one in known] for name, known in found.items()} == {"ann@example.com": [ann.id]}
    run(row, {"ann@example.com": str(ann.id)})
    assert told(session, actor, ann) == [("meeting", "none", "", 2025)]


def test_the_file_and_its_names_are_thrown_away_at_the_end(session, actor, ann, bring, run, tmp_path):
    row = bring(CHAT)
    path = path_of(tmp_path, row.file_id)
    assert path.exists()
    row = run(row, {"Ann Bo": str(ann.id)})
    assert (row.file_id, row.found, row.people) == (None, [], {})
    assert not path.exists()
    assert session.scalar(select(func.count()).select_from(StoredFile)) == 0


def test_a_kill_between_two_parts_loses_and_doubles_nothing(
    session, transaction, actor, ann, bring, tmp_path, now, monkeypatch
):
    text = "".join(f"01/02/24, 10:{n % 60:02} - Ann Bo: riga {n}\n" for n in range(25))
    row = bring(text)
    history.start(session, actor, history_id=row.id, people={"Ann Bo": str(ann.id)}, day_first=True, now=now)
    session.commit()
    monkeypatch.setattr(runner, "PART", 10)
    landed, plain = [], landing.land_part

    def killed(*args, **given):
        if len(landed) == 1:
            raise KeyboardInterrupt
        landed.append(plain(*args, **given))

    monkeypatch.setattr(landing, "land_part", killed)
    place = {"workspace_id": actor.workspace_id, "history_id": row.id, "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        runner.run(transaction, **place)
    monkeypatch.setattr(landing, "land_part", plain)
    runner.run(transaction, **place)
    session.expire_all()
    row = queries.history_file(session, actor, history_id=row.id)
    assert (row.state, row.added, row.known, row.next_item) == (HistoryState.DONE, 25, 0, 25)
    assert len({one[2] for one in told(session, actor, ann)}) == 25


def test_a_chat_is_nobody_elses_business(session, actor, ann, bring):
    row = bring(CHAT)
    other = user(session)
    session.add(Membership(user_id=other.id, role=Role.OWNER))
    session.flush()
    colleague = replace(actor, user_id=other.id)
    with pytest.raises(queries.HistoryNotFoundError):
        queries.history_file(session, colleague, history_id=row.id)
    assert queries.history_files(session, colleague).items == []


def test_what_can_not_be_started_is_refused(session, actor, bring, tmp_path, now):
    row = bring(CHAT)
    for people, error in (
        ({}, InvalidInputError),
        ({"Giulia Ferri": "me"}, InvalidInputError),
        ({"Ann Bo": "nonsense"}, InvalidInputError),
        ({"Ann Bo": str(row.id)}, ContactNotFoundError),
    ):
        with pytest.raises(error):
            history.start(session, actor, history_id=row.id, people=people, day_first=True, now=now)
    with pytest.raises(history.UnreadableFileError):
        bring("name;email\n")
    history.discard(session, actor, history_id=row.id, folder=tmp_path)
    assert queries.history_files(session, actor).items == []


def test_ten_thousand_lines_take_the_same_statements_as_a_part_each(session, transaction, actor, ann, bring, run):
    row = bring("".join(f"01/02/24, 10:15 - Ann Bo: riga {n}\n" for n in range(2_000)))
    asked = []
    engine = transaction.engine
    event.listen(engine, "after_cursor_execute", lambda *given: asked.append(given[2]))
    row = run(row, {"Ann Bo": str(ann.id)})
    assert row.added == 2_000
    assert session.scalar(select(func.count()).select_from(Interaction)) == 2_000
    assert len(asked) < 25 * (2_000 // runner.PART + 2)


def test_the_pages_ask_who_is_who_and_take_the_answer(client, session, actor, ann, now):
    assert "Bring in history" in client.get("/history").text
    refused = client.post("/history", data={"file": (io.BytesIO(b"x"), "x.txt")}, content_type="multipart/form-data")
    assert refused.status_code == 422
    assert "This is no chat" in refused.text
    data = {"file": (io.BytesIO(CHAT.encode()), "chat.txt")}
    made = client.post("/history", data=data, content_type="multipart/form-data")
    url = made.headers["Location"]
    page = client.get(url).text
    assert f'<option value="{ann.id}" selected>' in page
    assert '<option value="me" selected>' in page
    contact(session, actor, "Dora Elmi")
    found = client.post(url, data={"name": ["Ann Bo"], "who": [""], "wanted": "Dora", "find": "1"})
    assert "Dora Elmi" in found.text
    assert client.post(url, data={"name": ["Ann Bo"], "who": [""], "order": "day"}).status_code == 422
    given = {"name": ["Ann Bo", "Giulia Ferri"], "who": [str(ann.id), "me"], "order": "day"}
    assert client.post(url, data=given).status_code == 303
    assert "chat.txt" in client.get("/history").text
    assert client.get(url).status_code == 200
    assert client.get(f"{url}/progress").status_code == 200
    assert client.post(f"{url}/resume").status_code == 303
    assert client.post(url, data=given).status_code == 409


def test_the_api_brings_history_too(client, ann):
    made = client.post("/api/v1/history?name=chat.txt", data=CHAT.encode(), content_type="text/plain")
    assert (made.status_code, made.json["format"], made.json["total"]) == (201, "whatsapp", 2)
    url = f"/api/v1/history/{made.json['id']}"
    assert client.post(f"{url}/start", json={"people": {"Ann Bo": "x"}}).status_code == 422
    started = client.post(f"{url}/start", json={"people": {"Ann Bo": str(ann.id)}})
    assert started.json["state"] == "queued"
    assert client.get(url).json["names"][0]["name"] == "Ann Bo"


def test_times_are_those_of_who_brings_it(session, actor, ann, bring, run):
    row = run(bring(CHAT), {"Ann Bo": str(ann.id)})
    assert row.time_zone == "Europe/Rome"
    first = queries.timeline(session, actor, contact_id=ann.id).items[-1]
    assert first.happened_at == datetime.fromisoformat("2024-11-23T10:15+01:00")

"""The calendar: what will leave and when, the week, and moving with the gate's answer at once."""

from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

import pytest
from factories import outreach
from factories.contacts import contact
from sqlalchemy import event, update

from crm.accounts.models import Workspace
from crm.channels.base import ChannelKind
from crm.clock import zone
from crm.consent.kinds import Purpose
from crm.db import database_now, new_id
from crm.outreach import grid, queries, services
from crm.outreach.hours import hour_objection
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message
from crm.outreach.queries import CalendarFilter, CampaignDay
from crm.outreach.rules import Objection, Reason, Verdict

ALL = CalendarFilter()
ROME = zone("Europe/Rome")


@pytest.fixture
def now(session):
    """Pages ask the database for the time."""
    return database_now(session)


@pytest.fixture
def account(session, actor, workspace, now):
    """Where no weekday is a holiday, whenever a test runs; holidays have tests of their own."""
    workspace.country = ""
    return outreach.account(session, actor, is_sandbox=True, now=now)


@pytest.fixture
def ann(session, actor, account, now):
    return outreach.person(session, actor, now=now)


def local(now, *, weekday: int, hour: int, minute: int = 0) -> datetime:
    """The next such moment in Rome, at least a day ahead."""
    start = now.astimezone(ROME) + timedelta(days=1)
    day = start.date() + timedelta(days=(weekday - start.weekday()) % 7)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ROME).astimezone(UTC)


def asked(moment: datetime, **more) -> dict[str, str]:
    """The fields of a move to `moment`."""
    there = moment.astimezone(ROME)
    return {"when": "at", "on": there.date().isoformat(), "at": there.strftime("%H:%M"), **more}


def promotion(session, actor, contact_id, at, now, **fields):
    return outreach.message(session, actor, contact_id, purpose=Purpose.PROMOTIONAL, send_at=at, now=now, **fields)


@pytest.fixture
def planned(session, actor, ann, now):
    return promotion(session, actor, ann, local(now, weekday=2, hour=10), now, subject="Autumn")


# --- What stands in it


def test_an_empty_calendar_says_what_it_is_for_and_offers_one_step(client):
    page = client.get("/calendar").text

    assert "Nothing is to leave" in page
    assert page.count("Choose a person</span>") == 1


def test_messages_stand_in_the_order_in_which_they_leave_and_not_in_the_planned_one(session, actor, ann, now):
    first = outreach.message(session, actor, ann, send_at=now + timedelta(hours=1), now=now)
    second = outreach.message(session, actor, ann, send_at=now + timedelta(hours=2), now=now)
    first.due_at = now + timedelta(hours=5)
    held = outreach.message(session, actor, ann, send_at=now + timedelta(hours=1), now=now)
    held.state, held.held_until = MessageState.HELD.value, now + timedelta(hours=3)
    session.flush()

    found = queries.leaving(session, actor, wanted=ALL).items

    assert [row.line.id for row in found] == [second.id, held.id, first.id]
    assert [row.at for row in found] == [second.due_at, held.held_until, first.due_at]


def test_a_deferred_message_says_what_was_agreed(client, session, planned):
    planned.due_at, planned.reason = planned.due_at + timedelta(days=1), Reason.OUTSIDE_WINDOW.value
    session.flush()

    assert "Planned for" in client.get("/calendar").text


def test_the_list_pages_by_key_without_losing_or_repeating_anything(client, session, actor, ann, now):
    at = now + timedelta(hours=1)
    ids = {outreach.message(session, actor, ann, send_at=at + timedelta(minutes=n // 2), now=now).id for n in range(7)}

    seen, after = [], None
    for _page in range(9):
        page = queries.leaving(session, actor, wanted=ALL, after=after, limit=2)
        seen += [row.line.id for row in page.items]
        after = page.next
        if after is None:
            break

    assert len(seen) == 7
    assert set(seen) == ids
    assert client.get("/calendar?after=nonsense").status_code == 422


def test_what_needs_a_person_stands_first_and_not_among_what_leaves(client, session, actor, ann, now):
    unsure = outreach.message(session, actor, ann, subject="Unsure one", now=now)
    unsure.state = MessageState.UNCERTAIN.value
    stale = outreach.message(session, actor, ann, subject="Stale one", now=now)
    stale.state, stale.reason = MessageState.HELD.value, Reason.STALE.value
    outreach.message(session, actor, ann, subject="Going one", now=now)
    session.flush()

    page = client.get("/calendar").text

    assert queries.figures(session, actor, wanted=ALL) == queries.Figures(1, 2)
    assert page.index("Stale one") < page.index("Going one")
    assert page.index("Unsure one") < page.index("Going one")
    assert "one still to leave" in page
    assert "2 need you" in page


def test_each_filter_leaves_out_the_others(session, actor, house, ann, account, now):
    other = outreach.account(session, actor, "Shop", address="shop@lanterna.example.com", now=now)
    handles = [{"channel": "whatsapp", "address": "+39 333 1234567"}]
    bo = contact(session, actor, "Bo Li", handles=handles, owner_id=house.user.id, now=now)
    batch = services.new_batch(session, actor, name="Autumn", now=now)
    one = outreach.message(session, actor, ann, account_id=other.id, now=now)
    two = outreach.message(session, actor, bo.id, channel=ChannelKind.WHATSAPP, now=now)
    three = outreach.message(session, actor, ann, account_id=account.id, now=now)
    three.batch_id = batch.id
    session.flush()

    def found(**fields):
        return {row.line.id for row in queries.leaving(session, actor, wanted=CalendarFilter(**fields)).items}

    assert found(account_id=other.id) == {one.id}
    assert found(channel=ChannelKind.WHATSAPP) == {two.id}
    assert found(batch_id=batch.id) == {three.id}
    assert found(is_direct=True) == {one.id, two.id}
    # Whoever wrote to a person nobody looks after looks after that message.
    assert found(owner_id=house.user.id) == {one.id, two.id, three.id}
    assert queries.waiting_batches(session, actor) == [(batch.id, "Autumn")]


def test_filters_stay_in_the_address_and_nonsense_filters_nothing(client, planned, account):
    page = client.get(f"/calendar?account={account.id}").text
    assert f"account={account.id}" in page
    assert "Ann Bo" in page
    assert "Ann Bo" in client.get("/calendar?account=x&channel=y&campaign=z&owner=1&from=nonsense").text
    assert "Ann Bo" not in client.get("/calendar?channel=sms").text


def test_the_gate_is_asked_for_the_moment_of_each_message(session, actor, ann, now):
    wednesday, sunday = local(now, weekday=2, hour=10), local(now, weekday=6, hour=10)
    opens = promotion(session, actor, ann, wednesday, now)
    closed = promotion(session, actor, ann, sunday, now)

    found = queries.verdicts_at(session, actor, moments={opens.id: wednesday, closed.id: sunday})

    assert found[opens.id].allowed
    assert found[closed.id].reason is Reason.OUTSIDE_WINDOW


@pytest.fixture
def statements(session):
    """The statements that reach the database."""
    seen = []

    def note(_connection, _cursor, statement, *_more):
        seen.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield seen
    event.remove(session.get_bind(), "before_cursor_execute", note)


@pytest.mark.parametrize("view", ["list", "week"])
def test_more_messages_ask_no_more_statements(client, session, actor, planned, statements, now, view):
    url = f"/calendar?view={view}&from={planned.due_at.date()}"
    client.get(url)
    statements.clear()
    client.get(url)
    few = len(statements)
    for number in range(12):
        person = outreach.person(session, actor, f"Person {number}", email=f"p{number}@example.com", now=now)
        promotion(session, actor, person, planned.due_at + timedelta(minutes=20 * number), now)
    statements.clear()
    assert "Person 11" in client.get(url).text

    assert 0 < len(statements) <= few


# --- The week


def test_the_week_has_messages_by_day_and_a_campaign_as_one_block(client, session, actor, ann, planned, now):
    batch = services.new_batch(session, actor, name="Autumn fair", now=now)
    at = planned.due_at + timedelta(hours=3)
    for number in range(4):
        person = outreach.person(session, actor, f"Guest {number}", email=f"g{number}@example.com", now=now)
        promotion(session, actor, person, at + timedelta(minutes=number), now).batch_id = batch.id
    session.flush()

    page = client.get(f"/calendar?view=week&from={planned.due_at.date()}").text

    assert page.count("Autumn fair</a>") == 1
    assert "4 people" in page
    assert f'data-message="{planned.id}"' in page
    assert 'data-message="' in page
    assert "fd-week__closed" in page


def test_the_week_shows_what_left_as_past(client, session, ann, planned, now):
    planned.state, planned.sent_at, planned.planned_at = MessageState.SENT.value, now, now
    session.flush()

    page = client.get("/calendar?view=week").text

    assert "fd-slot--past" in page
    assert f'data-message="{planned.id}"' not in page


def line_at(at):
    return queries.CalendarLine(line=None, at=at, campaign="")  # pyright: ignore[reportArgumentType]


def at_nine(minutes: int) -> datetime:
    return datetime(2026, 11, 23, 8, 0, tzinfo=UTC) + timedelta(minutes=minutes)


def test_messages_that_leave_close_together_are_one_block():
    blocks = grid.place([line_at(at_nine(n)) for n in (0, 10, 29, 30, 90)], [], tz="Europe/Rome")

    assert [(block.quarter, block.length, len(block.lines)) for block in blocks] == [(36, 2, 3), (38, 3, 1), (42, 3, 1)]


def test_what_happens_at_the_same_time_stands_side_by_side():
    campaign = CampaignDay(
        batch_id=new_id(),
        name="Fair",
        day=date(2026, 11, 23),
        first=at_nine(0),
        last=at_nine(120),
        people=3,
        waiting=3,
        held=0,
    )

    blocks = grid.place([line_at(at_nine(30)), line_at(at_nine(200))], [campaign], tz="Europe/Rome")

    assert [(block.lane, block.lanes) for block in blocks] == [(1, 2), (2, 2), (1, 1)]


def test_the_last_minutes_of_a_day_still_fit_into_it():
    block = grid.place([line_at(at_nine(14 * 60 + 55))], [], tz="Europe/Rome")[0]

    assert block.end == grid.QUARTERS


def test_closed_hours_are_runs_of_quarters():
    def is_open(instant):
        return 8 <= instant.hour < 18

    spans = grid.closed_spans(date(2026, 11, 23), tz="UTC", is_open=is_open)

    assert spans == [(0, 32), (72, 24)]


# --- Moving


def test_an_open_hour_is_taken_at_once(client, session, planned, now):
    moment = local(now, weekday=3, hour=15)

    answer = client.post(f"/messages/{planned.id}/move", data=asked(moment, back="/calendar?view=week"))

    assert (answer.status_code, answer.location) == (303, "/calendar?view=week")
    session.refresh(planned)
    assert (planned.planned_at, planned.due_at, planned.state) == (moment, moment, MessageState.SCHEDULED)


def test_a_closed_hour_is_refused_with_the_next_open_one(client, session, planned, now):
    before = planned.due_at
    saturday = local(now, weekday=5, hour=14)

    page = client.post(f"/messages/{planned.id}/move", data=asked(saturday))

    assert page.status_code == 422
    assert "Closed at this hour" in page.text
    assert "It is outside the sending hours where this person lives." in page.text
    monday = saturday.astimezone(ROME).date() + timedelta(days=2)
    assert f'name="on" value="{monday}"' in page.text
    assert 'name="at" value="09:00"' in page.text
    session.refresh(planned)
    assert planned.due_at == before


def test_the_offered_hour_is_really_open(session, actor, ann, planned, now):
    sunday = local(now, weekday=6, hour=10)

    found = queries.opening(session, actor, message_id=planned.id, at=sunday)

    assert found.suggestion is not None
    assert queries.verdicts_at(session, actor, moments={planned.id: found.suggestion})[planned.id].allowed


def test_a_personal_message_is_only_warned_and_the_person_may_keep_the_hour(client, session, actor, ann, now):
    personal = outreach.message(session, actor, ann, send_at=local(now, weekday=2, hour=10), now=now)
    saturday = local(now, weekday=5, hour=14)

    page = client.post(f"/messages/{personal.id}/move", data=asked(saturday))
    assert page.status_code == 422
    assert 'name="anyway"' in page.text

    assert client.post(f"/messages/{personal.id}/move", data=asked(saturday, anyway="1")).status_code == 303
    session.refresh(personal)
    assert personal.due_at == saturday


def test_no_word_forces_a_promotion_into_a_closed_hour(client, session, planned, now):
    before = planned.due_at

    page = client.post(f"/messages/{planned.id}/move", data=asked(local(now, weekday=5, hour=14), anyway="1"))

    assert page.status_code == 422
    assert 'name="anyway"' not in page.text
    session.refresh(planned)
    assert planned.due_at == before


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (MessageState.SENDING, "It is too late: this message is leaving right now."),
        (MessageState.CLAIMED, "It is too late: this message is leaving right now."),
        (MessageState.SENT, "It is too late: this message has left."),
        (MessageState.UNCERTAIN, "It may have left already: decide first whether it arrived."),
        (MessageState.CANCELLED, "This message will not leave any more, so it can’t be moved."),
    ],
)
def test_a_message_under_way_is_not_moved_and_the_page_says_so(client, session, planned, now, state, sentence):
    planned.state = state.value
    session.flush()

    page = client.post(f"/messages/{planned.id}/move", data=asked(local(now, weekday=3, hour=15)))

    assert page.status_code == 409
    assert sentence in page.text
    session.refresh(planned)
    assert planned.state == state


def test_a_held_message_is_planned_again_with_its_move(client, session, planned, now):
    planned.state, planned.reason = MessageState.HELD.value, Reason.STALE.value
    session.flush()

    assert client.post(f"/messages/{planned.id}/move", data=asked(local(now, weekday=3, hour=15))).status_code == 303
    session.refresh(planned)
    assert (planned.state, planned.reason, planned.held_until) == (MessageState.SCHEDULED, "", None)


def test_words_that_nobody_approved_are_not_planned(session, actor, ann, now):
    made = services.draft_many(
        session, actor, batch_id=None, drafts=[services.DraftInput(contact_id=ann, subject="A", body="B")],
        purpose=Purpose.PERSONAL, channel=ChannelKind.EMAIL, now=now,
    )  # fmt: skip
    session.execute(update(Message).where(Message.id == made[ann]).values(state=MessageState.HELD.value))

    with pytest.raises(services.NotMovableError, match="not approved yet"):
        services.reschedule(session, actor, message_id=made[ann], at=now + timedelta(hours=1), now=now)


def test_a_move_tells_what_else_keeps_the_message_back(client, session, workspace, planned, now):
    session.execute(update(Workspace).where(Workspace.id == workspace.id).values(promotions_paused=True))

    sent = client.post(f"/messages/{planned.id}/move", data=asked(local(now, weekday=3, hour=15)))

    assert "All promotions are paused." in client.get(sent.location).text


def test_beside_the_calendar_the_answer_is_a_part_of_the_page(client, session, planned, now):
    url, beside = f"/messages/{planned.id}/move", {"HX-Request": "true"}

    form = client.get(f"{url}?back=/calendar", headers=beside)
    assert "<html" not in form.text
    refused = client.post(url, data=asked(local(now, weekday=5, hour=14)), headers=beside)
    assert (refused.status_code, refused.headers["HX-Retarget"]) == (422, "#calendar-answer")
    back = "/calendar?view=week&from=" + planned.due_at.date().isoformat()
    # The day after, which is in the week that is shown.
    thursday = planned.due_at.astimezone(ROME).replace(hour=15) + timedelta(days=1)
    done = client.post(url, data=asked(thursday, back=back), headers=beside)

    assert done.status_code == 200
    assert 'id="calendar"' in done.text
    assert f'data-message="{planned.id}"' in done.text
    assert "Moved to" in done.text
    assert "<html" not in done.text


def test_a_move_never_leads_out_of_the_house(client, planned, now):
    where = asked(local(now, weekday=3, hour=15), back="https://evil.example/calendar")

    assert client.post(f"/messages/{planned.id}/move", data=where).location == f"/messages/{planned.id}"


def test_the_way_back_keeps_the_filters(client, planned):
    page = client.get(f"/messages/{planned.id}/move?back={quote('/calendar?view=week&channel=email')}").text

    assert 'value="/calendar?view=week&amp;channel=email"' in page


# --- Which answers are about the hour

LATER = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("objections", "reason"),
    [
        ((Objection(Reason.OUTSIDE_WINDOW, LATER),), Reason.OUTSIDE_WINDOW),
        ((Objection(Reason.BUDGET_PERSON, LATER),), Reason.BUDGET_PERSON),
        ((Objection(Reason.NEVER_OPEN),), Reason.NEVER_OPEN),
        ((Objection(Reason.TOO_LATE),), Reason.TOO_LATE),
        ((Objection(Reason.OUTSIDE_WINDOW, LATER, binds=False),), Reason.OUTSIDE_WINDOW),
        ((Objection(Reason.BUDGET_PERSON, LATER, binds=False),), None),
        ((Objection(Reason.CONSENT_MISSING), Objection(Reason.OUTSIDE_WINDOW, LATER)), None),
        ((Objection(Reason.PROMOTIONS_PAUSED),), None),
        ((), None),
    ],
)
def test_only_some_answers_are_about_the_hour(objections, reason):
    found = hour_objection(Verdict(objections))

    assert (found.reason if found else None) is reason


def test_the_database_and_the_pages_agree_when_a_message_leaves(session, actor, ann, now):
    for state, fields in (
        (MessageState.SCHEDULED, {"due_at": now + timedelta(hours=4)}),
        (MessageState.HELD, {"held_until": now + timedelta(hours=9)}),
        (MessageState.APPROVED, {}),
    ):
        row = outreach.message(session, actor, ann, send_at=now + timedelta(hours=1), now=now)
        row.state = state.value
        for name, value in fields.items():
            setattr(row, name, value)
    session.flush()

    found = queries.leaving(session, actor, wanted=ALL).items

    assert len(found) == 3
    assert all(row.at == row.line.leaves_at for row in found)

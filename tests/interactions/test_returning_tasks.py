"""Tasks that remind and come back: once each, in the zone of who wrote them, about any number of records."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from factories import accounts as factory
from factories.contacts import company, contact, task
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import Membership, Notification
from crm.accounts.rules import system_actor
from crm.contacts.queries import ContactNotFoundError
from crm.db import database_now, new_id
from crm.desk.counters import count
from crm.desk.queue import Kind, queue
from crm.errors import InvalidInputError
from crm.interactions import queries, services
from crm.interactions.models import Task
from crm.interactions.queries import TaskFilter
from workers.clock import Clock, ring_reminders

DAILY = {"frequency": "daily", "every": 3}
AT_NINE = {"days": 0, "at": "09:00"}


def next_of(session, row):
    return session.scalars(select(Task).where(Task.follows_id == row.id)).one_or_none()


def test_doing_a_repeating_task_makes_the_next_one_once(session, actor, now):
    person, firm = contact(session, actor), company(session, actor)
    row = task(
        session, actor, "Water", due_on="2026-11-23", due_time="08:30", repeat=DAILY, reminder=AT_NINE,
        is_promise=True, contact_id=person.id, company_ids=[firm.id],
    )  # fmt: skip

    services.complete_task(session, actor, task_id=row.id, now=now)
    services.complete_task(session, actor, task_id=row.id, now=now)

    following = next_of(session, row)
    assert (following.title, following.due_on, following.due_time) == ("Water", date(2026, 11, 26), time(8, 30))
    assert following.due_at == datetime(2026, 11, 26, 7, 30, tzinfo=UTC)
    assert following.remind_at == datetime(2026, 11, 26, 8, tzinfo=UTC)
    assert (following.is_promise, following.contact_id, following.assignee_id) == (True, person.id, actor.user_id)
    assert queries.links_of_task(session, actor, task_id=following.id).company_ids == [firm.id]


def test_taking_done_back_takes_the_next_one_away(session, actor, now):
    row = task(session, actor, due_on="2026-11-23", repeat=DAILY)
    services.complete_task(session, actor, task_id=row.id, now=now)
    services.reopen_task(session, actor, task_id=row.id)
    assert next_of(session, row) is None
    services.complete_task(session, actor, task_id=row.id, now=now)
    assert next_of(session, row) is not None


def test_a_next_one_that_is_done_stays_and_no_second_is_made(session, actor, now):
    row = task(session, actor, due_on="2026-11-23", repeat=DAILY)
    services.complete_task(session, actor, task_id=row.id, now=now)
    following = next_of(session, row)
    services.complete_task(session, actor, task_id=following.id, now=now)
    services.reopen_task(session, actor, task_id=row.id)
    services.complete_task(session, actor, task_id=row.id, now=now)
    assert next_of(session, row) is following


def test_a_series_ends_after_so_many_times_or_on_its_day(session, actor, now):
    row = task(session, actor, due_on="2026-11-23", repeat={**DAILY, "count": 3})
    made = 1
    while row is not None:
        services.complete_task(session, actor, task_id=row.id, now=now)
        row, made = next_of(session, row), made + 1
    assert made == 4
    last = task(session, actor, due_on="2026-11-23", repeat={**DAILY, "until": "2026-11-25"})
    services.complete_task(session, actor, task_id=last.id, now=now)
    assert next_of(session, last) is None


def test_monthly_from_the_31st_finds_its_day_again_after_february(session, actor, now):
    row = task(session, actor, due_on="2027-01-31", repeat={"frequency": "monthly"})
    days = []
    for _month in range(3):
        services.complete_task(session, actor, task_id=row.id, now=now)
        row = next_of(session, row)
        days.append(row.due_on.isoformat())
    assert days == ["2027-02-28", "2027-03-31", "2027-04-30"]


def test_counted_from_the_day_it_was_done_in_the_zone_of_the_task(session, actor):
    apia = replace(actor, time_zone="Pacific/Apia")
    row = task(session, apia, due_on="2026-11-01", repeat={**DAILY, "counted_from": "done"})
    services.complete_task(session, actor, task_id=row.id, now=datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert next_of(session, row).due_on == date(2026, 11, 27)


@pytest.mark.parametrize(
    "given",
    [
        {"repeat": DAILY},
        {"reminder": AT_NINE},
        {"due_on": "2026-11-23", "reminder": {"minutes": 5}},
        {"due_time": "09:00"},
        {"due_on": "2026-11-23", "reminder": {"days": 1}},
        {"due_on": "2026-11-23", "reminder": {"days": 1, "at": "09:00", "minutes": 5}},
        {"due_on": "2026-11-23", "repeat": {"frequency": "hourly"}},
        {"due_on": "2026-11-23", "repeat": {"frequency": "daily", "every": 0}},
        {"due_on": "2026-11-23", "repeat": {"frequency": "weekly", "weekdays": ["XX"]}},
        {"due_on": "2026-11-23", "repeat": {"frequency": "daily", "weekdays": ["MO"]}},
    ],
)
def test_what_can_not_remind_or_return_is_refused(session, actor, given):
    with pytest.raises(InvalidInputError):
        task(session, actor, **given)


def test_a_task_without_its_day_reminds_and_returns_no_more(session, actor, now):
    row = task(session, actor, due_on="2026-11-25", due_time="09:00", repeat=DAILY, reminder={"minutes": 30})
    services.update_task(session, actor, task_id=row.id, changes={"due_on": None, "due_time": None}, now=now)
    assert (row.repeat, row.remind_at, row.due_at) == ("", None, None)


def test_saving_a_task_in_another_zone_moves_nothing(session, actor, now):
    row = task(session, actor, due_on="2026-11-25", due_time="09:00", reminder=AT_NINE)
    honolulu = replace(actor, time_zone="Pacific/Honolulu")
    day, hour = services.seen_due(row, tz=honolulu.time_zone)
    assert (day, hour) == (date(2026, 11, 24), time(22))
    services.update_task(session, honolulu, task_id=row.id, changes={"due_on": day, "due_time": hour}, now=now)
    assert (row.time_zone, row.due_on, row.due_time) == ("Europe/Rome", date(2026, 11, 25), time(9))
    services.update_task(session, honolulu, task_id=row.id, changes={"due_time": time(23)}, now=now)
    assert (row.time_zone, row.due_at) == ("Pacific/Honolulu", datetime(2026, 11, 25, 9, tzinfo=UTC))


def bells(session, actor):
    wanted = select(Notification).where(Notification.user_id == actor.user_id, Notification.kind == "task.reminder")
    return session.scalars(wanted).all()


def test_a_reminder_rings_once_and_only_when_it_is_time(session, actor, now):
    row = task(session, actor, "Call Ann", due_on="2026-11-24", reminder=AT_NINE)
    system = system_actor(actor.workspace_id)
    nine = datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert services.ring_due(session, system, now=nine - timedelta(seconds=1)) == 0
    assert services.ring_due(session, system, now=nine) == 1
    assert services.ring_due(session, system, now=nine + timedelta(days=1)) == 0
    (bell,) = bells(session, actor)
    assert (bell.params, bell.url) == ({"title": "Call Ann"}, f"/tasks/{row.id}/edit")
    services.update_task(session, actor, task_id=row.id, changes={"due_on": date(2026, 11, 26)}, now=nine)
    assert services.ring_due(session, system, now=nine + timedelta(days=2)) == 1


def test_no_bell_about_somebody_whom_one_may_not_see_any_more(session, actor, now):
    person = contact(session, actor, "Zeno Zanotti")
    seller = factory.user(session)
    session.add(Membership(user_id=seller.id, role=Role.SALES))
    session.flush()
    task(session, actor, due_on="2026-11-24", reminder=AT_NINE, contact_id=person.id, assignee_id=seller.id)
    other = task(session, actor, due_on="2026-11-24", reminder=AT_NINE, assignee_id=seller.id)
    person.restricted = True
    session.flush()
    services.ring_due(session, system_actor(actor.workspace_id), now=now + timedelta(days=9))
    wanted = select(Notification.url).where(Notification.user_id == seller.id)
    assert session.scalars(wanted).all() == [f"/tasks/{other.id}/edit"]


def test_no_bell_for_what_is_done_or_was_over_from_the_start(session, actor, now):
    done = task(session, actor, due_on="2026-11-24", reminder=AT_NINE)
    services.complete_task(session, actor, task_id=done.id, now=now)
    task(session, actor, due_on="2026-11-23", reminder=AT_NINE)
    assert services.ring_due(session, system_actor(actor.workspace_id), now=now + timedelta(days=9)) == 0


def test_the_clock_rings_across_workspaces_and_a_second_look_rings_nothing(transaction, session, actor, jobs):
    now = database_now(session)
    row = task(session, actor, due_on=(now + timedelta(days=2)).date(), reminder=AT_NINE, now=now)
    row.remind_at = now - timedelta(seconds=1)
    session.flush()
    session.commit()
    clock = Clock(transaction, jobs)
    ring_reminders(clock)
    ring_reminders(clock)
    assert len(bells(session, actor)) == 1


def test_a_task_is_about_many_people_and_stands_on_the_page_of_each(session, actor, now):
    ann, bea, firm = contact(session, actor), contact(session, actor, "Bea Rossi"), company(session, actor)
    row = task(session, actor, contact_id=ann.id, contact_ids=[bea.id, ann.id], company_ids=[firm.id])
    for about in ({"contact_id": ann.id}, {"contact_id": bea.id}, {"company_id": firm.id}):
        assert [view.id for view in queries.tasks_of(session, actor, **about)] == [row.id]
    assert queries.links_of_task(session, actor, task_id=row.id).contact_ids == [bea.id]
    services.update_task(session, actor, task_id=row.id, changes={"contact_ids": []}, now=now)
    assert queries.tasks_of(session, actor, contact_id=bea.id) == []


def test_a_task_can_not_be_about_who_is_not_there(session, actor):
    with pytest.raises(ContactNotFoundError):
        task(session, actor, contact_ids=[new_id()])


@pytest.mark.parametrize(("zone", "is_today"), [("Pacific/Apia", True), ("Pacific/Honolulu", False)])
def test_today_and_its_number_agree_at_both_ends_of_the_world(session, actor, zone, is_today):
    """At noon of the 23rd in London it is the 24th in Apia and the night of the 23rd in Honolulu."""
    there, now = replace(actor, time_zone=zone), datetime(2026, 11, 23, 12, tzinfo=UTC)
    task(session, actor, "day", due_on="2026-11-24", assignee_id=actor.user_id)
    task(session, actor, "hour", due_at=datetime(2026, 11, 24, 10, 30, tzinfo=UTC), assignee_id=actor.user_id)
    found = queue(session, there, is_mine=True, now=now)[Kind.TASK]
    assert [row.text for row in found] == (["day", "hour"] if is_today else [])
    assert count(session, there, is_mine=True, now=now)[Kind.TASK] == len(found)
    later = datetime(2026, 11, 24, 10, 29, tzinfo=UTC)
    found = queue(session, there, is_mine=True, now=later)[Kind.TASK]
    assert sorted(row.text for row in found) == ["day", "hour"]
    listed = queries.list_tasks(session, there, where=TaskFilter()).items
    assert not any(view.is_overdue(date(2026, 11, 24), later) for view in listed)


def test_a_task_is_written_and_changed_in_its_form(client, session, actor):
    form = {
        "title": "Water", "due_on": "2099-01-31", "due_time": "10:00", "assignee_id": "", "remind": "day-1",
        "remind_time": "18:30", "repeat": "monthly", "every": "1", "counted_from": "due",
    }  # fmt: skip
    assert client.post("/tasks/new", data=form).status_code == 303
    row = session.scalars(select(Task).where(Task.title == "Water")).one()
    assert (row.repeat, row.remind_days, row.remind_time) == ("FREQ=MONTHLY;INTERVAL=1", 1, time(18, 30))
    page = client.get(f"/tasks/{row.id}/edit").text
    assert 'value="18:30"' in page
    assert client.post(f"/tasks/{row.id}/edit", data={**form, "remind": "minutes-15"}).status_code == 303
    session.refresh(row)
    assert row.remind_at == row.due_at - timedelta(minutes=15)
    assert "every month" in client.get("/tasks?show=all").text


def test_what_a_form_can_not_hold_is_said_beside_the_field(client, session):
    given = {"title": "x", "assignee_id": "", "remind": "day", "repeat": "daily", "every": "1", "counted_from": "due"}
    refused = client.post("/tasks/new", data=given)
    assert refused.status_code == 422
    assert "A reminder needs the day" in refused.text


def test_a_second_person_is_found_by_name_and_taken_off_again(client, session, actor):
    bea, row = contact(session, actor, "Bea Rossi"), task(session, actor)
    assert client.post(f"/tasks/{row.id}/links", data={"other": "Nobody"}).status_code == 422
    assert client.post(f"/tasks/{row.id}/links", data={"other": "Bea Rossi"}).status_code == 303
    assert "Bea Rossi" in client.get(f"/tasks/{row.id}/edit").text
    client.post(f"/tasks/{row.id}/links", data={"gone": str(bea.id)})
    assert queries.tasks_of(session, actor, contact_id=bea.id) == []


def test_the_api_writes_completes_and_reopens_a_repeating_task(client, session, actor):
    bea = contact(session, actor, "Bea Rossi")
    given = {
        "title": "Water", "due_on": "2099-01-31", "due_time": "10:00:00", "contact_ids": [str(bea.id)],
        "reminder": {"minutes": 30}, "repeat": {"frequency": "monthly", "count": 2},
    }  # fmt: skip
    made = client.post("/api/v1/tasks", json=given)
    assert made.status_code == 201
    assert made.json["repeat"]["counted_from"] == "due"
    assert (made.json["contact_ids"], made.json["due_at"]) == ([str(bea.id)], "2099-01-31T09:00:00Z")
    assert made.json["remind_at"] == "2099-01-31T08:30:00Z"
    url = f"/api/v1/tasks/{made.json['id']}"
    assert client.post(f"{url}/done").status_code == 200
    (following,) = client.get("/api/v1/tasks").json["items"]
    assert (following["due_on"], following["follows_id"]) == ("2099-02-28", made.json["id"])
    assert client.post(f"{url}/reopen").json["done_at"] is None
    assert [row["id"] for row in client.get("/api/v1/tasks").json["items"]] == [made.json["id"]]
    assert client.post("/api/v1/tasks", json={"title": "x", "repeat": {"frequency": "daily"}}).status_code == 422

"""Tasks and promises: due, done, put off."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from factories.contacts import contact, interaction, task

from crm.contacts import services as contact_services
from crm.db import enter_workspace, new_id
from crm.errors import InvalidInputError
from crm.interactions import queries, services
from crm.interactions.queries import TaskFilter


def test_a_task_belongs_to_who_makes_it(session, actor):
    assert task(session, actor).assignee_id == actor.user_id


def test_promises_stand_first_and_undated_tasks_last(session, actor):
    person = contact(session, actor)
    task(session, actor, "Some day", contact_id=person.id)
    task(session, actor, "Tomorrow", contact_id=person.id, due_on="2026-11-24")
    task(session, actor, "Send the sample", contact_id=person.id, is_promise=True, due_on="2026-12-24")
    found = queries.tasks_of(session, actor, contact_id=person.id)
    assert [view.title for view in found] == ["Send the sample", "Tomorrow", "Some day"]


def test_a_due_hour_gives_the_due_day_in_the_persons_zone(session, actor):
    row = task(session, actor, due_at=datetime(2026, 11, 23, 23, 30, tzinfo=UTC))
    assert row.due_on == date(2026, 11, 24)


@pytest.mark.parametrize(
    "when",
    [
        {"due_on": "0001-01-01", "due_time": "00:00"},
        {"due_on": "9999-12-31", "due_time": "23:59"},
        {"due_at": datetime(1, 1, 1, tzinfo=UTC)},
        {"due_at": datetime(9999, 12, 31, 23, 59, tzinfo=UTC)},
    ],
    ids=str,
)
def test_a_day_that_nobody_can_mean_is_refused_beside_its_field(session, actor, when):
    with pytest.raises(InvalidInputError) as refused:
        task(session, actor, **when)
    assert list(refused.value.fields) == ["due_on"]


def test_done_leaves_the_open_list_and_can_be_taken_back(session, actor, now):
    row = task(session, actor)
    services.complete_task(session, actor, task_id=row.id, now=now)
    services.complete_task(session, actor, task_id=row.id, now=now + timedelta(days=1))
    assert row.done_at == now
    assert queries.list_tasks(session, actor, where=TaskFilter()).items == []
    assert [view.id for view in queries.list_tasks(session, actor, where=TaskFilter(done=True)).items] == [row.id]
    services.reopen_task(session, actor, task_id=row.id)
    assert [view.id for view in queries.list_tasks(session, actor, where=TaskFilter()).items] == [row.id]


def test_a_snoozed_task_is_out_of_sight_until_its_time(session, actor, now):
    row = task(session, actor, due_on="2026-11-23")
    services.snooze_task(session, actor, task_id=row.id, until=now + timedelta(days=1), now=now)
    assert queries.list_tasks(session, actor, where=TaskFilter(awake_at=now)).items == []
    later = now + timedelta(days=1)
    assert [view.id for view in queries.list_tasks(session, actor, where=TaskFilter(awake_at=later)).items] == [row.id]


def test_a_task_can_not_be_put_off_to_the_past(session, actor, now):
    with pytest.raises(InvalidInputError):
        services.snooze_task(session, actor, task_id=task(session, actor).id, until=now, now=now)


def test_pages_of_tasks_hold_every_task_once(session, actor):
    rows = [task(session, actor, f"T{n}", due_on=f"2026-12-0{1 + n // 2}") for n in range(4)]
    rows += [task(session, actor, f"U{n}") for n in range(3)]
    seen, after = [], None
    while True:
        page = queries.list_tasks(session, actor, where=TaskFilter(assignee_id=actor.user_id), after=after, limit=2)
        seen += [view.title for view in page.items]
        after = page.next
        if after is None:
            break
    assert seen == ["T0", "T1", "T2", "T3", "U0", "U1", "U2"]
    assert len(rows) == len(seen)


def test_a_new_date_wakes_a_snoozed_task(session, actor, now):
    row = task(session, actor)
    services.snooze_task(session, actor, task_id=row.id, until=now + timedelta(days=5), now=now)
    services.update_task(session, actor, task_id=row.id, changes={"due_on": "2026-11-24"}, now=now)
    assert (row.snoozed_until, row.due_on) == (None, date(2026, 11, 24))


@pytest.mark.parametrize("given", [{"title": ""}, {"title": "x", "assignee_id": str(new_id())}, {"title": "x", "n": 1}])
def test_a_task_that_can_not_be_is_refused(session, actor, given):
    with pytest.raises(InvalidInputError):
        task(session, actor, **given)


def test_the_task_of_a_deleted_person_is_gone_with_them(session, actor, now):
    person = contact(session, actor)
    row = task(session, actor, contact_id=person.id)
    contact_services.delete(session, actor, contact_id=person.id, now=now)
    with pytest.raises(queries.TaskNotFoundError):
        queries.task(session, actor, task_id=row.id)


def test_another_workspaces_task_is_unknown(session, actor, other_actor):
    row = task(session, actor)
    enter_workspace(session, other_actor.workspace_id)
    with pytest.raises(queries.TaskNotFoundError):
        queries.task(session, other_actor, task_id=row.id)


def test_an_entry_of_the_year_one_is_refused_beside_its_field(session, actor):
    """East of Greenwich it would lie before the calendar of the database, and nobody could read the page again."""
    person = contact(session, actor)
    with pytest.raises(InvalidInputError) as refused:
        interaction(session, actor, person.id, "call", happened_at=datetime(1, 1, 1, tzinfo=ZoneInfo("Europe/Rome")))
    assert list(refused.value.fields) == ["happened_at"]

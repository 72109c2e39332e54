"""Tasks of deals: added from the deal, linked and unlinked, shown to those who see both, and coming back."""

from dataclasses import replace
from datetime import date

import pytest
from factories.accounts import user
from factories.contacts import contact
from factories.deals import NOW, deal, pipeline

from crm.accounts.kinds import Permission
from crm.deals import queries, services
from crm.errors import NotFoundError
from crm.interactions import services as timeline
from crm.interactions.rules.recurrence import Frequency
from crm.interactions.services import RepeatInput, TaskInput


@pytest.fixture
def sold(session, actor):
    pipeline(session, actor)
    return deal(session, actor, contact_id=contact(session, actor).id)


def titles(session, actor, deal_id):
    return [view.title for view in queries.tasks_of(session, actor, deal_id=deal_id)]


def test_a_task_of_a_deal_is_about_its_main_person_and_is_what_comes_next(session, actor, sold):
    data = TaskInput(title="Send the offer", due_on=date(2026, 12, 1))
    task = services.add_task(session, actor, deal_id=sold.id, data=data, now=NOW)
    card = queries.card(session, actor, deal_id=sold.id, now=NOW)
    assert (task.contact_id, card.next_task.title) == (card.contact_id, "Send the offer")
    assert titles(session, actor, sold.id) == ["Send the offer"]
    timeline.complete_task(session, actor, task_id=task.id, now=NOW)
    assert titles(session, actor, sold.id) == []
    assert queries.card(session, actor, deal_id=sold.id, now=NOW).next_task is None


def test_a_task_is_about_a_deal_once_and_stays_when_it_no_longer_is(session, actor, sold):
    task = timeline.create_task(session, actor, data=TaskInput(title="Call"), now=NOW)
    for _time in range(2):
        services.link_task(session, actor, deal_id=sold.id, task_id=task.id)
    assert titles(session, actor, sold.id) == ["Call"]
    services.unlink_task(session, actor, deal_id=sold.id, task_id=task.id)
    assert titles(session, actor, sold.id) == []
    assert timeline.complete_task(session, actor, task_id=task.id, now=NOW).done_at == NOW


def test_what_comes_back_is_about_the_same_deal(session, actor, sold):
    again = RepeatInput(frequency=Frequency.WEEKLY)
    data = TaskInput(title="Ask again", due_on=date(2026, 12, 1), repeat=again)
    task = services.add_task(session, actor, deal_id=sold.id, data=data, now=NOW)
    timeline.complete_task(session, actor, task_id=task.id, now=NOW)
    (view,) = queries.tasks_of(session, actor, deal_id=sold.id)
    assert (view.title, view.due_on) == ("Ask again", date(2026, 12, 8))


def test_who_may_not_see_the_person_of_a_task_sees_nothing_of_it_in_the_deal(session, actor):
    pipeline(session, actor)
    mine = deal(session, actor)
    theirs = contact(session, actor)
    theirs.owner_id = user(session).id
    data = TaskInput(title="About somebody", contact_id=theirs.id, due_on=date(2026, 12, 1))
    services.add_task(session, actor, deal_id=mine.id, data=data, now=NOW)
    own = replace(actor, scopes=frozenset({Permission.EDIT, Permission.VIEW_OWN}))
    assert titles(session, actor, mine.id) == ["About somebody"]
    assert titles(session, own, mine.id) == []
    assert queries.card(session, own, deal_id=mine.id, now=NOW).next_task is None


def test_a_task_is_added_on_the_page_of_the_deal_and_a_refused_one_keeps_what_was_typed(client, sold):
    at = f"/deals/{sold.id}"
    assert f"{at}/tasks/new" in client.get(at).text
    refused = client.post(f"{at}/tasks/new", data={"title": "", "due_on": "2026-12-01"})
    assert refused.status_code == 422
    assert "2026-12-01" in refused.text
    assert client.post(f"{at}/tasks/new", data={"title": "Send the offer", "assignee_id": ""}).location == at
    assert "Send the offer" in client.get(at).text


def test_the_api_reads_adds_links_and_unlinks(client, sold):
    at = f"/api/v1/deals/{sold.id}/tasks"
    made = client.post(at, json={"title": "Send the offer"})
    assert made.status_code == 201
    task_id = made.json["id"]
    assert [item["id"] for item in client.get(at).json["items"]] == [task_id]
    assert client.delete(f"{at}/{task_id}").status_code == 204
    assert client.get(at).json["items"] == []
    assert client.put(f"{at}/{task_id}").status_code == 204
    assert [item["id"] for item in client.get(at).json["items"]] == [task_id]


def test_nobody_links_to_a_deal_or_a_task_that_is_not_there(session, actor, sold):
    task = timeline.create_task(session, actor, data=TaskInput(title="Call"), now=NOW)
    for pair in ({"deal_id": task.id, "task_id": task.id}, {"deal_id": sold.id, "task_id": sold.id}):
        with pytest.raises(NotFoundError):
            services.link_task(session, actor, **pair)

"""Long work and the bell."""

from datetime import timedelta

import pytest
from conftest import House
from factories import accounts as factory

from crm.accounts import places, queries
from crm.accounts.kinds import ProgressState, Role
from crm.accounts.services import notifications, progress
from crm.accounts.services.progress import stands_still
from crm.accounts.views.work import seconds_left
from crm.db import enter_workspace, new_id
from crm.errors import NotFoundError


@pytest.fixture
def work(session, actor, now):
    return progress.start(session, actor, kind="import", title="people.csv", total=200, url="/imports/1", now=now)


def test_work_moves_on_and_ends_with_a_ring_of_the_bell(session, actor, work, now):
    progress.advance(session, actor, progress_id=work.id, done=50, failed=2, now=now)
    assert (work.state, work.done, work.failed) == (ProgressState.RUNNING, 50, 2)

    progress.finish(session, actor, progress_id=work.id, result={"created": 198}, now=now)

    assert work.state == ProgressState.DONE
    bell = queries.notifications(session, actor).items
    assert [(row.kind, row.params["title"], row.url) for row in bell] == [("progress.done", "people.csv", "/imports/1")]


def test_a_second_end_and_late_news_change_nothing(session, actor, work, now):
    progress.finish(session, actor, progress_id=work.id, state=ProgressState.FAILED, now=now)
    progress.finish(session, actor, progress_id=work.id, now=now)
    progress.advance(session, actor, progress_id=work.id, done=200, now=now)

    assert (work.state, work.done) == (ProgressState.FAILED, 0)
    assert queries.unread_notifications(session, actor) == 1


def test_work_of_the_system_rings_nobody(session, actor, now):
    from crm.accounts.rules import system_actor

    row = progress.start(session, system_actor(actor.workspace_id), kind="sweep", title="", now=now)
    progress.finish(session, actor, progress_id=row.id, now=now)

    assert queries.unread_notifications(session, actor) == 0


def test_work_of_another_workspace_does_not_exist(session, other_house, house, actor, work, now):
    enter_workspace(session, other_house.workspace.id)

    for call in (
        lambda: progress.advance(session, other_house.actor, progress_id=work.id, done=1, now=now),
        lambda: queries.progress(session, other_house.actor, progress_id=work.id),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_a_colleague_does_not_see_the_work_of_others(session, house, signed_in, work):
    user, _, seller = factory.member(session, house, role=Role.SALES)

    with pytest.raises(NotFoundError):
        queries.progress(session, seller, progress_id=work.id)
    answer = signed_in(House(house.workspace, user, seller)).get(f"/progress/{work.id}")
    assert answer.status_code == 404
    assert "people.csv" not in answer.text


def test_work_stands_still_when_nobody_moved_it_for_a_while(session, actor, work, now):
    soon, later = now + timedelta(seconds=10), now + timedelta(minutes=1)
    assert (stands_still(work, now=soon), stands_still(work, now=later)) == (False, True)

    progress.advance(session, actor, progress_id=work.id, done=50, now=later)
    assert stands_still(work, now=later) is False
    progress.finish(session, actor, progress_id=work.id, now=later)
    assert stands_still(work, now=later + timedelta(hours=1)) is False


def test_the_time_left_is_told_only_when_it_can_be_known(session, actor, work, now):
    assert seconds_left(work) is None

    progress.advance(session, actor, progress_id=work.id, done=50, now=now + timedelta(seconds=30))

    assert seconds_left(work) == 90


def test_the_bar_asks_for_itself_until_the_end(client, session, actor, work, now):
    part = client.get(f"/progress/{work.id}", headers={"HX-Request": "true"}).text
    assert f'hx-get="/progress/{work.id}"' in part
    assert "<html" not in part

    progress.finish(session, actor, progress_id=work.id, now=now)

    ended = client.get(f"/progress/{work.id}", headers={"HX-Request": "true"}).text
    assert "hx-get" not in ended
    assert "Done" in ended
    assert "See the result" in client.get(f"/progress/{work.id}").text
    assert client.get(f"/progress/{new_id()}").status_code == 404


def test_the_bell_lists_what_ended_and_what_runs(app, client, session, actor, work, now):
    ended = progress.start(session, actor, kind="export", title="contacts.csv", now=now)
    progress.finish(session, actor, progress_id=ended.id, state=ProgressState.FAILED, now=now)

    page = client.get("/notifications").text

    assert "contacts.csv: failed" in page
    assert "people.csv" in page
    assert "1 new outcome" in client.get("/notifications/counter").text


def test_reading_a_line_marks_it_and_leads_on_within_the_house(client, session, actor, now):
    one, two = (
        notifications.notify(session, actor, user_ids=[actor.user_id], kind="progress.done", params={}, now=now)[0]
        for _ in range(2)
    )

    led = client.post("/notifications/read", data={"id": str(one.id), "next": "/imports/1"})
    away = client.post("/notifications/read", data={"id": str(one.id), "next": "//evil.example"})

    session.expire_all()
    assert led.headers["Location"] == "/imports/1"
    assert away.headers["Location"] == "/notifications"
    assert (one.read_at is None, two.read_at is None) == (False, True)
    client.post("/notifications/read")
    assert queries.unread_notifications(session, actor) == 0


def test_nobody_reads_the_bell_of_another(session, house, actor, now):
    *_, colleague = factory.member(session, house)
    row = notifications.notify(session, actor, user_ids=[actor.user_id], kind="progress.done", params={}, now=now)[0]

    notifications.mark_read(session, colleague, notification_ids=[row.id], now=now)

    session.refresh(row)
    assert row.read_at is None
    assert queries.notifications(session, colleague).items == []


def test_the_bell_pages_by_key(session, actor, now):
    for number in range(5):
        at = now + timedelta(seconds=number)
        notifications.notify(session, actor, user_ids=[actor.user_id], kind="x", params={"n": number}, now=at)

    first = queries.notifications(session, actor, limit=3)
    rest = queries.notifications(session, actor, after=first.next, limit=3)

    assert [row.params["n"] for row in [*first.items, *rest.items]] == [4, 3, 2, 1, 0]
    assert rest.next is None


def test_an_unknown_kind_tells_its_own_code(app):
    with app.test_request_context():
        assert places.told("some_thing.happened") == ("point", "some thing happened")
        assert places.told("progress.done")[1] == ": done"

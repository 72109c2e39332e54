"""Idempotency-Key: one key, one piece of work, one answer."""

import threading

import pytest
from factories import accounts as factory
from flask import jsonify, request
from sqlalchemy import func, select

from crm.accounts.guards import any_role, current_actor
from crm.accounts.models import IdempotencyKey, Notification
from crm.accounts.services import housekeeping, notifications
from crm.db import enter_workspace
from crm.errors import ConflictError
from crm.web.api import api_blueprint
from crm.web.sessions import current_session, request_now


def with_bells(app):
    """A POST that leaves a row behind: rings the bell of the user it is told."""
    blueprint = api_blueprint("bells", "/bells")

    @blueprint.post("")
    @any_role
    def ring():
        data = request.get_json()
        rows = notifications.notify(
            current_session(), current_actor(), user_ids=[data["user"]], kind="x", params={}, now=request_now()
        )
        if data.get("fail"):
            raise ConflictError("no")
        answer = jsonify({"id": str(rows[0].id)})
        answer.headers["Location"] = f"/bells/{rows[0].id}"
        return answer, 201

    app.register_blueprint(blueprint)
    return app


@pytest.fixture
def api(own_app, session, house):
    client = with_bells(own_app).test_client()
    _row, secret = factory.token(session, house.workspace.id)

    def post(key=None, *, secret=secret, **data):
        headers = {"Authorization": f"Bearer {secret}", **({"Idempotency-Key": key} if key else {})}
        return client.post("/api/v1/bells", json={"user": str(house.user.id), **data}, headers=headers)

    return post


def rings(session):
    return session.scalar(select(func.count()).select_from(Notification))


def test_the_same_key_and_body_give_the_first_answer_and_work_once(api, session):
    first, again = api("k1"), api("k1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.get_json() == first.get_json()
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert rings(session) == 1


def test_another_body_under_the_key_is_refused(api, session):
    api("k1")

    answer = api("k1", other=1)

    assert answer.status_code == 409
    assert answer.get_json()["code"] == "idempotency_key_reused"
    assert rings(session) == 1


def test_without_a_key_each_call_works(api, session):
    api()
    api()

    assert rings(session) == 2


def test_a_refused_call_keeps_nothing_and_may_be_tried_again(api, session):
    assert api("k1", fail=True).status_code == 409
    assert rings(session) == 0

    assert api("k1").status_code == 201


def test_a_key_belongs_to_one_workspace(api, session, house, other_house):
    _row, foreign = factory.token(session, other_house.workspace.id)
    api("k1")

    answer = api("k1", secret=foreign)

    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers


@pytest.mark.parametrize("key", [" ", "x" * 201])
def test_an_impossible_key_is_refused(api, key):
    assert api(key).get_json()["code"] == "bad_idempotency_key"


def test_after_a_day_the_key_is_free_again(api, session, house):
    api("k1")
    enter_workspace(session, house.workspace.id)
    row = session.scalars(select(IdempotencyKey)).one()
    row.created_at = row.created_at.replace(year=2020)
    session.flush()

    answer = api("k1")

    assert "Idempotency-Replayed" not in answer.headers
    session.expire_all()
    assert rings(session) == 2


def test_the_sweep_forgets_answers_of_yesterday_in_all_workspaces(api, session, house, now):
    api("k1")
    api("k2")
    enter_workspace(session, house.workspace.id)
    old = session.scalars(select(IdempotencyKey).where(IdempotencyKey.key == "k1")).one()
    old.created_at = old.created_at.replace(year=2020)
    session.flush()
    enter_workspace(session, None)

    housekeeping.sweep(session, now=now)

    enter_workspace(session, house.workspace.id)
    session.expire_all()
    assert session.scalars(select(IdempotencyKey.key)).all() == ["k2"]


def test_of_many_calls_at_once_with_one_key_one_works(real_app, fresh_database):
    with fresh_database.database.scope() as session:
        owner, workspace = factory.owner(session)
        _row, secret = factory.token(session, workspace.id)
    app, gate, answers = with_bells(real_app), threading.Barrier(6), []

    def call():
        client = app.test_client()
        gate.wait()
        answer = client.post(
            "/api/v1/bells",
            json={"user": str(owner.id)},
            headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "k"},
        )
        answers.append((answer.status_code, answer.get_json()["id"]))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {status for status, _ in answers} == {201}
    assert len({made for _, made in answers}) == 1
    with fresh_database.database.scope(workspace.id) as session:
        assert rings(session) == 1

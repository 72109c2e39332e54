"""Rate limits of the API."""

import pytest
from factories import accounts as factory
from flask import g

from crm.accounts import limits
from crm.app import create_app


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "memory://"),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("unix:///tmp/x y/valkey.sock?db=0", "redis+unix:///tmp/x y/valkey.sock?db=0"),
    ],
)
def test_the_counters_stand_in_valkey_where_there_is_one(given, expected):
    assert limits.storage_address(given) == expected


def test_the_api_tells_what_is_left_and_refuses_beyond(transaction, settings, jobs, session, house, valkey_url):
    app = create_app(settings.model_copy(update={"redis_url": valkey_url}), database=transaction, jobs=jobs)
    app.config["TESTING"] = True
    _row, secret = factory.token(session, house.workspace.id)
    browser, headers = app.test_client(), {"Authorization": f"Bearer {secret}"}

    first = browser.get("/api/v1/me", headers=headers)
    second = browser.get("/api/v1/me", headers=headers)

    assert first.headers["X-RateLimit-Limit"] == "1200"
    assert int(second.headers["X-RateLimit-Remaining"]) == int(first.headers["X-RateLimit-Remaining"]) - 1
    assert "X-RateLimit-Limit" not in browser.get("/sign-in").headers


def test_each_token_has_its_own_count(app, session, house):
    with app.test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.1"}):
        assert limits.whose() == "address:192.0.2.1"
        g.actor = house.actor
        assert limits.whose() == f"user:{house.user.id}"

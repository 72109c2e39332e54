"""The commit rule: a response below 400 commits, an error or an exception rolls back."""

import pytest
from flask import Flask, abort
from sqlalchemy import func, select

from crm.accounts.guards import public
from crm.accounts.models import User
from crm.db import after_commit, new_id
from crm.web import sessions


def _user(email: str) -> User:
    return User(email=email, email_norm=email, name="Ada", fs_uniquifier=new_id().hex)


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def probe(own_app: Flask, done: list[str]):
    @own_app.post("/probe/<int:status>")
    @public
    def probe(status: int):
        session = sessions.current_session()
        session.add(_user(f"probe-{status}@example.com"))
        after_commit(session, lambda: done.append("told"))
        if status == 500:
            raise RuntimeError("boom")
        if status == 403:
            abort(403)
        return "answer", status

    own_app.config["PROPAGATE_EXCEPTIONS"] = False
    return own_app.test_client()


@pytest.mark.parametrize(("status", "kept"), [(200, 1), (303, 1), (403, 0), (422, 0), (500, 0)])
def test_only_a_response_below_400_keeps_what_was_written(probe, session, done, status, kept):
    answer = probe.post(f"/probe/{status}")

    assert answer.status_code == status
    assert session.scalar(select(func.count()).where(User.email == f"probe-{status}@example.com")) == kept
    assert done == ["told"] * kept

"""API tokens and what they open."""

import re
from datetime import timedelta

import pytest
from factories import accounts as factory
from sqlalchemy import select

from crm.accounts.kinds import Permission, Role
from crm.accounts.models import ApiToken
from crm.accounts.services import tokens
from crm.db import enter_workspace, new_id
from crm.errors import ForbiddenError, InvalidInputError, NotFoundError


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def test_a_token_opens_the_api_of_its_own_workspace(anonymous, session, house, other_house):
    _row, secret = factory.token(session, house.workspace.id, role=Role.VIEWER, scopes=[Permission.VIEW_OWN])

    answer = anonymous.get("/api/v1/me", headers=bearer(secret)).get_json()

    assert answer["kind"] == "token"
    assert answer["workspace"]["id"] == str(house.workspace.id)
    assert answer["permissions"] == ["view_own"]


@pytest.mark.parametrize("case", ["unknown", "revoked", "over", "empty"])
def test_a_token_that_does_not_count_is_refused(anonymous, session, house, actor, now, case):
    row, secret = factory.token(session, house.workspace.id)
    if case == "unknown":
        secret = "fd_nothing"
    elif case == "revoked":
        tokens.revoke(session, actor, token_id=row.id, now=now)
    elif case == "over":
        row.expires_at = now - timedelta(days=3650)
        session.flush()
    else:
        secret = ""

    answer = anonymous.get("/api/v1/me", headers=bearer(secret))

    assert answer.status_code == 401
    assert answer.get_json()["code"] == "bad_token"


def test_a_token_lacking_a_right_is_told_which(anonymous, session, house):
    _row, secret = factory.token(session, house.workspace.id, role=Role.OWNER, scopes=[Permission.VIEW_OWN])

    answer = anonymous.get("/api/v1/audit", headers=bearer(secret))

    assert answer.status_code == 403
    assert answer.get_json()["code"] == "missing_right"
    assert answer.content_type == "application/problem+json"


def test_a_token_opens_no_page_and_is_not_read_from_the_address(anonymous, session, house):
    _row, secret = factory.token(session, house.workspace.id)

    assert anonymous.get("/settings/people", headers=bearer(secret)).status_code == 303
    assert anonymous.get(f"/api/v1/me?auth_token={secret}").status_code == 401
    assert anonymous.get("/api/v1/me", headers={"Authentication-Token": secret}).status_code == 401


def test_the_secret_is_stored_as_a_hash_and_its_use_is_dated(anonymous, session, house):
    row, secret = factory.token(session, house.workspace.id)
    anonymous.get("/api/v1/me", headers=bearer(secret))
    session.refresh(row)

    assert secret not in str({column.key: getattr(row, column.key) for column in ApiToken.__table__.columns})
    assert row.last_used_at is not None


def test_nobody_makes_a_token_that_can_do_more_than_they_can(session, house, now):
    *_, manager = factory.member(session, house, role=Role.MANAGER)

    with pytest.raises(ForbiddenError):
        tokens.create(session, manager, name="x", role=Role.OWNER, now=now)
    _row, secret = tokens.create(session, manager, name="x", role=Role.MANAGER, now=now)
    assert secret.startswith("fd_")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"lives": timedelta(days=4000)}, "days"),
        ({"lives": timedelta(seconds=1)}, "days"),
        ({"lives": None}, "days"),
        ({"scopes": []}, "scopes"),
        ({"role": Role.VIEWER, "scopes": [Permission.ERASE]}, "scopes"),
    ],
)
def test_impossible_tokens_are_refused_beside_the_field(session, actor, now, values, field):
    given = {"name": "x", "role": Role.OWNER, **values}

    with pytest.raises(InvalidInputError) as refused:
        tokens.create(session, actor, now=now, **given)
    assert list(refused.value.fields) == [field]


def test_tokens_of_another_workspace_do_not_exist(session, house, other_house, actor, now):
    foreign, _secret = factory.token(session, other_house.workspace.id)
    enter_workspace(session, house.workspace.id)

    with pytest.raises(NotFoundError):
        tokens.revoke(session, actor, token_id=foreign.id, now=now)
    with pytest.raises(NotFoundError):
        tokens.revoke(session, actor, token_id=new_id(), now=now)


def test_the_page_shows_a_new_token_once(client, session, house, anonymous):
    page = client.post("/settings/tokens", data={"name": "Shop", "role": "viewer", "days": "30"})
    secret = re.search(r"data-secret>(fd_[\w-]+)<", page.text).group(1)

    assert secret not in client.get("/settings/tokens").text
    assert anonymous.get("/api/v1/me", headers=bearer(secret)).get_json()["name"] == "Shop"
    row = session.scalars(select(ApiToken)).one()
    assert client.post(f"/settings/tokens/{row.id}/revoke").status_code == 303
    assert anonymous.get("/api/v1/me", headers=bearer(secret)).status_code == 401


def test_the_page_tells_what_is_wrong(client):
    answer = client.post("/settings/tokens", data={"name": "Shop", "role": "viewer", "days": "30", "scopes": ["erase"]})

    assert answer.status_code == 422
    assert "Choose rights that the role has." in answer.text

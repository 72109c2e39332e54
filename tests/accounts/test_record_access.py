"""Whose people a role sees is the workspace's choice, and holds from the next request on."""

import pytest
from conftest import House
from factories import accounts as factory
from factories.contacts import contact
from sqlalchemy import select

from crm.accounts.kinds import ActorKind, RecordAccess, Role
from crm.accounts.models import AuditEntry, Membership
from crm.accounts.rules import Actor, sees
from crm.accounts.services import access
from crm.errors import ForbiddenError, InvalidInputError


@pytest.fixture
def seller(session, house):
    user = factory.user(session, name="Luca Verdi")
    session.add(Membership(user_id=user.id, role=Role.SALES))
    session.flush()
    actor = Actor(workspace_id=house.workspace.id, kind=ActorKind.USER, role=Role.SALES, user_id=user.id)
    return House(house.workspace, user, actor)


def test_what_a_manager_chooses_in_settings_holds_from_the_next_request_on(session, house, client, seller, signed_in):
    contact(session, house.actor, "Zeno Zanotti")
    browser = signed_in(seller)
    assert "Zeno Zanotti" in browser.get("/contacts").text

    answer = client.post("/settings/people/record-access", data={"sales": "own", "community": "all", "viewer": "x"})
    assert answer.status_code == 303
    assert "Zeno Zanotti" not in browser.get("/contacts").text
    session.expire_all()
    assert house.workspace.record_access == {"sales": "own", "community": "all", "viewer": "all"}
    assert "workspace.access_changed" in session.scalars(select(AuditEntry.action)).all()


def test_a_team_sees_its_people(session, house, client, seller, signed_in):
    members = session.scalars(select(Membership)).all()
    contact(session, house.actor, "Zeno Zanotti")
    client.put("/api/v1/record-access", json={"sales": "team", "community": "all", "viewer": "own"})
    assert client.get("/api/v1/record-access").get_json() == {"sales": "team", "community": "all", "viewer": "own"}
    assert "Zeno Zanotti" not in signed_in(seller).get("/contacts").text
    for one, written in zip(members, ("North", "  NORTH "), strict=True):
        assert client.post(f"/settings/people/{one.id}/team", data={"team": written}).status_code == 303
    session.expire_all()
    assert {one.team for one in members} == {"North"}
    assert "Zeno Zanotti" in signed_in(seller).get("/contacts").text


def test_a_seller_chooses_nothing_of_it(session, seller, signed_in):
    browser = signed_in(seller)
    assert browser.post("/settings/people/record-access", data={"sales": "all"}).status_code == 403
    with pytest.raises(ForbiddenError):
        access.set_record_access(session, seller.actor, chosen={Role.SALES: RecordAccess.ALL})


@pytest.mark.parametrize("role", [Role.OWNER, Role.MANAGER, Role.TILL])
def test_owners_managers_and_the_till_can_not_be_narrowed(session, actor, role):
    with pytest.raises(InvalidInputError):
        access.set_record_access(session, actor, chosen={role: RecordAccess.OWN})
    assert sees(role, {role.value: "own"}) is RecordAccess.ALL


def test_a_team_has_a_short_name(session, actor, seller):
    member = session.scalars(select(Membership).where(Membership.user_id == seller.user.id)).one()
    with pytest.raises(InvalidInputError):
        access.set_team(session, actor, membership_id=member.id, team="x" * 61)

"""Members, roles and invitations."""

import re
from datetime import timedelta

import pytest
from factories import accounts as factory
from sqlalchemy import select

from crm.accounts import queries
from crm.accounts.credentials import Passwords
from crm.accounts.kinds import Role
from crm.accounts.models import Invitation, Membership, User, UserSession
from crm.accounts.services import browsers, memberships
from crm.accounts.services.memberships import (
    AlreadyMemberError,
    ForeignInvitationError,
    InvitationGoneError,
    LastOwnerError,
)
from crm.db import enter_workspace
from crm.errors import ForbiddenError, InvalidInputError, NotFoundError


@pytest.fixture
def password():
    return Passwords("test").new(factory.PASSWORD)


def test_an_invitation_makes_a_new_member_once(session, house, actor, password, now):
    _made, secret = memberships.invite(session, actor, email="New@Example.com", role=Role.SALES, now=now)
    enter_workspace(session, None)

    person = memberships.accept_as_new(session, secret=secret, name="Nina", password=password, now=now)

    assert person.email_norm == "new@example.com"
    assert [space.role for space in queries.workspaces_of(session, user_id=person.id)] == ["sales"]
    with pytest.raises(InvitationGoneError):
        memberships.accept_as_new(session, secret=secret, name="Nina", password=password, now=now)


@pytest.mark.parametrize("case", ["unknown", "old", "withdrawn", "replaced"])
def test_links_that_do_not_count_all_look_the_same(session, house, actor, now, case):
    made, secret = memberships.invite(session, actor, email="new@example.com", role=Role.SALES, now=now)
    if case == "unknown":
        secret = "nothing"
    elif case == "withdrawn":
        memberships.withdraw(session, actor, invitation_id=made.id, now=now)
    elif case == "replaced":
        memberships.invite(session, actor, email="new@example.com", role=Role.SALES, now=now)
    at = now + timedelta(days=8) if case == "old" else now

    with pytest.raises(InvitationGoneError, match=r"used, withdrawn, or is too old"):
        memberships.open_invitation(session, secret=secret, now=at)


def test_the_secret_of_a_link_is_not_stored(session, house, actor, now):
    made, secret = memberships.invite(session, actor, email="new@example.com", role=Role.SALES, now=now)

    assert secret not in str({column.key: getattr(made, column.key) for column in Invitation.__table__.columns})


def test_somebody_with_an_account_joins_under_the_invited_address_only(session, house, other_house, actor, now):
    _made, secret = memberships.invite(session, actor, email=other_house.user.email, role=Role.VIEWER, now=now)
    stranger = factory.user(session)

    with pytest.raises(ForeignInvitationError):
        memberships.accept_as(session, secret=secret, user=stranger, now=now)
    memberships.accept_as(session, secret=secret, user=other_house.user, now=now)

    spaces = queries.workspaces_of(session, user_id=other_house.user.id)
    assert {space.id: space.role for space in spaces} == {
        house.workspace.id: "viewer",
        other_house.workspace.id: "owner",
    }


def test_members_are_not_invited_again(session, house, actor, now):
    with pytest.raises(AlreadyMemberError):
        memberships.invite(session, actor, email=house.user.email, role=Role.SALES, now=now)


def test_somebody_who_left_can_come_back(session, house, actor, now):
    row, membership, _ = factory.member(session, house)
    memberships.end(session, actor, membership_id=membership.id, now=now)
    _made, secret = memberships.invite(session, actor, email=row.email, role=Role.VIEWER, now=now)

    memberships.accept_as(session, secret=secret, user=row, now=now)

    assert [space.role for space in queries.workspaces_of(session, user_id=row.id)] == ["viewer"]


def test_no_address_no_invitation(session, actor, now):
    with pytest.raises(InvalidInputError) as refused:
        memberships.invite(session, actor, email="nobody", role=Role.SALES, now=now)

    assert list(refused.value.fields) == ["email"]


@pytest.mark.parametrize("role", [Role.SALES, Role.COMMUNITY, Role.VIEWER, Role.TILL])
def test_only_owners_and_managers_invite(session, house, now, role):
    *_, member = factory.member(session, house, role=role)

    with pytest.raises(ForbiddenError):
        memberships.invite(session, member, email="new@example.com", role=Role.VIEWER, now=now)


def test_a_manager_neither_makes_nor_unmakes_owners(session, house, now):
    *_, manager = factory.member(session, house, role=Role.MANAGER)
    owner = session.scalar(select(Membership).where(Membership.user_id == house.user.id))

    with pytest.raises(ForbiddenError):
        memberships.invite(session, manager, email="new@example.com", role=Role.OWNER, now=now)
    with pytest.raises(ForbiddenError):
        memberships.set_role(session, manager, membership_id=owner.id, role=Role.VIEWER, now=now)
    with pytest.raises(ForbiddenError):
        memberships.end(session, manager, membership_id=owner.id, now=now)


def test_the_last_owner_stays(session, house, actor, now):
    owner = session.scalar(select(Membership).where(Membership.user_id == house.user.id))

    with pytest.raises(LastOwnerError):
        memberships.set_role(session, actor, membership_id=owner.id, role=Role.MANAGER, now=now)
    with pytest.raises(LastOwnerError):
        memberships.end(session, actor, membership_id=owner.id, now=now)

    factory.member(session, house, role=Role.OWNER)
    assert memberships.end(session, actor, membership_id=owner.id, now=now).ended_at == now


@pytest.mark.parametrize("change", ["role", "end"])
def test_a_new_role_or_an_end_signs_the_person_out_everywhere(session, house, actor, now, change):
    row, membership, _ = factory.member(session, house)
    browsers.start(session, user_id=row.id, ip="", agent="", now=now)

    if change == "role":
        memberships.set_role(session, actor, membership_id=membership.id, role=Role.VIEWER, now=now)
    else:
        memberships.end(session, actor, membership_id=membership.id, now=now)

    session.expire_all()
    assert session.scalars(select(UserSession.ended_at).where(UserSession.user_id == row.id)).all() == [now]


def test_members_of_another_workspace_do_not_exist(session, house, other_house, actor, now):
    _row, foreign, _ = factory.member(session, other_house)
    enter_workspace(session, house.workspace.id)

    with pytest.raises(NotFoundError):
        memberships.set_role(session, actor, membership_id=foreign.id, role=Role.OWNER, now=now)
    with pytest.raises(NotFoundError):
        memberships.end(session, actor, membership_id=foreign.id, now=now)


def test_the_page_invites_and_the_link_lets_a_new_person_in(app, client, session, house):
    page = client.post("/settings/people/invitations", data={"email": "new@example.com", "role": "community"})
    link = re.search(r"http://127\.0\.0\.1:8000(/invitation/[\w-]+)", page.text).group(1)
    assert "new@example.com" in client.get("/settings/people").text
    browser = app.test_client()

    shown = browser.get(link)
    assert "Lanterna Dati" in shown.text
    assert "Community" in shown.text
    weak = browser.post(link, data={"name": "Nina", "password": "1234567890"})
    assert weak.status_code == 422
    answer = browser.post(
        link, data={"name": "Nina", "password": factory.PASSWORD, "email": "evil@example.com", "role": "owner"}
    )

    assert answer.headers["Location"] == "/"
    person = session.scalar(select(User).where(User.name == "Nina"))
    assert person.email == "new@example.com"
    assert session.scalar(select(Membership.role).where(Membership.user_id == person.id)) == Role.COMMUNITY
    assert browser.get("/settings/people").status_code == 200
    assert app.test_client().get(link).status_code == 404


def test_somebody_with_an_account_signs_in_first_and_then_accepts(app, client, session, house, sign_in):
    row = factory.user(session, email="known@example.com")
    page = client.post("/settings/people/invitations", data={"email": row.email, "role": "viewer"})
    link = re.search(r"8000(/invitation/[\w-]+)", page.text).group(1)
    browser = app.test_client()

    asked = browser.get(link)
    assert asked.headers["Location"] == f"/sign-in?next={link}"
    sign_in(browser, row.email, next=link)
    assert browser.post(link).headers["Location"] == "/"

    assert browser.get("/settings/people").status_code == 200


def test_an_invitation_is_not_accepted_by_whoever_is_signed_in(app, client, session, house, other_house, signed_in):
    row = factory.user(session, email="known@example.com")
    page = client.post("/settings/people/invitations", data={"email": row.email, "role": "owner"})
    link = re.search(r"8000(/invitation/[\w-]+)", page.text).group(1)

    assert signed_in(other_house).post(link).status_code == 403


def test_the_page_changes_roles_and_ends_memberships(client, session, house):
    _row, membership, _ = factory.member(session, house)

    assert client.post(f"/settings/people/{membership.id}/role", data={"role": "viewer"}).status_code == 303
    session.refresh(membership)
    assert membership.role == Role.VIEWER
    assert client.post(f"/settings/people/{membership.id}/role", data={"role": "emperor"}).status_code == 422
    assert client.post(f"/settings/people/{membership.id}/end").status_code == 303
    session.refresh(membership)
    assert membership.ended_at is not None


def test_everybody_reads_the_table_of_rights_and_only_managers_see_the_buttons(app, session, house, signed_in):
    row, _, actor = factory.member(session, house, role=Role.VIEWER)
    page = signed_in(type(house)(house.workspace, row, actor)).get("/settings/people").text

    assert "Erase people for good" in page
    assert "Invite somebody" not in page
    assert "/role" not in page

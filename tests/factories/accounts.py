"""Builders of people, memberships and tokens."""

from datetime import timedelta

from crm.accounts.credentials import Passwords
from crm.accounts.kinds import ActorKind, Role
from crm.accounts.models import Membership, User
from crm.accounts.rules import Actor, system_actor
from crm.accounts.services import tokens, workspaces
from crm.db import database_now, enter_workspace, new_id

PASSWORD = "correct horse battery"
HASHED = Passwords("test").new(PASSWORD).hashed


def user(session, *, email=None, name="Luca Conti", password=True, **values):
    """A user in no workspace; the password is PASSWORD."""
    address = email or f"{new_id().hex}@example.com"
    row = User(
        email=address,
        email_norm=address.lower(),
        name=name,
        fs_uniquifier=new_id().hex,
        password=HASHED if password else None,
        locale=values.pop("locale", "en"),
        **values,
    )
    session.add(row)
    session.flush()
    return row


def member(session, house, *, role=Role.SALES, **values):
    """A user in the house's workspace: (user, membership, actor)."""
    enter_workspace(session, house.workspace.id)
    row = user(session, **values)
    membership = Membership(user_id=row.id, role=role)
    session.add(membership)
    row.last_workspace_id = house.workspace.id
    session.flush()
    actor = Actor(
        workspace_id=house.workspace.id, kind=ActorKind.USER, role=role, user_id=row.id, name=row.name, locale="en"
    )
    return row, membership, actor


def token(session, workspace_id, *, role=Role.OWNER, scopes=None, lives=timedelta(days=1), name="test"):
    """(row, secret) of an API token in the workspace."""
    enter_workspace(session, workspace_id)
    return tokens.create(
        session,
        system_actor(workspace_id),
        name=name,
        role=role,
        scopes=scopes,
        lives=lives,
        now=database_now(session),
    )


def owner(session, *, email="owner@example.com", workspace="House"):
    """(user, workspace) of a house made the way the wizard makes it; leaves the session in it."""
    row = user(session, email=email, name="Olga Rossi")
    return row, workspaces.create(session, owner=row, name=workspace, now=database_now(session))

"""Owns whose records each role sees in a workspace, and who works in which team."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission, RecordAccess, Role
from crm.accounts.models import Membership, Workspace
from crm.accounts.rules import NARROWED, Actor, sees
from crm.accounts.services import audit
from crm.errors import InvalidInputError, NotFoundError, worded

LONGEST_TEAM = 60


def set_record_access(session: Session, actor: Actor, *, chosen: Mapping[Role, RecordAccess]) -> Workspace:
    """Choose whose records the given roles see from the next request on; raises `InvalidInputError` for other roles.

    Owners and managers see everybody, and the till nobody: that can't be chosen.
    """
    actor.require(Permission.MANAGE_USERS)
    refused = set(chosen) - set(NARROWED)
    if refused:
        sentence = worded("What owners, managers and the till see can't be changed.")
        raise InvalidInputError(sentence, fields={role.value: sentence for role in refused})
    workspace = session.get_one(Workspace, actor.workspace_id, with_for_update=True)
    before = {role.value: sees(role, workspace.record_access).value for role in NARROWED}
    after = before | {role.value: reach.value for role, reach in chosen.items()}
    if after == before:
        return workspace
    workspace.record_access = after
    old, new = audit.changes(before, after)
    audit.record(
        session,
        actor,
        action="workspace.access_changed",
        object_kind="workspace",
        object_id=workspace.id,
        before=old,
        after=new,
    )
    session.flush()
    return workspace


def set_team(session: Session, actor: Actor, *, membership_id: UUID, team: str) -> Membership:
    """Put a member into a team by its name, as it is written already; '' takes them out. Raises `NotFoundError`."""
    actor.require(Permission.MANAGE_USERS)
    name = " ".join(team.split())
    if len(name) > LONGEST_TEAM:
        sentence = worded("Write a name of up to 60 letters.")
        raise InvalidInputError(sentence, fields={"team": sentence})
    row = session.scalar(
        select(Membership).where(Membership.id == membership_id, Membership.ended_at.is_(None)).with_for_update()
    )
    if row is None:
        raise NotFoundError
    known = session.scalars(select(Membership.team).where(Membership.team != "").distinct())
    name = next((one for one in known if one.casefold() == name.casefold()), name)
    if name == row.team:
        return row
    before, row.team = row.team, name
    audit.record(
        session,
        actor,
        action="membership.team_changed",
        object_kind="membership",
        object_id=row.id,
        before={"team": before},
        after={"team": name},
    )
    session.flush()
    return row

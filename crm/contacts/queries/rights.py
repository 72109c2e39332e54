"""Owns reading who sees a person and why: the words behind `visible`, for everybody in the workspace."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission, Role
from crm.accounts.models import Membership, User, Workspace
from crm.accounts.rules import Actor, sees
from crm.contacts.kinds import AccessReason
from crm.contacts.models import Contact, ContactAccess
from crm.contacts.queries.access import SHORT_LIST
from crm.contacts.rules import SEEN, Ties, access_reason
from crm.once import read_once


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLine:
    """A colleague and whether, and why, they see the person."""

    user_id: UUID
    name: str
    role: Role
    is_named: bool
    reason: AccessReason

    @property
    def sees(self) -> bool:
        """Whether they see the person."""
        return self.reason in SEEN


def access_of(session: Session, actor: Actor, *, person: Contact) -> list[AccessLine]:
    """Everybody who works here and what they see of `person` (whom the actor sees): first who does, then by name."""
    rows = session.execute(
        select(Membership.user_id, Membership.role, Membership.team, User.name, User.email, ContactAccess.id, Workspace)
        .join(User, User.id == Membership.user_id)
        .join(Workspace, Workspace.id == Membership.workspace_id)
        .outerjoin(
            ContactAccess, and_(ContactAccess.contact_id == person.id, ContactAccess.user_id == Membership.user_id)
        )
        .where(Membership.workspace_id == actor.workspace_id, Membership.ended_at.is_(None))
        .order_by(User.name, User.email)
        .limit(SHORT_LIST)
    ).all()
    # Whoever asks for the workspace next, as every page of a person does, finds it.
    read_once(session).update(row.Workspace for row in rows)
    owners_team = next((row.team for row in rows if row.user_id == person.owner_id), _left_team(session, person))
    lines = [
        AccessLine(
            user_id=row.user_id,
            name=row.name or row.email,
            role=Role(row.role),
            is_named=row.id is not None,
            reason=access_reason(
                Role(row.role),
                sees(Role(row.role), row.Workspace.record_access),
                Ties(
                    is_owner=row.user_id == person.owner_id,
                    is_named=row.id is not None,
                    same_team=bool(row.team) and row.team == owners_team,
                    unowned=person.owner_id is None,
                ),
                restricted=person.restricted,
            ),
        )
        for row in rows
    ]
    return sorted(lines, key=lambda line: not line.sees)


def _left_team(session: Session, person: Contact) -> str:
    """The team of an owner who does not work here any more: what they owned stays with it."""
    if person.owner_id is None:
        return ""
    gone = select(Membership.team).where(Membership.user_id == person.owner_id, Membership.ended_at.is_not(None))
    return session.scalar(gone) or ""


def may_change_access(actor: Actor, *, person: Contact) -> bool:
    """Whether the actor decides who sees the person: its owner, and whoever may hand people to others."""
    if not actor.may(Permission.EDIT):
        return False
    return actor.may(Permission.ASSIGN) or (actor.user_id is not None and actor.user_id == person.owner_id)

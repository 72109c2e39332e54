"""Invites people into a workspace, changes their role, and ends their membership."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from crm.accounts import queries
from crm.accounts.credentials import NewPassword, digest, new_secret
from crm.accounts.kinds import ActorKind, Permission, Role
from crm.accounts.models import Invitation, Membership, User
from crm.accounts.rules import Actor
from crm.accounts.services import audit, browsers, reset, users
from crm.db import enter_workspace
from crm.errors import ConflictError, ForbiddenError, NotFoundError, worded

INVITATION_LIVES = timedelta(days=7)


class InvitationGoneError(NotFoundError):
    """The link is unknown, used, withdrawn or too old; all four look the same."""

    code = "invitation_gone"


class AlreadyMemberError(ConflictError):
    """The person is in this workspace already."""

    code = "already_member"


class LastOwnerError(ConflictError):
    """A workspace keeps at least one owner."""

    code = "last_owner"


class ForeignInvitationError(ForbiddenError):
    """The link was written to another address than the signed-in one."""

    code = "foreign_invitation"


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """A link that may still be used, and whether its address has an account already."""

    invitation: Invitation
    has_account: bool


def add(session: Session, *, user: User, role: Role, now: datetime) -> Membership:
    """Make the user a member of the session's workspace, again if they left; raises `AlreadyMemberError`."""
    row = session.scalar(select(Membership).where(Membership.user_id == user.id).with_for_update())
    if row is not None and row.ended_at is None:
        raise AlreadyMemberError(worded("This person is in the workspace already."))
    if row is None:
        row = Membership(user_id=user.id, role=role, created_at=now)
        session.add(row)
    else:
        row.role, row.ended_at = role, None
    session.flush()
    return row


def invite(session: Session, actor: Actor, *, email: str, role: Role, now: datetime) -> tuple[Invitation, str]:
    """An invitation and the secret of its link, which is shown once; an older one to the address is withdrawn.

    Only an owner makes owners (`ForbiddenError`).
    """
    actor.require(Permission.MANAGE_USERS)
    _may_give(actor, role)
    written, compared = users.normal_address(email)
    member = session.scalar(
        select(Membership.id)
        .join(User, User.id == Membership.user_id)
        .where(User.email_norm == compared, Membership.ended_at.is_(None))
    )
    if member is not None:
        message = worded("This person is in the workspace already.")
        raise AlreadyMemberError(message, fields={"email": message})
    for older in session.scalars(
        select(Invitation).where(
            Invitation.email_norm == compared, Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None)
        )
    ):
        older.revoked_at = now
    secret = new_secret()
    invitation = Invitation(
        email=written,
        email_norm=compared,
        role=role,
        token_hash=digest(secret),
        invited_by_id=actor.user_id,
        expires_at=now + INVITATION_LIVES,
        created_at=now,
    )
    session.add(invitation)
    session.flush()
    audit.record(
        session,
        actor,
        action="invitation.made",
        object_kind="invitation",
        object_id=invitation.id,
        after={"email": written, "role": role.value},
    )
    return invitation, secret


def withdraw(session: Session, actor: Actor, *, invitation_id: UUID, now: datetime) -> Invitation:
    """Make an open invitation's link useless."""
    actor.require(Permission.MANAGE_USERS)
    row = session.scalar(select(Invitation).where(Invitation.id == invitation_id).with_for_update())
    if row is None or row.accepted_at is not None:
        raise NotFoundError
    if row.revoked_at is None:
        row.revoked_at = now
        audit.record(
            session,
            actor,
            action="invitation.withdrawn",
            object_kind="invitation",
            object_id=row.id,
            before={"email": row.email},
        )
    return row


def open_invitation(session: Session, *, secret: str, now: datetime) -> OpenInvitation:
    """The invitation behind a link, without using it up; leaves the session in its workspace.

    Raises `InvitationGoneError`, the same for every reason.
    """
    workspace_id = session.scalar(text("select public.crm_invitation_workspace(:hash)"), {"hash": digest(secret)})
    row = None
    if workspace_id is not None:
        enter_workspace(session, workspace_id)
        row = session.scalar(select(Invitation).where(Invitation.token_hash == digest(secret)).with_for_update())
    if row is None or row.accepted_at is not None or row.revoked_at is not None or row.expires_at <= now:
        raise InvitationGoneError(worded("This invitation was used, withdrawn, or is too old. Ask for a new one."))
    known = session.scalar(select(User.id).where(User.email_norm == row.email_norm)) is not None
    return OpenInvitation(row, known)


def accept_as_new(
    session: Session, *, secret: str, name: str, password: NewPassword, locale: str = "", now: datetime
) -> User:
    """Use an invitation up for a new user; the address is the invited one, whatever the form says.

    Raises `InvitationGoneError`, or `AddressTakenError` when the person has an account (they sign in first).
    """
    found = open_invitation(session, secret=secret, now=now)
    user = users.create(session, email=found.invitation.email, name=name, password=password, locale=locale)
    _use(session, found.invitation, user=user, now=now)
    return user


def accept_as(session: Session, *, secret: str, user: User, now: datetime) -> Invitation:
    """Use an invitation up for a signed-in user; raises `ForeignInvitationError` when it names another address."""
    found = open_invitation(session, secret=secret, now=now)
    if found.invitation.email_norm != user.email_norm:
        raise ForeignInvitationError(worded("This invitation was written to another address."))
    _use(session, found.invitation, user=user, now=now)
    return found.invitation


def set_role(session: Session, actor: Actor, *, membership_id: UUID, role: Role, now: datetime) -> Membership:
    """Give a member another role and end their browsers; raises `LastOwnerError`, `ForbiddenError`."""
    actor.require(Permission.MANAGE_USERS)
    row = _member(session, membership_id)
    before = Role(row.role)
    if before is role:
        return row
    _may_give(actor, role)
    _may_give(actor, before)
    if before is Role.OWNER:
        _keep_an_owner(session, row)
    row.role = role
    browsers.end_all(session, user_id=row.user_id, now=now)
    audit.record(
        session,
        actor,
        action="membership.role_changed",
        object_kind="membership",
        object_id=row.id,
        before={"role": before.value},
        after={"role": role.value},
    )
    session.flush()
    return row


def end(session: Session, actor: Actor, *, membership_id: UUID, now: datetime) -> Membership:
    """End a membership at once, browsers included; what the person did stays. Raises `LastOwnerError`."""
    actor.require(Permission.MANAGE_USERS)
    row = _member(session, membership_id)
    _may_give(actor, Role(row.role))
    if Role(row.role) is Role.OWNER:
        _keep_an_owner(session, row)
    row.ended_at = now
    browsers.end_all(session, user_id=row.user_id, now=now)
    audit.record(
        session,
        actor,
        action="membership.ended",
        object_kind="membership",
        object_id=row.id,
        before={"role": row.role},
    )
    session.flush()
    return row


@dataclass(frozen=True, slots=True)
class ResetLink:
    """A link for a new password, and whose it is."""

    email: str
    url: str


def reset_link_for(session: Session, actor: Actor, *, membership_id: UUID, public_url: str, now: datetime) -> ResetLink:
    """A single-use link by which a member sets a new password; a set-up second factor is still asked for.

    Refused for owners unless an owner asks, and for whoever works in another workspace too: a password opens all of
    them, and who manages one must not get into the others. Raises `ForbiddenError` or `NotFoundError`.
    """
    actor.require(Permission.MANAGE_USERS)
    row = _member(session, membership_id)
    _may_give(actor, Role(row.role))
    user = session.get_one(User, row.user_id)
    if not user.active:
        raise NotFoundError
    if any(space.id != actor.workspace_id for space in queries.workspaces_of(session, user_id=user.id)):
        raise ForbiddenError(
            worded(
                "This person works in other workspaces too, and the password opens all of them. Whoever runs the"
                " installation makes the link: crm user reset-link."
            ),
            code="works_elsewhere",
        )
    url = reset.reset_link(session, user=user, public_url=public_url, now=now)
    audit.record(session, actor, action="user.reset_link", object_kind="user", object_id=user.id)
    return ResetLink(user.email, url)


def _use(session: Session, invitation: Invitation, *, user: User, now: datetime) -> None:
    role = Role(invitation.role)
    member = add(session, user=user, role=role, now=now)
    invitation.accepted_at = now
    user.last_workspace_id = invitation.workspace_id
    actor = Actor(workspace_id=invitation.workspace_id, kind=ActorKind.USER, role=role, user_id=user.id)
    audit.record(
        session,
        actor,
        action="invitation.accepted",
        object_kind="membership",
        object_id=member.id,
        after={"role": role.value},
    )
    session.flush()


def _member(session: Session, membership_id: UUID) -> Membership:
    row = session.scalar(
        select(Membership).where(Membership.id == membership_id, Membership.ended_at.is_(None)).with_for_update()
    )
    if row is None:
        raise NotFoundError
    return row


def _may_give(actor: Actor, role: Role) -> None:
    """Nobody hands out, or takes away, more than they hold."""
    if role is Role.OWNER and actor.role is not Role.OWNER and actor.kind is not ActorKind.SYSTEM:
        raise ForbiddenError(worded("Only an owner can do this for an owner."), code="owner_only")


def _keep_an_owner(session: Session, leaving: Membership) -> None:
    """Two owners who remove each other at once wait here: all owners' rows are locked in one order."""
    owners = session.scalars(
        select(Membership.id)
        .where(Membership.role == Role.OWNER, Membership.ended_at.is_(None))
        .order_by(Membership.id)
        .with_for_update()
    ).all()
    if [owner for owner in owners if owner != leaving.id] == []:
        raise LastOwnerError(worded("A workspace keeps at least one owner. Name another owner first."))


def count(session: Session) -> int:
    """How many people are in the session's workspace."""
    return session.scalar(select(func.count()).select_from(Membership).where(Membership.ended_at.is_(None))) or 0

"""Owns who may become the owner of a record."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Membership
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.errors import InvalidInputError


def check_owner(session: Session, actor: Actor, *, current: UUID | None, wanted: UUID | None) -> None:
    """Anyone who edits may take what nobody owns; giving to others needs the right to assign.

    Raises `ForbiddenError`, or `InvalidInputError` when `wanted` does not work here.
    """
    if wanted == current:
        return
    if not (current is None and wanted == actor.user_id):
        actor.require(Permission.ASSIGN)
    if wanted is not None:
        member = select(Membership.id).where(
            Membership.workspace_id == actor.workspace_id,
            Membership.user_id == wanted,
            Membership.ended_at.is_(None),
        )
        if session.scalars(member).first() is None:
            sentence = N_("This person doesn't work here.")
            raise InvalidInputError(sentence, fields={"owner_id": sentence})

"""Owns saying that two people who look alike are two."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries as contacts
from crm.db import new_id
from crm.errors import ConflictError
from crm.lifecycle.merge_models import NotSame


def dismiss(session: Session, actor: Actor, *, contact_id: UUID, other_id: UUID, now: datetime) -> None:
    """Remember that these two are not the same person: no list and no hint names them together again.

    Raises `ContactNotFoundError`, `ConflictError` for one and the same record, `ForbiddenError`.
    """
    actor.require(Permission.MERGE)
    if contact_id == other_id:
        raise ConflictError(N_("Choose somebody else: these are the same record."), code="same_person")
    for one in sorted((contact_id, other_id)):
        contacts.require_contact(session, actor, contact_id=one)
    session.execute(
        insert(NotSame)
        .values(
            id=new_id(),
            workspace_id=actor.workspace_id,
            contact_id=contact_id,
            other_id=other_id,
            user_id=actor.user_id,
            at=now,
        )
        .on_conflict_do_nothing()
    )

"""Owns who is let in to one person: whether the person is restricted, and who is named."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from crm.accounts.models import Membership
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.models import Contact, ContactAccess
from crm.errors import ForbiddenError, InvalidInputError


def set_access(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    restricted: bool,
    user_ids: Collection[UUID],
    now: datetime,
) -> Contact:
    """Restrict a person or open them again, and name exactly the colleagues who see them whatever their role sees.

    Raises `ForbiddenError` unless the actor owns the person or may hand people to others, `InvalidInputError` for
    somebody who does not work here, `ContactNotFoundError`.
    """
    person = queries.contact(session, actor, contact_id=contact_id, lock=True)
    if not queries.may_change_access(actor, person=person):
        raise ForbiddenError(N_("Only the owner and managers decide who sees a person."), code="not_yours")
    wanted = set(user_ids)
    working = select(Membership.user_id).where(Membership.user_id.in_(wanted), Membership.ended_at.is_(None))
    if wanted - set(session.scalars(working)):
        sentence = N_("This person doesn't work here.")
        raise InvalidInputError(sentence, fields={"user_ids": sentence})
    named = select(ContactAccess.user_id).where(ContactAccess.contact_id == contact_id)
    before = set(session.scalars(named))
    if wanted == before and restricted == person.restricted:
        return person
    gone = ContactAccess.user_id.in_(before - wanted)
    session.execute(delete(ContactAccess).where(ContactAccess.contact_id == contact_id, gone))
    session.add_all(
        ContactAccess(workspace_id=actor.workspace_id, contact_id=contact_id, user_id=user_id, created_at=now)
        for user_id in wanted - before
    )
    audit.record(
        session,
        actor,
        action="contact.access_changed",
        object_kind="contact",
        object_id=contact_id,
        before={"restricted": person.restricted, "named": sorted(map(str, before))},
        after={"restricted": restricted, "named": sorted(map(str, wanted))},
    )
    person.restricted, person.updated_at = restricted, now
    session.flush()
    return person

"""Owns telling colleagues what concerns them: a mention in a note, a person handed over to them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from crm.accounts import queries as account_queries
from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit, notifications
from crm.channels.sentences import N_
from crm.contacts import queries as contact_queries
from crm.contacts import services as contact_services
from crm.contacts.inputs import Input, Line, Text
from crm.errors import ForbiddenError, InvalidInputError
from crm.interactions.kinds import InteractionKind, Visibility
from crm.interactions.mentions import mentioned
from crm.interactions.models import Interaction, Task
from crm.interactions.services.tasks import TaskInput, create_task
from crm.interactions.services.timeline import log

MENTIONED = "note.mentioned"
HANDED_OVER = "contact.handed_over"


def tell_mentioned(
    session: Session, actor: Actor, *, row: Interaction, body: str, before: str = "", now: datetime
) -> set[UUID]:
    """Ring for the colleagues whom a note calls by "@name" and did not call `before`; who was told.

    Only for those who may see the person it is about; a private note calls nobody.
    """
    if "@" not in body or actor.kind is not ActorKind.USER or row.visibility == Visibility.PRIVATE:
        return set()
    names = contact_queries.colleagues(session, actor)
    called = mentioned(body, names) - mentioned(before, names) - {actor.user_id}
    told = {user_id for user_id in called if _may_see(session, actor, user_id, row)}
    _ring(session, actor, row=row, user_ids=told, now=now)
    return told


def _may_see(session: Session, actor: Actor, user_id: UUID, row: Interaction) -> bool:
    colleague = account_queries.member_actor(session, workspace_id=actor.workspace_id, user_id=user_id)
    if colleague is None or contact_queries.scope(colleague) is contact_queries.Scope.NOTHING:
        return False
    if row.contact_id is None:
        return True
    return bool(contact_queries.contacts(session, colleague, contact_ids=[row.contact_id]))


def _ring(session: Session, actor: Actor, *, row: Interaction, user_ids: Iterable[UUID], now: datetime) -> None:
    told = list(user_ids)
    if told:
        params = {"who": actor.name}
        notifications.notify(
            session, actor, user_ids=told, kind=MENTIONED, params=params, url=f"/interactions/{row.id}", now=now
        )


class HandOverInput(Input):
    """Whom a person is handed over to, with what they should know and do."""

    owner_id: UUID
    note: Text = ""
    task: Annotated[Line, Field(min_length=1)]
    due_on: date | None = None


def hand_over(session: Session, actor: Actor, *, contact_id: UUID, data: HandOverInput, now: datetime) -> Task:
    """Give a person to a colleague: the owner, a note and a task for them, and their bell, all or nothing.

    What is one's own or nobody's anybody may hand over who edits; other people's needs the right to assign. Raises
    the contact's not-found error, `ForbiddenError` and `InvalidInputError`.
    """
    actor.require(Permission.EDIT)
    person = contact_queries.contact(session, actor, contact_id=contact_id)
    if person.owner_id not in {None, actor.user_id} and not actor.may(Permission.ASSIGN):
        raise ForbiddenError(N_("Only who owns this person, or may assign, can hand them over."), code="not_yours")
    if data.owner_id == person.owner_id:
        sentence = N_("They look after this person already.")
        raise InvalidInputError(sentence, fields={"owner_id": sentence})
    # The right was looked at above; what follows is written in the name of who does it.
    entitled = replace(actor, kind=ActorKind.SYSTEM)
    if data.note:
        log(
            session,
            actor,
            kind=InteractionKind.NOTE,
            contact_id=contact_id,
            body=data.note,
            happened_at=now,
            now=now,
        )
    contact_services.update(
        session, entitled, contact_id=contact_id, changes={"owner_id": data.owner_id}, expected_version=None, now=now
    )
    given = TaskInput(title=data.task, contact_id=contact_id, assignee_id=data.owner_id, due_on=data.due_on)
    task = create_task(session, entitled, data=given, now=now)
    if data.owner_id != actor.user_id:
        params = {"who": actor.name, "name": person.display_name}
        notifications.notify(
            session,
            actor,
            user_ids=[data.owner_id],
            kind=HANDED_OVER,
            params=params,
            url=f"/contacts/{contact_id}",
            now=now,
        )
    audit.record(
        session,
        actor,
        action=HANDED_OVER,
        object_kind="contact",
        object_id=contact_id,
        after={"owner_id": str(data.owner_id)},
    )
    return task

"""Owns making, changing, sharing and deleting saved views, and choosing a default one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.kinds import ListSubject
from crm.contacts.queries.saved_views import MOST_VIEWS
from crm.contacts.view_models import DefaultView, SavedView
from crm.db import new_id
from crm.errors import ForbiddenError, InvalidInputError

LONGEST_NAME: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewInput:
    """A view as it is written; the caller has checked that `args` can be read.

    `subject` is the list of a new one; a view stays with the list that it began with.
    """

    name: str
    is_shared: bool = False
    args: Mapping[str, str]
    columns: Sequence[str] | None = None
    subject: ListSubject = ListSubject.PEOPLE


def create_view(session: Session, actor: Actor, *, data: ViewInput, now: datetime) -> SavedView:
    """A new view; a shared one needs the right to edit, and a token makes shared ones only.

    Raises `InvalidInputError` naming the field, `ForbiddenError`.
    """
    actor.require(Permission.VIEW_OWN)
    kept = select(func.count()).select_from(SavedView).where(SavedView.subject == data.subject)
    if session.scalar(kept) >= MOST_VIEWS:  # pyright: ignore[reportOptionalOperand]
        raise InvalidInputError(N_("There are too many views. Delete some first."), code="too_many_views")
    if actor.user_id is None and not data.is_shared:
        sentence = N_("A token makes shared views only.")
        raise InvalidInputError(sentence, fields={"is_shared": sentence})
    if data.is_shared:
        actor.require(Permission.EDIT)
    row = SavedView(
        workspace_id=actor.workspace_id,
        subject=data.subject,
        name=_name(data.name),
        user_id=actor.user_id,
        is_shared=data.is_shared,
        args=dict(data.args),
        columns=None if data.columns is None else list(data.columns),
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return row


def change_view(session: Session, actor: Actor, *, view_id: UUID, data: ViewInput, now: datetime) -> SavedView:
    """Replace what a view says; raises `ViewNotFoundError`, `ForbiddenError`, `InvalidInputError`.

    One that is not shared any more is no longer the default of others.
    """
    row = _changeable(session, actor, view_id=view_id)
    if data.is_shared and not row.is_shared:
        actor.require(Permission.EDIT)
    if row.is_shared and not data.is_shared:
        if row.user_id != actor.user_id:
            raise ForbiddenError(N_("Only its maker takes a view back from the others."), code="not_yours")
        others = (DefaultView.view_id == view_id, DefaultView.user_id != row.user_id)
        session.execute(delete(DefaultView).where(*others))
    row.name, row.is_shared, row.args = _name(data.name), data.is_shared, dict(data.args)
    row.columns = None if data.columns is None else list(data.columns)
    row.updated_at = now
    session.flush()
    return row


def delete_view(session: Session, actor: Actor, *, view_id: UUID) -> None:
    """Delete a view; whose default it was sees everything again. Raises `ViewNotFoundError`, `ForbiddenError`."""
    session.delete(_changeable(session, actor, view_id=view_id))
    session.flush()


def set_default_view(
    session: Session, actor: Actor, *, view_id: UUID | None, subject: ListSubject = ListSubject.PEOPLE
) -> None:
    """Let the list open with this view for the actor, or (None) with everything; raises `ViewNotFoundError`."""
    if actor.user_id is None:
        raise ForbiddenError(N_("A token has no view of its own."), code="no_user")
    if view_id is None:
        mine = (DefaultView.user_id == actor.user_id, DefaultView.subject == subject)
        session.execute(delete(DefaultView).where(*mine))
        return
    view = queries.saved_view(session, actor, view_id=view_id, subject=subject)
    row = {
        "id": new_id(),
        "workspace_id": actor.workspace_id,
        "user_id": actor.user_id,
        "subject": subject,
        "view_id": view.id,
    }
    made = insert(DefaultView).values(**row)
    one = ["workspace_id", "user_id", "subject"]
    session.execute(made.on_conflict_do_update(index_elements=one, set_={"view_id": view.id}))


def _changeable(session: Session, actor: Actor, *, view_id: UUID) -> SavedView:
    row = queries.saved_view(session, actor, view_id=view_id, lock=True)
    if not queries.may_change_view(actor, view=row):
        raise ForbiddenError(N_("Only its maker and managers change a view."), code="not_yours")
    return row


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME:
        sentence = N_("Write a name of up to 80 letters.")
        raise InvalidInputError(sentence, fields={"name": sentence})
    return name

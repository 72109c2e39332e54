"""Owns taking entries away for good, with their words and files: of what should never have been brought in."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.db import after_commit, among
from crm.events import InteractionRemoved, publish
from crm.files import services as stored_files
from crm.files.models import StoredFile
from crm.interactions.models import Interaction
from crm.interactions.services.timeline import recompute
from crm.interactions.timeline_models import EntryFile


def forget(session: Session, actor: Actor, *, entry_ids: Collection[UUID], folder: Path, now: datetime) -> int:
    """Delete entries and everything of theirs; how many there were. Dates and warmth are counted anew.

    Unlike `remove`, nothing is left that the same event could be known by.
    """
    actor.require(Permission.EDIT)
    rows = session.scalars(
        select(Interaction).where(among(Interaction.id, entry_ids)).order_by(Interaction.id).with_for_update()
    ).all()
    if not rows:
        return 0
    for row in rows:
        if row.removed_at is None:
            publish(
                session,
                InteractionRemoved(
                    workspace_id=row.workspace_id, now=now, interaction_id=row.id, contact_id=row.contact_id
                ),
            )
    found = [row.id for row in rows]
    people = sorted({row.contact_id for row in rows if row.contact_id})
    files = session.scalars(select(EntryFile.file_id).where(among(EntryFile.interaction_id, found))).all()
    session.execute(delete(EntryFile).where(among(EntryFile.interaction_id, found)))
    if files:
        session.execute(delete(StoredFile).where(among(StoredFile.id, files)))
    session.execute(delete(Interaction).where(among(Interaction.id, found)))
    recompute(session, contact_ids=people)
    for file_id in files:
        path = stored_files.path_of(folder, file_id)
        after_commit(session, lambda path=path: path.unlink(missing_ok=True))
    return len(found)

"""Takes away each night what a workspace keeps no longer, part by part, and writes down how much it was."""

from datetime import date
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from crm.accounts.models import Workspace
from crm.accounts.rules import system_actor
from crm.clock import local_day
from crm.db import Database, database_now, new_id
from crm.lifecycle.privacy_models import RetentionRun
from crm.lifecycle.queries.erasures import days_of
from crm.lifecycle.rules.retention import DataClass
from crm.lifecycle.services import retaining

log = structlog.get_logger(__name__)

#: Parts of one class in one night; the rest follows the next night.
MOST_PARTS: Final = 200


def run(database: Database, *, workspace_id: UUID, home: Path) -> dict[str, int]:
    """One night's look, {class: how much went}; safe to call again after a crash, and twice in a night."""
    with database.scope(workspace_id) as session:
        now = database_now(session)
        house = session.get_one(Workspace, workspace_id)
        day = local_day(now, tz=house.time_zone)
        begun = insert(RetentionRun).values(id=new_id(), workspace_id=workspace_id, day=day, at=now)
        session.execute(begun.on_conflict_do_nothing(index_elements=["workspace_id", "day"]))
        days = days_of(session)
    for kind, kept in days.items():
        if kept is not None:
            _take_all(database, workspace_id, kind, kept, day=day, home=home)
    with database.scope(workspace_id) as session:
        row = session.scalars(select(RetentionRun).where(RetentionRun.day == day)).one()
        row.done_at = database_now(session)
        log.info("retention_ran", counts=row.counts)
        return dict(row.counts)


def _take_all(database: Database, workspace_id: UUID, kind: DataClass, days: int, *, day: date, home: Path) -> None:
    actor = system_actor(workspace_id)
    for _ in range(MOST_PARTS):
        with database.scope(workspace_id) as session:
            taken = retaining.take(
                session, actor, kind=kind, days=days, folder=home / "files", now=database_now(session)
            )
            if not taken:
                return
            row = session.scalars(select(RetentionRun).where(RetentionRun.day == day).with_for_update()).one()
            row.counts = {**row.counts, kind.value: row.counts.get(kind.value, 0) + taken}

"""Keeps a restore from bringing erased people back: who was erased is known outside the archive, and erased again."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import cast
from uuid import UUID

import psycopg
from sqlalchemy import select

from crm import wiring
from crm.accounts.rules import system_actor
from crm.cli import archive
from crm.contacts.models import Contact
from crm.db import Database, database_now
from crm.errors import NotFoundError
from crm.lifecycle.erasure import listing
from crm.lifecycle.erasure.sweep import sweep
from crm.lifecycle.kinds import ErasureCause
from crm.lifecycle.services import erasing
from crm.settings import Settings


def known(settings: Settings, *, extra: Path | None) -> list[listing.Line]:
    """Who was erased, as far as this installation knows before a restore replaces it: its list, its table, `extra`."""
    lines = listing.read(settings.home / listing.NAME)
    if extra is not None:
        lines += listing.read(extra)
    with archive.owner_connection(settings.database_owner_url) as connection:
        lines += _in_table(connection)
    return lines


def _in_table(connection: archive.Connection) -> list[listing.Line]:
    try:
        rows = connection.execute(
            "SELECT workspace_id, subject_id, at FROM public.erasure"
            " UNION SELECT workspace_id, id, erased_at FROM public.contact WHERE erased_at IS NOT NULL"
        ).fetchall()
    except psycopg.errors.UndefinedTable:
        connection.rollback()
        return []
    return [
        listing.Line(cast("UUID", house), cast("UUID", subject), cast("datetime", at)) for house, subject, at in rows
    ]


def erase_again(settings: Settings, lines: Iterable[listing.Line]) -> int:
    """Erase everybody on the list whom the archive brought back; returns how many.

    The home's list is completed first, so that a command that is broken off can simply be called again.
    """
    wanted = sorted(set(lines))
    listing.append(settings.home, wanted)
    database = Database(settings.database_url, handlers=wiring.handlers(), size=1)
    try:
        return sum(_erase(database, line, settings.home) for line in wanted)
    finally:
        database.dispose()


def _erase(database: Database, line: listing.Line, home: Path) -> bool:
    with database.scope(line.workspace_id) as session:
        wanted = select(Contact.id).where(Contact.id == line.subject_id, Contact.erased_at.is_(None))
        if session.scalar(wanted) is None:
            return False
        try:
            row = erasing.erase(
                session,
                system_actor(line.workspace_id),
                contact_id=line.subject_id,
                confirm=None,
                cause=ErasureCause.RESTORED,
                is_standing=True,
                now=database_now(session),
            )
        except NotFoundError:
            return False
    sweep(database, workspace_id=line.workspace_id, erasure_id=row.id, home=home)
    return True

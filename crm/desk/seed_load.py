"""Loads tables that nobody uses yet as fast as the database can: rows first, indexes and references behind them.

An index that is read and written at random places for every row costs more than all the rest of a large load; made at
the end it is a sort. References are then checked by one question for each instead of one for each row.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

#: For the sorts of this one transaction.
MEMORY = "512MB"

_ALONE = text(
    "select not exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid())"
)
_OWNED = text("select pg_has_role(relowner, 'usage') from pg_class where oid = cast(:name as regclass)")
_INDEXES = text(
    """
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as made
    from pg_index i where i.indrelid = cast(:name as regclass)
        and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
    order by 1
    """
)
_REFERENCES = text(
    """
    select quote_ident(conname) as name, pg_get_constraintdef(oid) as made
    from pg_constraint where conrelid = cast(:name as regclass) and contype = 'f' order by 1
    """
)


@dataclass(frozen=True, slots=True)
class Removed:
    """What a table has again at the end, each with the statement that makes it."""

    table: str
    indexes: tuple[str, ...]
    references: tuple[str, ...]


@contextmanager
def rows_first(session: Session, tables: Sequence[str], *, tell: Callable[[str], None]) -> Iterator[None]:
    """Leave the empty ones of `tables` without indexes and references in here; they have them again at the end.

    All within the session's transaction: whatever goes wrong leaves everything as it was. Needs the owner of the tables
    and a database to which nobody else is connected, who would wait until the end; else this does nothing. Keys, and
    indexes that references point at, stay: later tables need them.
    """
    if not session.scalar(_ALONE) or not all(session.scalar(_OWNED, {"name": name}) for name in tables):
        tell("(row by row: somebody else is connected, or these are not the owner's credentials)")
        yield
        return
    removed = [_without(session, name) for name in tables if _is_empty(session, name)]
    yield
    session.execute(text("select set_config('maintenance_work_mem', :memory, true)"), {"memory": MEMORY})
    for one in removed:
        if one.indexes or one.references:
            tell(f"indexes and references of {one.table}")
        for statement in (*one.indexes, *one.references):
            session.execute(text(statement.replace(":", "\\:")))
        # What comes next must not be planned for tables of which nothing is known.
        session.execute(text(f'analyze public."{one.table}"'))


def _is_empty(session: Session, name: str) -> bool:
    """Whether no workspace has a row in it; nobody can add one from here on."""
    session.execute(text(f'lock table public."{name}" in access exclusive mode'))
    return not session.scalar(text(f'select exists (select from public."{name}")'))  # noqa: S608 - names of ours.


def _without(session: Session, name: str) -> Removed:
    indexes = session.execute(_INDEXES, {"name": name}).all()
    references = session.execute(_REFERENCES, {"name": name}).all()
    for row in references:
        session.execute(text(f'alter table public."{name}" drop constraint {row.name}'))
    for row in indexes:
        session.execute(text(f"drop index {row.name}"))
    made = tuple(f'alter table public."{name}" add constraint {row.name} {row.made}' for row in references)
    return Removed(name, tuple(row.made for row in indexes), made)

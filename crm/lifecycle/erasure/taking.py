"""Carries the registry out in the database: which rows are a person's, how many they are, and taking them away."""

from collections.abc import Collection, Iterator
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    Uuid,
    any_,
    case,
    cast,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.orm import Session

from crm.db import Base
from crm.lifecycle.erasure import PERSON, REGISTRY, Do, OwnId, Table, UnlessCode

#: Append-only tables that hold a few words of a person: a function of the owner takes them, from erased people alone.
BY_FUNCTION: Final = ("consent_event", "ledger_transaction")
_BY_FUNCTION: Final = text("select public.crm_erase_words(cast(:people as uuid[]))")


def table_of(source: str) -> str:
    """The table that a source of `Table.of` names."""
    return source.partition(".")[0]


def column_of(source: str) -> str:
    """The column that a source of `Table.of` names."""
    return source.partition(".")[2] or "id"


def sql_table(name: str) -> SqlTable:
    """The table of the metadata."""
    return Base.metadata.tables[name]


def theirs(name: str, people: Collection[UUID]) -> ColumnElement[bool]:
    """The condition on a table that a row is about one of `people`, along the chain of the registry."""
    table, ids = sql_table(name), literal(list(people), ARRAY(Uuid()))
    conditions: list[ColumnElement[bool]] = []
    for column, sources in REGISTRY[name].of.items():
        if sources == (PERSON,):
            conditions.append(table.c[column] == any_(ids))
            continue
        # As one array the ids meet the column's index; a join under row-level security would read the whole table.
        found = [
            select(func.unnest(ids).label("id"))
            if source == PERSON
            else select(sql_table(table_of(source)).c[column_of(source)]).where(theirs(table_of(source), people))
            for source in sources
        ]
        together = (found[0] if len(found) == 1 else union_all(*found)).scalar_subquery()
        conditions.append(table.c[column] == any_(func.array(together)))
    return or_(*conditions) if conditions else false()


def counts(session: Session, people: Collection[UUID]) -> dict[str, int]:
    """{table: how many rows are about the people}, tables without any left out, in one statement."""
    names = [entry.name for entry in REGISTRY.values() if entry.of and not entry.is_internal]
    wanted = select(
        *(
            select(func.count()).select_from(sql_table(name)).where(theirs(name, people)).scalar_subquery().label(name)
            for name in names
        )
    )
    found = zip(names, session.execute(wanted).one(), strict=True)
    return {name: count for name, count in found if count}


def depth(name: str) -> int:
    """How many steps a table is away from the person."""
    sources = [table_of(source) for found in REGISTRY[name].of.values() for source in found if source != PERSON]
    return 1 + max(map(depth, sources), default=0)


def take(session: Session, people: Collection[UUID]) -> None:
    """Delete and clear everything of `people` in the database; who stands further away goes first.

    `erased_at` of the people must be written already: the function for append-only tables asks for it.
    """
    mine = sorted((entry for entry in REGISTRY.values() if entry.of), key=lambda entry: -depth(entry.name))
    for entry in mine:
        if entry.name in BY_FUNCTION:
            continue
        table, condition = sql_table(entry.name), theirs(entry.name, people)
        if entry.do is Do.DELETE:
            session.execute(delete(table).where(condition))
        elif entry.do is Do.CLEAR:
            values = dict(_cleared(session, table, entry, condition))
            session.execute(update(table).where(condition).values(values))
    session.execute(_BY_FUNCTION, {"people": list(people)})
    session.expire_all()


def _cleared(
    session: Session, table: SqlTable, entry: Table, condition: ColumnElement[bool]
) -> Iterator[tuple[str, Any]]:
    for name, value in entry.clear.items():
        column = table.c[name]
        if isinstance(value, OwnId):
            yield name, cast(table.c.id, Text)
        elif isinstance(value, UnlessCode):
            used = session.scalars(select(column).where(condition).distinct()).all()
            codes = [found for found in used if found and value.is_code(found)]
            yield name, case((column == any_(literal(codes, ARRAY(Text()))), column), else_="")
        else:
            yield name, value

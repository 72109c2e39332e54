"""Runs several statements of one transaction in one round trip, for the sender's inner loop.

A wave runs hundreds of times a second beside eight busy threads. What costs there is each wait for an answer (the
interpreter must be won back) and each statement's own preparation in Python; so the statements are constant texts, are
prepared on the server, and travel together.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg
from psycopg.pq import ExecStatus
from psycopg.rows import namedtuple_row
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import Session

_DIALECT = PGDialect_psycopg()


@dataclass(frozen=True, slots=True)
class Step:
    """One statement with its parameters; None in its place is nothing to do."""

    sql: str
    parameters: Mapping[str, Any]


def sql_of(statement: Select[*tuple[Any, ...]]) -> str:
    """The text of a SELECT whose parameters are all named; made once, at import."""
    return str(statement.compile(dialect=_DIALECT))


def array(items: Iterable[UUID | str]) -> str:
    """Ids, or words without quotes, commas and braces, as PostgreSQL reads an array.

    The driver's own lists cost more than the statement that they belong to.
    """
    return "{" + ",".join([item.hex if isinstance(item, UUID) else item for item in items]) + "}"


def rows(names: tuple[str, ...], values: Iterable[tuple[Any, ...]]) -> str:
    """Rows of values as the JSON that `json_to_recordset` reads; ids become text."""
    return json.dumps([dict(zip(names, row, strict=True)) for row in values], default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return value.hex
    raise TypeError(f"{type(value).__name__} has no place in a statement's rows")


def together(session: Session, *steps: Step | None) -> list[list[Any]]:
    """Execute the steps in order in the session's transaction; the rows of each, by attribute (empty without any).

    Errors are psycopg's own. A connection that broke is given up, so that the session's rollback makes a new one.
    """
    connection = session.connection()
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # pyright: ignore[reportAssignmentType]
    cursors: list[psycopg.Cursor[Any] | None] = []
    try:
        with driver.pipeline():
            for step in steps:
                if step is None:
                    cursors.append(None)
                    continue
                cursor = driver.cursor(row_factory=namedtuple_row)
                cursors.append(cursor.execute(cast("LiteralString", step.sql), step.parameters, prepare=True))
        return [cursor.fetchall() if cursor is not None and _has_rows(cursor) else [] for cursor in cursors]
    except psycopg.Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise


def _has_rows(cursor: psycopg.Cursor[Any]) -> bool:
    return cursor.pgresult is not None and cursor.pgresult.status == ExecStatus.TUPLES_OK

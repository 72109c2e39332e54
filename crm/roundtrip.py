"""Runs several statements of one transaction in one round trip, for the sender's inner loop.

A wave runs hundreds of times a second. What costs there is each round trip and each statement's own preparation in
Python; so the statements are constant texts, are prepared on the server, and travel together. The driver's own pipeline
waits before each statement, hence libpq's.
"""

import itertools
import json
import re
from collections import namedtuple
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg import generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Select, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import ORMExecuteState, Session

from crm.db import PREPARED, announced_apart
from crm.hub import Hub, drive

_DIALECT = PGDialect_psycopg()
_PLACE = re.compile(r"%\((\w+)\)s")
# What PostgreSQL takes a parameter for; it finds the type of a text by what the text is used for.
_OIDS = {UUID: 2950, datetime: 1184}
_HUB = "hub"
#: Where a session keeps what it must say before anything else.
_OPENING = "opening"
_NUMBERS = itertools.count()
_FINE = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.PIPELINE_SYNC})


@dataclass(frozen=True, slots=True)
class Step:
    """One statement with its parameters; None in its place is nothing to do."""

    sql: str
    parameters: Mapping[str, UUID | datetime | str]


#: Empty without a workspace, which shows and takes nothing.
_ANNOUNCE = (
    "select set_config('crm.workspace', %(id)s, true),"
    " set_config('idle_in_transaction_session_timeout', %(limit)s, true), now() as now"
)
#: A sender's statements look the same whatever their arrays hold: planning each anew costs more than it finds. Its
#: sessions live for seconds, so no plan outlives the size of the tables it was made for.
_ANNOUNCE_BESIDE = _ANNOUNCE + ", set_config('plan_cache_mode', 'force_generic_plan', true)"


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
    return json.dumps(
        [
            dict(zip(names, [value.hex if isinstance(value, UUID) else value for value in row], strict=True))
            for row in values
        ]
    )


def columns(names: tuple[str, ...], values: Iterable[tuple[UUID | str | bool | None, ...]]) -> dict[str, str]:
    """Rows of values as one array for each column, by its name, for `unnest`; PostgreSQL reads JSON more slowly."""
    return {name: _column(column) for name, column in zip(names, zip(*values, strict=True), strict=True)}


def _column(values: tuple[UUID | str | bool | None, ...]) -> str:
    """An array as PostgreSQL reads it (its section 8.15.2)."""
    return "{" + ",".join([_written(value) for value in values]) + "}"


def _written(value: UUID | str | bool | None) -> str:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "null" if value is None else str(value)


def beside(session: Session, hub: Hub) -> None:
    """Let the lines of `hub` take turns whenever the session waits in a transaction that `begin` began.

    For whoever made the hub: no line may touch the session.
    """
    session.info[_HUB] = hub


def _give_way(driver: psycopg.Connection[Any], hub: Hub) -> None:
    """Make the driver's one place of waiting turn the hub; the rare wait with a limit of its own stays as it is.

    A connection can outlive the hub: whoever uses it then simply waits.
    """

    def wait(gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None or not hub.is_here:
            return psycopg.Connection.wait(driver, gen, interval, timeout)
        try:
            return drive(hub, driver.pgconn.socket, gen)
        except psycopg.Error:
            raise
        except BaseException:
            # In the middle of a conversation nobody could make sense of the rest.
            driver.close()
            raise

    driver.wait = wait


def begin(session: Session) -> datetime:
    """Begin the session's next transaction and announce its workspace; the database's time, all in one round trip."""
    begin_ahead(session)
    ((begun,),) = together(session, session.info.pop(_OPENING))
    return begun.now


def begin_ahead(session: Session) -> None:
    """Begin the session's next transaction, whose first round trip announces its workspace before anything else.

    For whoever knows the time and has much to say at once.
    """
    with announced_apart(session):
        driver = session.connection().connection.driver_connection
    hub: Hub | None = session.info.get(_HUB)
    if hub is not None and isinstance(driver, psycopg.Connection):
        _give_way(driver, hub)
    workspace_id = session.info.get("workspace_id")
    given = {"id": str(workspace_id) if workspace_id else "", "limit": session.info.get("idle_limit") or "0"}
    if not event.contains(session, "before_flush", _before_flush):
        event.listen(session, "before_flush", _before_flush)
        event.listen(session, "do_orm_execute", _before_statement)
    session.info[_OPENING] = Step(_ANNOUNCE if hub is None else _ANNOUNCE_BESIDE, given)


# Without a workspace an ordinary statement would find nothing, and somebody take that for an answer.


def _before_statement(state: ORMExecuteState) -> None:
    _open(state.session)


def _before_flush(session: Session, _context: Any, _instances: Any) -> None:
    _open(session)


def _open(session: Session) -> None:
    if _OPENING in session.info:
        together(session)


def together(session: Session, *steps: Step | None) -> list[list[Any]]:
    """Execute the steps in order in the session's transaction; the rows of each, by attribute (empty without any).

    After `begin_ahead` the workspace is announced first. Errors are psycopg's own. A connection that broke is given
    up, so that the session's rollback makes a new one.
    """
    connection = session.connection()
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # pyright: ignore[reportAssignmentType]
    known: dict[str, bytes] | None = connection.info.get(PREPARED)
    opening: Step | None = session.info.pop(_OPENING, None)
    try:
        return _converse(driver, (opening, *steps), known)[1:]
    except BaseException as error:
        # The driver deallocates everything when it rolls back, and a pooler may have forgotten our names.
        if known is not None:
            known.clear()
        if driver.closed:
            connection.invalidate(error)
        raise


def _converse(
    driver: psycopg.Connection[Any], steps: tuple[Step | None, ...], known: dict[str, bytes] | None
) -> list[list[Any]]:
    pgconn = driver.pgconn
    begins = pgconn.transaction_status == TransactionStatus.IDLE
    pgconn.enter_pipeline_mode()
    try:
        is_answer, fresh = _send(pgconn, steps, known, begins=begins)
        results = driver.wait(_receive(pgconn, len(is_answer)))
        pgconn.exit_pipeline_mode()
    except BaseException:
        # In the middle of a conversation nobody else could make sense of the rest.
        driver.close()
        raise
    for result in results:
        if result.status not in _FINE:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
    if known is not None:
        known.update(fresh)
    answers = iter([result for result, wanted in zip(results, is_answer, strict=True) if wanted])
    transformer = Transformer(driver)
    return [[] if step is None else _rows_of(next(answers), transformer) for step in steps]


def _send(
    pgconn: PGconn, steps: tuple[Step | None, ...], known: Mapping[str, bytes] | None, *, begins: bool
) -> tuple[list[bool], dict[str, bytes]]:
    """Write everything; for each result that will come, whether it is a step's own, and what is prepared on the way."""
    is_answer: list[bool] = []
    fresh: dict[str, bytes] = {}
    if begins:
        pgconn.send_query_params(b"BEGIN", None)
        is_answer.append(False)
    for step in steps:
        if step is None:
            continue
        text, names = _numbered(step.sql)
        values = [step.parameters[name] for name in names]
        dumped = [_dumped(value) for value in values]
        oids = [_OIDS.get(type(value), 0) for value in values]
        if known is None:
            pgconn.send_query_params(text, dumped, oids)
            is_answer.append(True)
            continue
        name = known.get(step.sql) or fresh.get(step.sql)
        if name is None:
            name = fresh[step.sql] = f"step_{next(_NUMBERS)}".encode()
            pgconn.send_prepare(name, text, oids)
            is_answer.append(False)
        pgconn.send_query_prepared(name, dumped)
        is_answer.append(True)
    pgconn.pipeline_sync()
    is_answer.append(False)
    return is_answer, fresh


def _receive(pgconn: PGconn, number: int) -> Generator[Any, Any, list[PGresult]]:
    yield from generators.send(pgconn)
    found: list[PGresult] = []
    for _ in range(number):
        found += yield from generators.fetch_many(pgconn)
    return found


@lru_cache(maxsize=256)
def _numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """The text with numbered places, and the parameters' names in the order of their numbers."""
    names: dict[str, int] = {}
    text = _PLACE.sub(lambda found: f"${names.setdefault(found[1], len(names) + 1)}", sql)
    return text.replace("%%", "%").encode(), tuple(names)


def _dumped(value: UUID | datetime | str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return value.hex.encode() if isinstance(value, UUID) else value.isoformat().encode()


def _rows_of(result: PGresult, transformer: Any) -> list[Any]:
    if result.status != ExecStatus.TUPLES_OK or not result.ntuples:
        return []
    transformer.set_pgresult(result)
    names = tuple(result.fname(index) for index in range(result.nfields))
    return transformer.load_rows(0, result.ntuples, _row_maker(names))


@lru_cache(maxsize=256)
def _row_maker(names: tuple[bytes | None, ...]) -> Callable[[Iterable[Any]], Any]:
    return namedtuple("Row", [(name or b"").decode() for name in names], rename=True)._make  # noqa: PYI024 - names come from the statement.

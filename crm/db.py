"""Owns the database session: base class, column aliases, workspace scoping, commit rule, after-commit list."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import psycopg
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    NullPool,
    String,
    Table,
    Text,
    UniqueConstraint,
    any_,
    create_engine,
    event,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import (
    DeclarativeBase,
    InstrumentedAttribute,
    Mapped,
    Session,
    SessionTransaction,
    mapped_column,
    sessionmaker,
)
from sqlalchemy.schema import SchemaItem
from uuid_utils import uuid7 as native_uuid7
from uuid_utils.compat import uuid7

from crm.events import Handlers

_BETWEEN = "\0"
#: Where a session keeps when its transaction began.
_BEGAN = "began_at"
_ANNOUNCE = text("select now() from set_config('crm.workspace', :id, true)")
_ANNOUNCE_WITH_LIMIT = text(
    "select now() from set_config('crm.workspace', :id, true) as workspace,"
    " set_config('idle_in_transaction_session_timeout', :limit, true) as idle"
)
#: Python types whose `str` is the text form that PostgreSQL reads.
_PLAIN: frozenset[type] = frozenset({str, int, bool, float, Decimal, UUID, date, datetime, type(None)})

type_annotations: dict[Any, Any] = {
    str: Text(),
    datetime: DateTime(timezone=True),
    dict[str, Any]: JSONB(),
    list[Any]: JSONB(),
}


def new_id() -> UUID:
    """A fresh UUIDv7: unique, and ordered by the time it was made."""
    return uuid7()


class Base(DeclarativeBase):
    """Declarative base with the naming convention that migrations rely on."""

    type_annotation_map = type_annotations
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    __table__: Table  # pyright: ignore[reportIncompatibleVariableOverride]


pk = Annotated[UUID, mapped_column(primary_key=True, default=new_id)]
created_at = Annotated[datetime, mapped_column(server_default=func.now())]
big = Annotated[int, mapped_column(BigInteger)]
code = Annotated[str, mapped_column(String(64))]
user_fk = Annotated[UUID, mapped_column(ForeignKey("app_user.id"))]


class Tenant:
    """Mixin of a table whose rows belong to one workspace.

    The row's `workspace_id` is taken from the session when it is not given, and row-level security refuses any other.
    """

    id: Mapped[pk]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))


class Attached(Tenant):
    """Mixin of a tenant table whose rows can't be without a row of another one.

    Its reference to that row carries the workspace and so proves that there is one; checking the workspace itself too
    would only cost each insert another look at the one row that all others look at.
    """

    workspace_id: Mapped[UUID] = mapped_column()


def tenant_args(
    *items: SchemaItem, append_only: bool = False, frozen: bool = False, referred: bool = True
) -> tuple[Any, ...]:
    """`__table_args__` of a tenant table: the given items and, where `referred`, the key that references point at.

    `append_only` withholds UPDATE and DELETE from the application role, `frozen` UPDATE alone (see `crm.tenancy`).
    """
    info = {"tenant": True, "append_only": append_only, "frozen": frozen}
    key = (UniqueConstraint("workspace_id", "id"),) if referred else ()
    return (*items, *key, {"info": info})


def one_of(column: str, kinds: type[StrEnum]) -> CheckConstraint:
    """A CHECK that `column` (text, so that its index works under row-level security) holds one of `kinds`."""
    values = ", ".join(f"'{kind.value}'" for kind in kinds)
    return CheckConstraint(f"{column} in ({values})", name=column)


def reference(target: str, column: str, *, ondelete: str | None = None) -> ForeignKeyConstraint:
    """A composite reference `(workspace_id, column)` to `target`, so that no row can point into another workspace.

    `ondelete="SET NULL"` clears the column alone, never the workspace.
    """
    action = f"SET NULL ({column})" if ondelete == "SET NULL" else ondelete
    return ForeignKeyConstraint(["workspace_id", column], [f"{target}.workspace_id", f"{target}.id"], ondelete=action)


#: Where a kept connection remembers the names of the statements that `crm.roundtrip` prepared on it.
PREPARED = "prepared_steps"


class WorkspaceSession(Session):
    """A session that tells PostgreSQL which workspace it works for at the start of every transaction."""


@event.listens_for(WorkspaceSession, "after_begin")
def _announce_workspace(session: Session, transaction: SessionTransaction, connection: Any) -> None:
    # A savepoint keeps the value of its transaction; a session without a workspace must clear an earlier one.
    if transaction.nested:
        return
    session.info.pop(_BEGAN, None)
    if not session.info.get("is_announced_apart"):
        limit = session.info.get("idle_limit") or "0"
        session.info[_BEGAN] = _set_workspace(connection, session.info.get("workspace_id"), limit=limit)


@contextmanager
def announced_apart(session: Session) -> Iterator[None]:
    """Begin a transaction in here without a word: the caller announces the workspace with its own first statement.

    Until then the session sees and writes nothing.
    """
    session.info["is_announced_apart"] = True
    try:
        yield
    finally:
        del session.info["is_announced_apart"]


@event.listens_for(WorkspaceSession, "before_flush")
def _fill_workspace(session: Session, _context: Any, _instances: Any) -> None:
    workspace_id = session.info.get("workspace_id")
    for row in session.new:
        if isinstance(row, Tenant) and row.workspace_id is None and workspace_id is not None:
            row.workspace_id = workspace_id


def _set_workspace(connection: Any, workspace_id: UUID | None, *, limit: str = "0") -> datetime:
    """Also answers when the transaction began, which saves whoever wants to know it a question."""
    given = {"id": str(workspace_id) if workspace_id else ""}
    if limit != "0":
        return connection.execute(_ANNOUNCE_WITH_LIMIT, {**given, "limit": limit}).scalar_one()
    return connection.execute(_ANNOUNCE, given).scalar_one()


def enter_workspace(session: Session, workspace_id: UUID | None) -> None:
    """From here on the session sees and writes this workspace only, also within the running transaction."""
    session.info["workspace_id"] = workspace_id
    if session.in_transaction():
        _set_workspace(session, workspace_id)


def after_commit(session: Session, action: Callable[[], None]) -> None:
    """Run `action` once the outermost commit has returned; a rollback forgets it."""
    session.info.setdefault("after_commit", []).append(action)


def commit(session: Session) -> None:
    """Commit and then run the after-commit list; only edges call this."""
    session.commit()
    for action in session.info.pop("after_commit", []):
        action()


def rollback(session: Session) -> None:
    """Roll back and forget what should have happened after the commit; only edges call this."""
    session.rollback()
    session.info.pop("after_commit", None)


def database_now(session: Session) -> datetime:
    """The start of the database transaction: the one clock all processes share."""
    session.connection()  # Begins the transaction where none has begun.
    began: datetime | None = session.info.get(_BEGAN)
    return began or session.execute(select(func.now())).scalar_one()


def commit_late(session: Session) -> None:
    """Let this transaction's commit return before it is on the disk.

    A crash of the database server can then lose it, whole, with those that came before it on the same path. Only for
    work that goes on from what it finds committed, and whose last transaction is an ordinary one: that one makes all
    before it durable too.
    """
    session.execute(text("set local synchronous_commit = off"))


def renew_statistics(session: Session) -> None:
    """Let PostgreSQL count the tables that doubled since it last did, before it plans for a size they no longer have.

    For work that makes tables grow faster than autovacuum looks at them; costs a millisecond when nothing grew.
    """
    session.execute(text("select public.crm_renew_statistics()"))


def among(column: InstrumentedAttribute[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """Whether `column` holds one of `values`, which travel as one array: the statement is the same for any number."""
    return column == any_(literal(list(values), ARRAY(column.type)))


def insert_rows(
    session: Session,
    model: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    shared: Mapping[str, Any] | None = None,
    unless: Sequence[str] = (),
) -> list[str]:
    """Insert many rows of equal keys with one statement: a column travels as one array, so 1,000 rows are one message.

    `shared` holds the values that are the same in every row. Rows without an `id` get fresh ones, which are returned.
    Values go to the database as they are (no Python defaults, no ORM events): texts, numbers, ids and times, no JSON.
    `unless` names the unique columns by which a row that is there already is left out.
    """
    if not rows:
        return []
    table, common = model.__table__, shared or {}
    fresh = [] if "id" in rows[0] else [str(native_uuid7()) for _ in rows]
    arrays = {name: _array([row[name] for row in rows]) for name in rows[0]} | ({"id": _array(fresh)} if fresh else {})
    dialect = session.get_bind().dialect
    quote = dialect.identifier_preparer.quote
    kinds = {name: table.c[name].type.compile(dialect) for name in (*arrays, *common)}
    columns = ", ".join(quote(name) for name in kinds)
    unnested = ", ".join(f"cast(:{name} as {kinds[name]}[])" for name in arrays)
    chosen = ", ".join(["rows.*", *(f"cast(:{name} as {kinds[name]})" for name in common)])
    statement = f"insert into {quote(table.name)} ({columns}) select {chosen} from unnest({unnested}) as rows"  # noqa: S608 - own names
    if unless:
        statement += f" on conflict ({', '.join(quote(name) for name in unless)}) do nothing"
    session.execute(text(statement), {**arrays, **common})
    return fresh


@contextmanager
def sent_ahead(session: Session) -> Iterator[None]:
    """In here the database works on a statement while the next one is still being made, because nobody waits for it.

    Only for statements that answer nothing, such as those of `insert_rows`: a SELECT would seem to find nothing. What
    the database refuses is raised by a later statement or at the end, and then as the driver's own error.
    """
    session.flush()
    driver: psycopg.Connection[Any] = session.connection().connection.driver_connection  # pyright: ignore[reportAssignmentType]
    with driver.pipeline():
        yield


def _array(values: Collection[Any]) -> str:
    """The array of `values` as PostgreSQL reads it (its section 8.15.2), quoted whole and not value by value."""
    strange = [kind for kind in set(map(type, values)) if kind not in _PLAIN and not issubclass(kind, str)]
    if strange:
        raise TypeError(f"{strange[0].__name__} has no plain form in an array")
    if None in values:
        return f"{{{','.join('NULL' if value is None else _array((value,))[1:-1] for value in values)}}}"
    # No text of the database can hold this character, so that it can stand between the values while they are escaped.
    joined = _BETWEEN.join(map(str, values))
    if joined.count(_BETWEEN) != max(len(values) - 1, 0):
        raise ValueError("a text for the database holds a NUL character")
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"').replace(_BETWEEN, '","')
    return f'{{"{escaped}"}}' if values else "{}"


class Database:
    """One connection pool and the way to open sessions on it.

    `idle_seconds` ends a transaction in which nothing was asked for that long: a process that is frozen in the middle
    of one must not keep its rows from everybody else. 0 lets it stand.
    """

    def __init__(
        self, url: str, *, handlers: Handlers, pooled: bool = True, size: int = 10, idle_seconds: float = 0.0
    ) -> None:
        options: dict[str, Any] = {"pool_size": size, "max_overflow": 5, "pool_pre_ping": True}
        self.engine: Engine = create_engine(
            url, hide_parameters=True, **(options if pooled else {"poolclass": NullPool})
        )
        self.handlers = handlers
        # PostgreSQL's own unit is the millisecond; "0" is no limit.
        self._idle_limit = f"{idle_seconds * 1000:.0f}" if idle_seconds else ""
        self._maker = sessionmaker(self.engine, class_=WorkspaceSession, expire_on_commit=False)

    def session(self, workspace_id: UUID | None = None) -> Session:
        """A new session of that workspace; the caller commits or closes it."""
        session = self._maker()
        session.info.update(
            workspace_id=workspace_id, handlers=self.handlers, database=self, idle_limit=self._idle_limit
        )
        return session

    @contextmanager
    def scope(self, workspace_id: UUID | None = None) -> Iterator[Session]:
        """A session for one transaction: commit at the end, roll back on an error, then the after-commit list."""
        session = self.session(workspace_id)
        try:
            yield session
            commit(session)
        except BaseException:
            rollback(session)
            raise
        finally:
            session.close()

    @contextmanager
    def kept(self, workspace_id: UUID) -> Iterator[Session]:
        """A session that keeps its one connection over many transactions, so that its statements stay prepared.

        The caller commits each transaction and catches what goes wrong. An error that leaves it takes the connection
        along, which may be in the middle of anything.
        """
        with self.engine.connect() as connection:
            connection.info[PREPARED] = {}
            session = self._maker(bind=connection)
            session.info.update(
                workspace_id=workspace_id, handlers=self.handlers, database=self, idle_limit=self._idle_limit
            )
            try:
                yield session
            except BaseException:
                session.invalidate()
                raise
            finally:
                session.close()

    def dispose(self) -> None:
        """Close the pool's connections."""
        self.engine.dispose()


@contextmanager
def aside(session: Session) -> Iterator[Session]:
    """A short transaction of its own, beside the caller's: what it writes survives the caller's refusal.

    It can't see the caller's uncommitted rows. Guess counters and the audit of denials go this way.
    """
    database: Database = session.info["database"]
    with database.scope(session.info.get("workspace_id")) as other:
        yield other


def ensure_can_not_bypass(session: Session) -> None:
    """Refuse to work as a database role that row-level security does not bind."""
    unsafe = session.execute(
        text(
            "select r.rolname from pg_roles r where r.rolname = current_user and (r.rolsuper or r.rolbypassrls)"
            " union all select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'public' and c.relrowsecurity and pg_has_role(c.relowner, 'usage') limit 1"
        )
    ).scalar()
    if unsafe is not None:
        raise RuntimeError(
            "DATABASE_URL names a role that can bypass row-level security (a superuser, BYPASSRLS, or the owner of the"
            " tables). Make a plain role for the application; see docs/operating.md."
        )

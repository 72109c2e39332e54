"""The archive of a whole installation: every table as PostgreSQL's COPY text, and the files of the home, in one zip.

Tables are read in one snapshot as the owner, whom row-level security doesn't bind. The archive needs no tools of
PostgreSQL, so it can be made from a managed server and read into an embedded one, and the other way round.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO, Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

FORMAT = 1
MANIFEST = "manifest.json"
# What the servers and the lock keep in the home: never part of an archive.
NOT_ARCHIVED = {"postgres", "postgres.new", "valkey", "log", "lock", "sockets", "sandbox.json"}
KEYS_FOLDER = "keys"
CHUNK_BYTES = 1 << 20

Connection = psycopg.Connection[tuple[Any, ...]]


class ArchiveError(Exception):
    """The archive can't be used, or not here; the message says why."""


@dataclass(frozen=True)
class TableEntry:
    """One table's part: its columns in the order of the text, the number of rows and the digest of the text."""

    columns: list[str]
    rows: int
    sha256: str


@dataclass
class Manifest:
    """What an archive holds; `revision` is the migration its tables have."""

    product: str
    revision: str
    made_at: str
    format: int = FORMAT
    tables: dict[str, TableEntry] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return sum(entry.rows for entry in self.tables.values())


@contextmanager
def owner_connection(url: str) -> Iterator[Connection]:
    """A connection for an SQLAlchemy URL, in one transaction that is committed at the end."""
    parts = make_url(url)
    arguments = parts.translate_connect_args(username="user", database="dbname")
    with psycopg.connect(**{**arguments, **parts.query}) as connection:
        yield connection


def write(path: Path, *, owner_url: str, home: Path, with_keys: bool) -> Manifest:
    """Write an archive to `path` (mode 0600) and return what it holds.

    It appears under its name only when it is complete. `with_keys=False` leaves out the keys that read channel
    credentials, for an archive that is kept where they must not be.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
            owner_connection(owner_url) as connection,
        ):
            manifest = _write_tables(archive, connection)
            for source, name in _home_files(home, with_keys=with_keys):
                with archive.open(f"home/{name}", "w", force_zip64=True) as target, source.open("rb") as origin:
                    manifest.files[name] = _copy(origin, target)
            archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1))
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def _write_tables(archive: zipfile.ZipFile, connection: Connection) -> Manifest:
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    manifest = Manifest(
        product=version("filodiretto"), revision=_revision(connection), made_at=datetime.now(UTC).isoformat()
    )
    for table in _tables(connection):
        columns = _columns(connection, table)
        digest, rows = hashlib.sha256(), 0
        query = sql.SQL("COPY public.{} ({}) TO STDOUT").format(sql.Identifier(table), _names(columns))
        with (
            archive.open(f"tables/{table}", "w", force_zip64=True) as target,
            connection.cursor() as cursor,
            cursor.copy(query) as copy,
        ):
            for block in copy:
                digest.update(block)
                rows += bytes(block).count(b"\n")
                target.write(block)
        manifest.tables[table] = TableEntry(columns, rows, digest.hexdigest())
    return manifest


def _home_files(home: Path, *, with_keys: bool) -> Iterator[tuple[Path, str]]:
    for source in sorted(home.rglob("*")):
        relative = source.relative_to(home)
        top = relative.parts[0]
        if top in NOT_ARCHIVED or (top == KEYS_FOLDER and not with_keys) or not source.is_file() or source.is_symlink():
            continue
        yield source, relative.as_posix()


def check(archive: zipfile.ZipFile) -> Manifest:
    """Read the manifest and compare every part with its digest; raises `ArchiveError` before anything is changed."""
    try:
        fields = json.loads(archive.read(MANIFEST))
        if fields["format"] != FORMAT:
            raise ArchiveError(f"The archive has format {fields['format']}; this release reads format {FORMAT}.")
        fields["tables"] = {name: TableEntry(**entry) for name, entry in fields["tables"].items()}
        manifest = Manifest(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError("This isn't an archive of `crm backup`, or its end is missing.") from error
    for name, digest in _parts(manifest):
        try:
            with archive.open(name) as part:
                found = _copy(part, None)
        except (KeyError, zipfile.BadZipFile) as error:
            raise ArchiveError(f"{name} is missing or damaged; nothing was restored.") from error
        if found != digest:
            raise ArchiveError(f"{name} was changed or damaged; nothing was restored.")
    for name in manifest.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.parts[0] in NOT_ARCHIVED:
            raise ArchiveError(f"The archive names a file outside the home: {name}")
    return manifest


def _parts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for table, entry in manifest.tables.items():
        yield f"tables/{table}", entry.sha256
    for name, digest in manifest.files.items():
        yield f"home/{name}", digest


def used_tables(connection: Connection) -> list[str]:
    """The tables that would lose rows by a restore: people who sign in and workspaces."""
    used: list[str] = []
    for table in ("workspace", "app_user"):
        row = connection.execute(sql.SQL("SELECT 1 FROM public.{} LIMIT 1").format(sql.Identifier(table))).fetchone()
        if row is not None:
            used.append(table)
    return used


def read_tables(archive: zipfile.ZipFile, manifest: Manifest, connection: Connection) -> None:
    """Replace all rows by the archive's, within the connection's transaction, and let nothing leave by itself.

    The tables must have the archive's revision. References and triggers are off while the rows come in and are
    checked, or on again, before the commit; sequences continue after the highest value.
    """
    present = set(_tables(connection))
    if missing := sorted(set(manifest.tables) - present):
        raise ArchiveError(f"The archive has tables that revision {manifest.revision} lacks here: {', '.join(missing)}")
    references = connection.execute(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0 ORDER BY 1, 2"
    ).fetchall()
    for table, name, _definition in references:
        _run(connection, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    names = _names(sorted(present))
    connection.execute(sql.SQL("TRUNCATE {}").format(names))
    for table, entry in manifest.tables.items():
        _read_table(archive, connection, table, entry)
    for table, name, definition in references:
        _run(connection, f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    _continue_sequences(connection)
    connection.execute("UPDATE public.workspace SET sending_paused = true")
    _hold_what_may_have_left(connection)


def _hold_what_may_have_left(connection: Connection) -> None:
    """Let a person decide about every message that was due: it may have been sent since the archive was made.

    What was on its way when the archive was made becomes uncertain by itself, when the lease of its claim is over.
    """
    connection.execute(
        "UPDATE public.message SET state = 'held', reason = 'restored', held_until = NULL, claim_id = NULL,"
        " updated_at = now(), version = version + 1"
        " WHERE direction = 'outbound' AND state IN ('scheduled', 'claimed') AND due_at <= now()"
    )


def _read_table(archive: zipfile.ZipFile, connection: Connection, table: str, entry: TableEntry) -> None:
    name = sql.Identifier(table)
    connection.execute(sql.SQL("ALTER TABLE public.{} DISABLE TRIGGER USER").format(name))
    query = sql.SQL("COPY public.{} ({}) FROM STDIN").format(name, _names(entry.columns))
    with archive.open(f"tables/{table}") as part, connection.cursor() as cursor:
        with cursor.copy(query) as copy:
            while block := part.read(CHUNK_BYTES):
                copy.write(block)
        if cursor.rowcount != entry.rows:
            raise ArchiveError(f"{table}: {cursor.rowcount} rows came in, the archive has {entry.rows}.")
    connection.execute(sql.SQL("ALTER TABLE public.{} ENABLE TRIGGER USER").format(name))


def _continue_sequences(connection: Connection) -> None:
    owned = connection.execute(
        "SELECT d.objid::regclass::text, t.relname, a.attname"
        " FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
        " JOIN pg_class t ON t.oid = d.refobjid"
        " JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
        " WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
        " AND s.relnamespace = 'public'::regnamespace"
    ).fetchall()
    for sequence, table, column in owned:
        query = sql.SQL("SELECT setval({}::regclass, coalesce(max({}), 0) + 1, false) FROM public.{}")
        connection.execute(query.format(sql.Literal(sequence), sql.Identifier(column), sql.Identifier(table)))


def read_files(archive: zipfile.ZipFile, manifest: Manifest, home: Path) -> None:
    """Put the archive's files into the home; keys stay readable for their owner only."""
    for name in manifest.files:
        target = home / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, archive.open(f"home/{name}") as part:
            _copy(part, file)


def _revision(connection: Connection) -> str:
    row = connection.execute("SELECT version_num FROM public.alembic_version").fetchone()
    if row is None:
        raise ArchiveError("The database has no tables yet: there is nothing to back up.")
    return str(row[0])


def _tables(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
    ).fetchall()
    return [str(name) for (name,) in rows]


def _columns(connection: Connection, table: str) -> list[str]:
    """The columns whose values are stored as given; generated ones are computed again by the restore."""
    rows = connection.execute(
        "SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped"
        " AND a.attgenerated = '' ORDER BY a.attnum",
        (table,),
    ).fetchall()
    return [str(name) for (name,) in rows]


def _names(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _run(connection: Connection, statement: str) -> None:
    """Run a statement made of names that the catalogue itself has quoted."""
    connection.execute(statement.encode())


def _copy(source: IO[bytes], target: IO[bytes] | None) -> str:
    """Copy a stream (nowhere for None) and return its SHA-256 in hex."""
    digest = hashlib.sha256()
    while block := source.read(CHUNK_BYTES):
        digest.update(block)
        if target is not None:
            target.write(block)
    return digest.hexdigest()

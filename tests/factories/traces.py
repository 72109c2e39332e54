"""Looks for words everywhere an installation keeps anything: tables, files (packed ones too), and Valkey."""

import gzip
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql
from sqlalchemy.engine import make_url

#: Written so by PostgreSQL where a row holds bytes; these are read as they are.
_BYTES = "bytea"


def rows_that_hold(owner_url: str, words: Iterable[str]) -> list[str]:
    """Every "table.column" of the whole database in which one of the words stands, read as the owner.

    Every table of every schema but PostgreSQL's own, every column of any type, also computed ones and indexes of
    words: a row is looked through as one text first, and by its columns when it holds something.
    """
    like = [f"%{word}%" for word in words]
    parts = make_url(owner_url)
    found = []
    with psycopg.connect(**parts.translate_connect_args(username="user", database="dbname"), **parts.query) as owner:
        tables = owner.execute(
            "select n.nspname, c.relname, array_agg(a.attname::text order by a.attnum),"
            " array_agg(format_type(a.atttypid, null) order by a.attnum)"
            " from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid"
            " where c.relkind in ('r', 'm', 'p', 'f') and a.attnum > 0 and not a.attisdropped"
            " and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')"
            " group by 1, 2"
        ).fetchall()
        assert len(tables) > 90
        for schema, table, columns, kinds in tables:
            values = [_text(name, kind) for name, kind in zip(columns, kinds, strict=True)]
            holds = sql.SQL("coalesce(bool_or(lower(concat({})) like any(%s)), false)")
            each = sql.SQL(", ").join([holds.format(sql.SQL(", ").join(values))])
            name = sql.SQL("{}.{}").format(sql.Identifier(schema), sql.Identifier(table))
            if not owner.execute(sql.SQL("select {} from {}").format(each, name), (like,)).fetchone()[0]:
                continue
            each = sql.SQL(", ").join([holds.format(value) for value in values])
            answers = owner.execute(sql.SQL("select {} from {}").format(each, name), [like] * len(values)).fetchone()
            found += [f"{table}.{column}" for column, is_there in zip(columns, answers, strict=True) if is_there]
        large = owner.execute("select count(*) from pg_largeobject_metadata").fetchone()
        assert large == (0,), "large objects would have to be looked through as well"
    return found


def _text(name: str, kind: str) -> sql.Composed:
    shown = "encode({}, 'escape')" if kind == _BYTES else "{}::text"
    return sql.SQL(shown).format(sql.Identifier(name))


def files_that_hold(folder: Path, words: Iterable[str]) -> list[str]:
    """Every file below the folder in which one of the words stands; packed ones are unpacked."""
    wanted = [word.encode() for word in words]
    return [str(path) for path in folder.rglob("*") if path.is_file() and holds(path.read_bytes(), wanted)]


def holds(content: bytes, words: Iterable[bytes]) -> bool:
    """Whether one of the words (lower case) stands in the bytes, or in what is packed in them."""
    return any(word in part for part in _parts(content) for word in words)


def _parts(content: bytes) -> Iterator[bytes]:
    yield content.lower()
    yield content.replace(b"\0", b"").lower()
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for item in packed.infolist():
                yield item.filename.lower().encode()
                yield from _parts(packed.read(item))
    elif content.startswith(b"\x1f\x8b"):
        yield from _parts(gzip.decompress(content))


def keys_that_hold(url: str, words: Iterable[str]) -> list[str]:
    """Every key of Valkey, in any of its databases, with one of the words in its name or value, of any type."""
    wanted = [word.encode() for word in words]
    found = []
    for number in range(16):
        with redis.Redis.from_url(url, db=number) as store:
            found += [
                key.decode(errors="replace")
                for key in store.scan_iter("*")
                if holds(b"\n".join([key, *_values(store, key)]), wanted)
            ]
    return found


def _values(store: Any, key: bytes) -> Iterator[bytes]:
    match store.type(key):
        case b"string":
            yield store.get(key) or b""
        case b"list":
            yield from store.lrange(key, 0, -1)
        case b"set":
            yield from store.smembers(key)
        case b"zset":
            yield from store.zrange(key, 0, -1)
        case b"hash":
            for name, value in store.hgetall(key).items():
                yield from (name, value)
        case b"stream":
            for _entry, fields in store.xrange(key):
                for name, value in fields.items():
                    yield from (name, value)
        case b"none":
            return
        case other:
            raise AssertionError(f"a kind of value that nobody looks through: {other!r}")

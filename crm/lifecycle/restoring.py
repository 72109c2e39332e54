"""Puts the rows of one change set back, table by table, with a bounded number of statements for any number of rows."""

# Statements are made of names of our own tables and columns alone; values travel as parameters.
# ruff: noqa: S608

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.contacts.rules import COMPANY_FIELDS, CONTACT_FIELDS
from crm.db import Base
from crm.lifecycle.restorable import COMES_ALONG, TABLES, Restorable

#: Of a table's rows: what each column was at first and at last. `made` are those that the change set itself inserted.
_FOLDED: Final = """
with entries as (
  select row_id, seq, action, before, after from change
  where workspace_id = :workspace and change_set_id = :change_set and table_name = :table
), made as materialized (select distinct row_id from entries where action = 'insert'),
taken as materialized (select distinct row_id from entries where action = 'delete'),
ends as (
  select row_id, jsonb_object_agg(key, value) as after from (
    select distinct on (row_id, key) row_id, key, value from entries, jsonb_each(after)
    where action <> 'delete' order by row_id, key, seq desc
  ) as last group by row_id
), folded as materialized (
  select row_id, first.before, ends.after from (
    select row_id, jsonb_object_agg(key, value) as before from (
      select distinct on (row_id, key) row_id, key, value from entries, jsonb_each(before)
      where action = 'update' order by row_id, key, seq
    ) as earliest group by row_id
  ) as first join ends using (row_id)
  where row_id not in (select row_id from made)
)
"""

_BIRTHDAY: Final = (
    "case when t.birth_day is null or t.birth_month is null then ''"
    " when t.birth_year is null then '--' || lpad(t.birth_month::text, 2, '0') || '-'"
    " || lpad(t.birth_day::text, 2, '0')"
    " else lpad(t.birth_year::text, 4, '0') || '-' || lpad(t.birth_month::text, 2, '0') || '-'"
    " || lpad(t.birth_day::text, 2, '0') end"
)
_BIRTH_COLUMNS: Final = frozenset({"birth_day", "birth_month", "birth_year"})


@dataclass(slots=True)
class Tally:
    """How many values went back, rows went away, rows came back, and what of each stayed because of later work."""

    restored: int = 0
    removed: int = 0
    returned: int = 0
    kept: int = 0
    people_removed: int = 0
    people_kept: int = 0


class Restoring:
    """The undo of one change set, inside the caller's transaction, whose row the caller has locked."""

    def __init__(self, session: Session, *, workspace_id: UUID, change_set_id: UUID, now: datetime) -> None:
        self.session = session
        self.given: dict[str, Any] = {"workspace": workspace_id, "change_set": change_set_id, "now": now}
        self.tally = Tally()

    def run(self) -> Tally:
        """Lock the people, then take away what was added, put back what was changed, bring back what was taken."""
        self._lock()
        keys = self._keys()
        away = [name for name in reversed(TABLES) if (name, "insert") in keys and not TABLES[name].is_soft]
        for name in away:
            self._take_away(name, keys[name, "insert"])
        if ("handle", "insert") in keys:
            self._retire_handles(keys["handle", "insert"])
        changed = [name for name in TABLES if (name, "update") in keys]
        for name in changed:
            self._put_back(name, keys[name, "update"])
        for name in TABLES:
            if (name, "delete") in keys:
                self._bring_back(name)
        for name in ("contact", "company"):
            if name in changed:
                self._settle_facts(name, keys[name, "update"])
            if (name, "insert") in keys:
                self._remove_new(name)
        self._raise_versions()
        self.session.expire_all()
        return self.tally

    def _run(self, sql: str, **given: object) -> Any:
        return self.session.execute(text(sql), {**self.given, **given})

    def _lock(self) -> None:
        self._run(
            "select id from contact where workspace_id = :workspace and id in (select contact_id from change"
            " where workspace_id = :workspace and change_set_id = :change_set and contact_id is not null)"
            " order by id for no key update"
        )

    def _keys(self) -> dict[tuple[str, str], list[str]]:
        """{(table, action): its columns that were recorded and may be put back}."""
        found = self._run(
            "select table_name, action, key from (select distinct table_name, action,"
            " jsonb_object_keys(case when action = 'delete' then before else after end) as key from change"
            " where workspace_id = :workspace and change_set_id = :change_set"
            " union select distinct table_name, action, 'id' from change"
            " where workspace_id = :workspace and change_set_id = :change_set) as keys"
        )
        keys: dict[tuple[str, str], list[str]] = {}
        for table, action, key in found:
            if table in TABLES:
                columns = keys.setdefault((table, action), [])
                if key in TABLES[table].columns:
                    columns.append(key)
        return keys

    def _take_away(self, name: str, columns: list[str]) -> None:
        """Delete rows that the change set added, unless somebody changed them since."""
        same = _all_same(TABLES[name], columns)
        gone = self._run(
            f"{_FOLDED} delete from {name} t using made m left join ends f using (row_id)"
            f" where t.workspace_id = :workspace and t.id = m.row_id and ({same})",
            table=name,
        ).rowcount
        self.tally.removed += gone
        self._count_left(name)

    def _retire_handles(self, columns: list[str]) -> None:
        """Addresses that were added are free again; the history that came over them keeps the row."""
        same = _all_same(TABLES["handle"], [column for column in columns if column in {"contact_id", "address_norm"}])
        gone = self._run(
            f"{_FOLDED} update handle t set deleted_at = :now, is_primary = false from made m"
            f" left join ends f using (row_id)"
            f" where t.workspace_id = :workspace and t.id = m.row_id and t.deleted_at is null and ({same})",
            table="handle",
        ).rowcount
        self.tally.removed += gone

    def _count_left(self, name: str) -> None:
        left = self._run(
            f"{_FOLDED} select count(*) from made m join {name} t on t.id = m.row_id where t.workspace_id = :workspace",
            table=name,
        ).scalar_one()
        self.tally.kept += left

    def _put_back(self, name: str, columns: list[str]) -> None:
        entry = TABLES[name]
        if not columns:
            return
        kinds = entry.columns
        sets = [
            f"{column} = case when {_same(column, kinds)} then {_value('before', column, kinds)} else t.{column} end"
            for column in columns
        ]
        sets += [f"{column} = {value}" for column, value in _COUNTED.items() if column in entry.table.c]
        some = " or ".join(_same(column, kinds) for column in columns)
        guard = f" and not coalesce({entry.unless}, false)" if entry.unless else ""
        # Whose the rows are goes back first: what is unique for each person must not meet the other's.
        parts = ["f.after ? 'contact_id'", "not f.after ? 'contact_id'"] if "contact_id" in columns else ["true"]
        for part in parts:
            self._run(
                f"{_FOLDED} update {name} t set {', '.join(sets)} from folded f"
                f" where t.workspace_id = :workspace and t.id = f.row_id and {part} and ({some}){guard}",
                table=name,
            )
        counts = ", ".join(
            f"count(*) filter (where f.after ? '{column}'),"
            f" count(*) filter (where f.after ? '{column}' and (t.id is null or"
            f" t.{column} is distinct from {_value('before', column, kinds)}))"
            for column in columns
        )
        figures = self._run(
            f"{_FOLDED} select {counts} from folded f left join {name} t"
            " on t.id = f.row_id and t.workspace_id = :workspace where f.row_id not in (select row_id from taken)",
            table=name,
        ).one()
        kept = sum(figures[1::2])
        self.tally.kept += kept
        self.tally.restored += sum(figures[::2]) - kept

    def _bring_back(self, name: str) -> None:
        """Insert rows that the change set took away, where what they refer to is still there."""
        entry = TABLES[name]
        names = [column.name for column in entry.table.columns if column.computed is None]
        there = " and ".join([*_there(entry), *([f"not {entry.not_again}"] if entry.not_again else [])]) or "true"
        listed = ", ".join(names)
        # A row that was changed before it went comes back as it was at first.
        counts = self._run(
            f"{_FOLDED}, gone as (select e.row_id, e.before || coalesce(f.before, '{{}}'::jsonb) as before, e.seq"
            " from entries e left join folded f using (row_id)"
            " where e.action = 'delete' and e.row_id not in (select row_id from made)),"
            f" back as (insert into {name} ({listed}) select {', '.join(f'r.{column}' for column in names)}"
            f" from gone g, jsonb_populate_record(null::{name}, g.before) r"
            f" where r.workspace_id = :workspace and {there} order by g.seq on conflict do nothing returning 1)"
            " select (select count(*) from gone), (select count(*) from back)",
            table=name,
        ).one()
        self.tally.returned += counts[1]
        self.tally.kept += counts[0] - counts[1]

    def _settle_facts(self, name: str, columns: list[str]) -> None:
        """Let provenance say again where the values come from that are there now."""
        fields = CONTACT_FIELDS if name == "contact" else COMPANY_FIELDS
        touched = [(field, f"coalesce(t.{field}::text, '')", field) for field in fields if field in columns]
        touched += [("birthday", _BIRTHDAY, column) for column in columns if column in _BIRTH_COLUMNS][:1]
        if not touched:
            return
        lines = ", ".join(f"('{field}', f.after ? '{column}', {value})" for field, value, column in touched)
        owner = f"{name}_id"
        values = (
            f"{_FOLDED}, values_now as materialized (select t.id, t.version, v.field, v.value from folded f"
            f" join {name} t on t.id = f.row_id and t.workspace_id = :workspace,"
            f" lateral (values {lines}) as v(field, is_touched, value) where v.is_touched)"
        )
        self._run(
            f"{values} update fact set state = 'superseded' from values_now n where fact.workspace_id = :workspace"
            f" and fact.{owner} = n.id and fact.field = n.field and fact.state = 'current' and fact.value <> n.value",
            table=name,
        )
        self._run(
            f"{values}, earlier as (select distinct on (n.id, n.field) o.id, n.version from values_now n join fact o"
            f" on o.workspace_id = :workspace and o.{owner} = n.id and o.field = n.field and o.state = 'superseded'"
            f" and o.value = n.value where n.value <> '' and not exists (select 1 from fact c"
            f" where c.workspace_id = :workspace and c.{owner} = n.id and c.field = n.field and c.state = 'current')"
            " order by n.id, n.field, o.at desc, o.id desc)"
            " update fact set state = 'current', version = e.version from earlier e"
            " where fact.workspace_id = :workspace and fact.id = e.id",
            table=name,
        )

    def _remove_new(self, name: str) -> None:
        """Mark people or companies that the change set added as deleted, unless something later hangs on them."""
        held = " and ".join(f"not exists ({sql})" for sql in _holds(name))
        merged = " and t.merged_into_id is null" if name == "contact" else ""
        gone = self._run(
            f"{_FOLDED}, away as (update {name} t set deleted_at = :now, updated_at = :now, version = t.version + 1"
            " from made m where t.workspace_id = :workspace and t.id = m.row_id and t.deleted_at is null"
            f"{merged} and {held} returning t.id),"
            f" freed as (update handle set deleted_at = :now from away"
            f" where handle.workspace_id = :workspace and handle.{name}_id = away.id and handle.deleted_at is null)"
            " select (select count(*) from away), (select count(*) from made)",
            table=name,
        ).one()
        if name == "contact":
            self.tally.people_removed += gone[0]
            self.tally.people_kept += gone[1] - gone[0]

    def _raise_versions(self) -> None:
        """Who has an older version open is told that something changed, also where only tags or addresses did."""
        self._run(
            "update contact set version = version + 1, updated_at = :now where workspace_id = :workspace and id in ("
            " select contact_id from change where workspace_id = :workspace and change_set_id = :change_set"
            " and contact_id is not null"
            " except select row_id from change where workspace_id = :workspace and change_set_id = :change_set"
            " and table_name = 'contact')"
        )


_COUNTED: Final = {"version": "t.version + 1", "updated_at": ":now"}


def _value(side: str, column: str, kinds: dict[str, str]) -> str:
    arrow = "->" if kinds[column] == "JSONB" else "->>"
    return f"(f.{side}{arrow}'{column}')::{kinds[column]}"


def _same(column: str, kinds: dict[str, str]) -> str:
    """Whether the column was recorded and still holds what it held at the end."""
    return f"(f.after ? '{column}' and t.{column} is not distinct from {_value('after', column, kinds)})"


def _all_same(entry: Restorable, columns: Iterable[str]) -> str:
    kinds = entry.columns
    same = [f"(f.after ? '{column}') is not true or {_same(column, kinds)}" for column in columns]
    return " and ".join(f"({condition})" for condition in same) or "true"


def _there(entry: Restorable) -> Iterable[str]:
    """For each reference of a row `r` that comes back: what it points at is there, or it points at nothing."""
    for constraint in entry.table.foreign_key_constraints:
        target = constraint.referred_table.name
        column = constraint.column_keys[-1]
        if column != "workspace_id":
            yield f"(r.{column} is null or exists (select 1 from {target} o where o.id = r.{column}))"


def _holds(name: str) -> Iterable[str]:
    """For a person or company `t`: the rows that are a reason to keep it."""
    mine = "x.workspace_id = :workspace and x"
    for table in Base.metadata.sorted_tables:
        for constraint in table.foreign_key_constraints:
            column = constraint.column_keys[-1]
            if constraint.referred_table.name != name or table.name in COMES_ALONG:
                continue
            # Whoever was merged into somebody is deleted, and still a reason to keep them.
            living = " and x.deleted_at is null" if "deleted_at" in table.c and column != "merged_into_id" else ""
            if table.name == "interaction":
                living = " and not x.is_automatic and x.removed_at is null"
            yield f"select 1 from {table.name} x where {mine}.{column} = t.id{living}"
    # What a person typed about them, or another file brought that was not itself undone, is later work as well.
    yield (
        f"select 1 from fact x where {mine}.{name}_id = t.id and x.origin in ('typed', 'imported', 'received')"
        " and x.at >= (select s.created_at from change_set s where s.id = :change_set)"
        " and x.source_id is distinct from (select s.source_id from change_set s where s.id = :change_set)"
        " and not exists (select 1 from change_set u where u.workspace_id = :workspace and u.source_id = x.source_id"
        " and u.state = 'undone')"
    )

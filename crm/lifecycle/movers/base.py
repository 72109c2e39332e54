"""Owns how rows go from one person to another: what a mover is, and statements that write down what they change."""

# Statements are made of names of our own tables and columns alone; values travel as parameters.
# ruff: noqa: S608

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.lifecycle.kinds import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two people of whom `other_id` goes up in `kept_id`; `change_set_id` is None as long as it is only looked at.

    `taken` are the fields whose value the kept person takes over from the other one.
    """

    session: Session
    actor: Actor
    kept_id: UUID
    other_id: UUID
    now: datetime
    taken: frozenset[str] = frozenset()
    change_set_id: UUID | None = None

    def run(self, sql: str, **given: object) -> Any:
        """Execute `sql` with `:workspace`, `:kept`, `:other`, `:change_set` and `:now` filled in."""
        return self.session.execute(
            text(sql),
            {
                "workspace": self.actor.workspace_id,
                "kept": self.kept_id,
                "other": self.other_id,
                "change_set": self.change_set_id,
                "now": self.now,
                **given,
            },
        )

    def change(self, table: str, values: Mapping[str, str], where: str, **given: object) -> int:
        """Set columns of the rows `x` of `table` to SQL values, and write down what they were; how many changed.

        In one statement, for any number of rows.
        """
        before = ", ".join(f"'{column}', x.{column}" for column in values)
        after = ", ".join(f"'{column}', n.{column}" for column in values)
        sets = ", ".join(f"{column} = {value}" for column, value in values.items())
        return self.run(
            f"with old as (select x.id, jsonb_build_object({before}) as before from {table} x"
            f" where x.workspace_id = :workspace and {where} for no key update),"
            f" new as (update {table} n set {sets} from old where n.workspace_id = :workspace and n.id = old.id"
            f" returning n.id, old.before, jsonb_build_object({after}) as after)"
            " insert into change (id, workspace_id, change_set_id, contact_id, table_name, row_id, action, before,"
            " after) select gen_random_uuid(), :workspace, :change_set, :other, :table, id, 'update', before, after"
            " from new",
            table=table,
            **given,
        ).rowcount

    def drop(self, table: str, where: str, **given: object) -> int:
        """Delete the rows `x` of `table`, and write them down whole; how many went."""
        return self.run(
            f"with gone as (delete from {table} x where x.workspace_id = :workspace and {where} returning x.*)"
            " insert into change (id, workspace_id, change_set_id, contact_id, table_name, row_id, action, before)"
            " select gen_random_uuid(), :workspace, :change_set, :other, :table, id, 'delete', to_jsonb(gone)"
            " from gone",
            table=table,
            **given,
        ).rowcount

    def repoint(self, table: str, column: str = "contact_id") -> int:
        """Let the other person's rows be the kept one's."""
        return self.change(table, {column: "cast(:kept as uuid)"}, f"x.{column} = :other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """What happens to the rows of one table that refer to a person.

    Plain ones go over. `same_by` names the columns that are unique together with the person: of two such rows the kept
    person's stays, or the other's where `other_wins` holds (SQL on `o`, the other's, and `k`, the kept one's).
    `counts` are the effects that a preview tells, each with a condition on the other person's rows `x` ("" for all).
    A mover that counts nothing can't be made, unless it says in `untold` why nobody has to know.
    """

    table: str
    columns: Sequence[str] = ("contact_id",)
    same_by: Sequence[str] = ()
    other_wins: str = ""
    counts: Mapping[Effect, str] = field(default_factory=dict[Effect, str])
    untold: str = ""

    def __post_init__(self) -> None:
        """Refuse a mover that the preview would not know of."""
        if not self.is_told and not self.untold:
            raise TypeError(f"the mover of {self.table} needs counts or figures for the preview, or says why not")

    @property
    def is_told(self) -> bool:
        """Whether the preview of a merge counts what this mover does."""
        return bool(self.counts) or type(self).figures is not Mover.figures

    @property
    def references(self) -> list[tuple[str, str]]:
        """The (table, column) pairs that this mover answers for."""
        return [(self.table, column) for column in self.columns]

    def figures(self, pair: Pair) -> dict[Effect, int]:  # noqa: ARG002 - for others to use.
        """Effects that take more than counting the other person's rows."""
        return {}

    def move(self, pair: Pair) -> None:
        """Bring the rows over; `pair` has a change set."""
        for column in self.columns:
            if self.same_by:
                same = " and ".join(f"o.{key} is not distinct from k.{key}" for key in self.same_by)
                both = (
                    f"from {self.table} o join {self.table} k on k.workspace_id = o.workspace_id and {same}"
                    f" where o.workspace_id = :workspace and o.{column} = :other and k.{column} = :kept"
                )
                if self.other_wins:
                    pair.drop(self.table, f"x.id in (select k.id {both} and {self.other_wins})")
                pair.drop(self.table, f"x.id in (select o.id {both})")
            pair.repoint(self.table, column)

    def back(self, pair: Pair) -> None:
        """What an undo does beside putting recorded rows back; called after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays(Mover):
    """Rows that keep naming the person who went, and `why` that is right."""

    why: str
    untold: str = "nothing goes over"

    def move(self, pair: Pair) -> None:
        """Nothing."""


def counted(pair: Pair, movers: Sequence[Mover]) -> dict[Effect, int]:
    """The effects of all `movers`, those that are plain counts with one statement; zeros are left out."""
    parts: list[tuple[Effect, str]] = []
    for mover in movers:
        mine = " or ".join(f"x.{column} = :other" for column in mover.columns)
        parts += [
            (effect, f"(select count(*) from {mover.table} x where x.workspace_id = :workspace and ({mine}){also})")
            for effect, condition in mover.counts.items()
            for also in (f" and ({condition})" if condition else "",)
        ]
    found: dict[Effect, int] = dict.fromkeys(Effect, 0)
    if parts:
        row = pair.run("select " + ", ".join(sql for _effect, sql in parts)).one()
        for (effect, _sql), number in zip(parts, row, strict=True):
            found[effect] += number
    for mover in movers:
        for effect, number in mover.figures(pair).items():
            found[effect] += number
    return {effect: number for effect, number in found.items() if number}

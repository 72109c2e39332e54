"""What a table may hold about a person, as data: the words in which each domain's file of this folder speaks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

#: The table at which every chain of `Table.of` ends: the people themselves.
PERSON: Final = "contact"


class Do(StrEnum):
    """What an erasure does with the rows of the person."""

    DELETE = "delete"
    """The rows go."""
    CLEAR = "clear"
    """The rows stay for the totals; the columns of `Table.clear` lose their values."""
    KEEP = "keep"
    """The rows stay as they are: they hold ids, numbers, dates and codes alone."""


@dataclass(frozen=True, slots=True)
class OwnId:
    """Clears a unique text: the row's own id takes its place."""


@dataclass(frozen=True, slots=True)
class UnlessCode:
    """Clears a text that somebody wrote; a code that the product put there stays for the reports."""

    is_code: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How one table is reached from a person, what erasing does with it, and why the rest may stay.

    Each column of text, JSON or bytes must be in `clear`, `mentions` or `plain` (a column whose CHECK lists its values
    is none), unless the rows go. `tests/architecture/test_erasure.py` holds that.
    """

    name: str
    #: Columns that lead to the person: {column: tables whose rows' ids it holds, or `table.column` for another column
    #: of theirs}; one that meets makes the row theirs.
    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    do: Do = Do.KEEP
    #: {column: the value that takes the place}
    clear: Mapping[str, Any] = field(default_factory=dict)
    #: Columns in which rows of others may name the person: name and addresses are painted over.
    mentions: tuple[str, ...] = ()
    #: A row that names the person goes whole: it is a help of the day and nothing is counted by it.
    is_passing: bool = False
    #: {columns, separated by spaces: why they hold nothing personal of a contact}
    plain: Mapping[str, str] = field(default_factory=dict)
    #: Columns that an access export leaves out: secrets, and what only repeats another column.
    hidden: tuple[str, ...] = ()
    #: The rows are no part of an access export: they tell about colleagues or machines.
    is_internal: bool = False

    @property
    def spoken_for(self) -> frozenset[str]:
        """The columns about which this entry says something."""
        reasons = {name for names in self.plain for name in names.split()}
        return frozenset({*self.clear, *self.mentions, *reasons})

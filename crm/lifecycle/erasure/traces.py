"""By what an erased person is found in texts of others and in files: name and addresses, kept until that is done."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from crm.channels.base import ChannelKind

#: What stands where a name or an address was.
MARK: Final = "[…]"
#: A name or user name shorter than this is a word like any other.
_SHORTEST: Final = 5
_PHONES: Final = frozenset({ChannelKind.PHONE.value, ChannelKind.WHATSAPP.value})


class _Named(Protocol):
    id: Any
    first_name: Any
    last_name: Any
    display_name: Any


@dataclass(frozen=True, slots=True)
class Traces:
    """The words to look for, the ids of the empty rows, and the e-mail addresses of letters in the sandbox."""

    words: tuple[str, ...]
    ids: tuple[UUID, ...]
    mailboxes: tuple[str, ...]
    #: First and last name, as they stand apart in the cells of a table.
    halves: tuple[tuple[str, str], ...] = ()
    #: Stored files that lay with something of theirs.
    files: tuple[UUID, ...] = ()

    @classmethod
    def of(
        cls,
        people: Sequence[_Named],
        addresses: Iterable[tuple[str, str, str]],
        *,
        files: Iterable[UUID],
        is_namesake: bool,
    ) -> "Traces":
        """The traces of one person (and those merged into them) with (channel, address, normalised address).

        Where somebody else has the same name, the addresses alone.
        """
        words: set[str] = set()
        mailboxes: set[str] = set()
        for channel, address, norm in addresses:
            if channel == ChannelKind.EMAIL:
                mailboxes.add(norm.lower())
                words |= {address, norm}
            elif channel in _PHONES:
                digits = re.sub(r"\D", "", norm)
                words |= {address, norm, digits} if len(digits) > _SHORTEST else set()
            elif len(norm) > _SHORTEST:
                words |= {address, norm}
        halves: set[tuple[str, str]] = set()
        for person in people if not is_namesake else ():
            both = person.first_name and person.last_name
            names = {person.display_name, f"{person.last_name} {person.first_name}" if both else ""}
            words |= {name for name in names if " " in name and len(name) >= _SHORTEST}
            halves |= {(person.first_name, person.last_name)} if both else set()
        found = sorted({word.strip() for word in words if word and word.strip()}, key=lambda word: (-len(word), word))
        ids = tuple(person.id for person in people)
        return cls(tuple(found), ids, tuple(sorted(mailboxes)), tuple(sorted(halves)), tuple(files))

    def as_json(self) -> dict[str, Any]:
        """How an erasure keeps them."""
        return {
            "words": list(self.words),
            "ids": [str(one) for one in self.ids],
            "mailboxes": list(self.mailboxes),
            "halves": [list(pair) for pair in self.halves],
            "files": [str(one) for one in self.files],
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Traces":
        """What `as_json` wrote."""
        halves = tuple((first, last) for first, last in kept["halves"])
        ids, files = (tuple(UUID(one) for one in kept[name]) for name in ("ids", "files"))
        return cls(tuple(kept["words"]), ids, tuple(kept["mailboxes"]), halves, files)

    def pattern(self, *, is_json: bool = False, with_ids: bool = False) -> str:
        """A regular expression of PostgreSQL that finds any of the words whole; empty when there is none."""
        words = [*self.words, *(str(one) for one in self.ids)] if with_ids else list(self.words)
        return whole(words, is_json=is_json)

    def apart(self) -> list[tuple[str, str]]:
        """Pairs of expressions of PostgreSQL on JSON that both find something where the name stands in two cells."""
        return [(whole([first], is_json=True), whole([last], is_json=True)) for first, last in self.halves]

    def needles(self) -> tuple[tuple[bytes, ...], ...]:
        """What a file holds that names the person: any of these groups, whole; in lower case and each encoding."""
        groups = [*((word,) for word in self.words), *self.halves]
        return tuple(dict.fromkeys(group for words in groups for group in _encoded(words)))


def whole(words: Sequence[str], *, is_json: bool) -> str:
    """A regular expression of PostgreSQL for any of the words, not within a longer one; empty for none."""
    written = [json.dumps(word, ensure_ascii=False)[1:-1] if is_json else word for word in words]
    return rf"(?<![[:alnum:]])(?:{'|'.join(map(re.escape, written))})(?![[:alnum:]])" if written else ""


def _encoded(words: Sequence[str]) -> Iterator[tuple[bytes, ...]]:
    for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be"):
        try:
            yield tuple(word.lower().encode(encoding) for word in words)
        except UnicodeEncodeError:
            continue

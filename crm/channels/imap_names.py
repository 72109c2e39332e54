"""Which of a mailbox's folders holds the sent mail: by its mark (RFC 6154), else by the names that programs give it."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: Last parts of names, folded; the order is the preference where several are there.
SENT_NAMES: Final = (
    "sent",
    "sent items",
    "sent messages",
    "sent mail",
    "sent-mail",
    "posta inviata",
    "inviata",
    "inviati",
    "inviate",
    "posta inviati",
    "elementi inviati",
    "messaggi inviati",
    "mail inviate",
    "email inviate",
    "gesendet",
    "gesendete elemente",
    "gesendete objekte",
    "envoyés",
    "éléments envoyés",
    "messages envoyés",
    "enviados",
    "elementos enviados",
)
_LISTED = re.compile(rb'\((?P<marks>[^)]*)\) (?:"(?P<mark>\\?.)"|NIL) (?P<name>.*)', re.DOTALL)
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder: its name for people, as the server spells it, and what the server says of it."""

    name: str
    wire_name: str
    is_sent: bool
    separator: str

    @property
    def last_part(self) -> str:
        """What people see of it in a tree of folders."""
        return (self.name.rsplit(self.separator, 1)[-1] if self.separator else self.name).strip().casefold()


def read_folder(row: object) -> Folder | None:
    """One line of a LIST answer as `imaplib` gives it (a name may come as a literal); None for what can't be opened."""
    head, literal = (row[0], row[1]) if isinstance(row, tuple) else (row, None)
    found = _LISTED.match(head) if isinstance(head, bytes) else None
    if found is None:
        return None
    marks = {mark.lower() for mark in found["marks"].split()}
    if marks & {rb"\noselect", rb"\nonexistent"}:
        return None
    raw = literal if isinstance(literal, bytes) else _unquoted(found["name"])
    wire_name = raw.decode("utf-8", "replace")
    if not wire_name or re.search(r"[\x00-\x1f\x7f]", wire_name):
        return None
    separator = (found["mark"] or b"").replace(b"\\", b"", 1) or found["mark"] or b""
    return Folder(decoded(wire_name), wire_name, rb"\sent" in marks, separator.decode("ascii", "replace"))


def sent_folder(folders: Iterable[Folder]) -> Folder | None:
    """The folder of sent mail, or None."""
    known = list(folders)
    marked = next((folder for folder in known if folder.is_sent), None)
    if marked is not None:
        return marked
    named = [folder for folder in known if folder.last_part in SENT_NAMES]
    return min(named, key=lambda folder: (SENT_NAMES.index(folder.last_part), len(folder.name)), default=None)


def decoded(wire_name: str) -> str:
    """A folder's name for people: modified UTF-7 read (RFC 3501, 5.1.3); what isn't any stays as it is."""
    return _SHIFTED.sub(_unshifted, wire_name)


def _unshifted(found: re.Match[str]) -> str:
    if not found[1]:
        return "&"
    text = found[1].replace(",", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-16-be")
    except (ValueError, binascii.Error):
        return found[0]


def _unquoted(name: bytes) -> bytes:
    name = name.strip()
    if name[:1] == b'"' and name[-1:] == b'"':
        return re.sub(rb"\\(.)", rb"\1", name[1:-1])
    return name

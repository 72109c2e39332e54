"""How the bytes of a vCard file (2.1, 3.0, 4.0) become properties, one card at a time and in bounded memory.

Sources: vCard 2.1 (versit, 1996), RFC 2426 for 3.0, RFC 6350 for 4.0, and what address books really write:
quoted-printable lines that go on without an indent (Android, Outlook), pictures of many megabytes on one line (Apple),
UTF-16 (old Macs).
"""

import io
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from crm.errors import worded
from crm.lifecycle.rules.reading import UnreadableFileError
from crm.numbers import whole

#: Kept of one property; more than any value of a person may have, so that a longer one is refused and not cut.
MAX_VALUE: Final = 64 * 1024
#: Cards of one file; it is read twice while somebody waits, and so many real ones would not fit into an upload.
MAX_CARDS: Final = 100_000
#: Properties kept of one card; address books write some dozens.
MAX_PROPERTIES: Final = 1000
#: Their bytes are passed over unread: pictures and keys, a card within a card, and the members of a group.
PASSED_OVER: Final = frozenset(
    {"PHOTO", "LOGO", "SOUND", "KEY", "X-ABADR-IMAGE", "AGENT", "MEMBER", "X-ADDRESSBOOKSERVER-MEMBER"}
)
_BEGIN: Final = re.compile(r"(?:[\w-]+\.)?begin\s*:\s*vcard\s*", re.IGNORECASE)
_END: Final = re.compile(r"(?:[\w-]+\.)?end\s*:\s*vcard\s*", re.IGNORECASE)
#: A line that begins a property; lines of a picture that are not indented don't look like this.
_PROPERTY: Final = re.compile(r"(?:([\w-]+)\.)?([A-Za-z][\w-]*)((?:;(?:[^:;\"]|\"[^\"]*\")*)*):")
_ENCODINGS: Final = {"QUOTED-PRINTABLE", "BASE64", "8BIT", "7BIT", "B", "Q"}


@dataclass(frozen=True, slots=True)
class Property:
    """One line of a card: its name in capitals, its group (`item1`), its parameters and its raw value."""

    name: str
    group: str
    params: dict[str, list[str]]
    raw: str
    is_old: bool
    """In 2.1 only `\\;` stands for something else than itself."""

    @property
    def types(self) -> frozenset[str]:
        """The words of TYPE in capitals."""
        return frozenset(kind.upper() for kind in self.params.get("TYPE", ()))

    @property
    def preference(self) -> int:
        """1 is the most preferred; what says nothing comes last (RFC 6350, section 5.3)."""
        given = whole("".join(self.params.get("PREF", ())[:1]))
        if given is not None:
            return given
        return 1 if "PREF" in self.types else 101

    @property
    def text(self) -> str:
        """The value as one text."""
        return _unescaped(self.raw, is_old=self.is_old)

    def parts(self, separator: str = ";") -> list[str]:
        """The components of a structured value (name, address, organisation), or of a list."""
        return [_unescaped(part, is_old=self.is_old).strip() for part in _cut(self.raw, separator)]


@dataclass
class Card:
    """The properties of one card in the order of the file."""

    version: str = ""
    properties: list[Property] = field(default_factory=list)
    _named: dict[str, list[Property]] = field(default_factory=dict)
    _labels: dict[str, str] = field(default_factory=dict)

    def add(self, entry: Property) -> None:
        """Keep the next property of the card; raises `UnreadableFileError` beyond all reason."""
        if len(self.properties) >= MAX_PROPERTIES:
            raise UnreadableFileError(worded("One card has more than 1000 lines. Export it anew."), code="broken_vcard")
        self.properties.append(entry)
        if entry.name == "VERSION":
            self.version = entry.raw.strip()
        if entry.raw.strip():
            self._named.setdefault(entry.name, []).append(entry)
        if entry.name == "X-ABLABEL":
            self._labels.setdefault(entry.group, entry.text.strip().removeprefix("_$!<").removesuffix(">!$_").lower())

    def all(self, name: str) -> list[Property]:
        """Those of that name that say something, preferred ones first."""
        found = self._named.get(name, [])
        return sorted(found, key=lambda entry: entry.preference) if len(found) > 1 else found

    def first(self, name: str) -> Property | None:
        """The preferred one of that name, or the first."""
        return next(iter(self.all(name)), None)

    def label(self, entry: Property) -> str:
        """What Apple and Google call a grouped property (`item1.X-ABLabel`), in small letters and undecorated."""
        return self._labels.get(entry.group, "") if entry.group else ""


def is_vcard(sample: bytes) -> bool:
    """Whether a file begins like a vCard."""
    text = sample.decode("utf-16", "replace") if sample[:2] in {b"\xff\xfe", b"\xfe\xff"} else sample.decode("latin-1")
    return text.removeprefix("\ufeff").removeprefix("ï»¿").lstrip().lower().startswith("begin:vcard")


def cards(file: BinaryIO) -> Iterator[Card]:
    """The cards of `file`, one after the other; a card inside another one (AGENT of 2.1) is passed over."""
    card, depth = Card(), 0
    found = 0
    for line, is_utf_16 in _logical_lines(file):
        if _BEGIN.fullmatch(line):
            depth += 1
            if depth == 1:
                card = Card()
        elif _END.fullmatch(line):
            depth = max(depth - 1, 0)
            if depth == 0:
                found += 1
                if found > MAX_CARDS:
                    raise UnreadableFileError(
                        worded("There are more than 100,000 cards in this file. Send them in smaller parts."),
                        code="too_many_cards",
                    )
                yield card
        elif depth == 1 and (entry := _property(line, card, is_utf_16=is_utf_16)) is not None:
            card.add(entry)
    if depth:
        raise UnreadableFileError(worded("The file ends in the middle of a card. Export it anew."), code="broken_vcard")
    if not found:
        raise UnreadableFileError(worded("There is no card in this file."), code="no_rows")


def _logical_lines(file: BinaryIO) -> Iterator[tuple[str, bool]]:
    """Unfolded lines whose characters stand for bytes (or are text already, in UTF-16), and which of the two.

    A line that goes on after a soft break is joined with its `=` and a line end, as quoted-printable wants it.
    """
    gathered, is_soft, is_passed_over = "", False, False
    for line, is_utf_16 in _physical_lines(file):
        goes_on = line[:1] in {" ", "\t"} and bool(gathered)
        soft = is_soft and gathered.endswith("=")
        # A line of base64 without an indent, as some phones write them, belongs to the picture before it.
        bare = is_passed_over and bool(line) and _PROPERTY.match(line) is None
        if goes_on or soft or bare:
            if not is_passed_over and len(gathered) < MAX_VALUE:
                gathered += f"\n{line.lstrip()}" if soft else line[1:]
            continue
        if gathered:
            yield gathered, is_utf_16
        gathered = line
        head = line.partition(":")[0].upper()
        is_soft = "QUOTED-PRINTABLE" in head
        is_passed_over = head.partition(";")[0].rpartition(".")[2] in PASSED_OVER
    if gathered:
        yield gathered, False


def _physical_lines(file: BinaryIO) -> Iterator[tuple[str, bool]]:
    """Lines without their ends; the rest of one that is too long to hold is left out."""
    file.seek(0)
    mark = file.read(2)
    is_utf_16 = mark in {b"\xff\xfe", b"\xfe\xff"}
    file.seek(0)
    reader = io.TextIOWrapper(file, "utf-16" if is_utf_16 else "latin-1", errors="replace", newline=None)
    try:
        is_first, is_rest = True, False
        while piece := reader.readline(MAX_VALUE):
            if not is_rest:
                line = piece.rstrip("\n")
                yield (line.removeprefix("ï»¿").removeprefix("\ufeff") if is_first else line), is_utf_16
                is_first = False
            is_rest = not piece.endswith("\n")
    finally:
        reader.detach()


def _property(line: str, card: Card, *, is_utf_16: bool) -> Property | None:
    found = _PROPERTY.match(line)
    if found is None:
        return None
    name = found[2].upper()
    if name in PASSED_OVER:
        return None
    params = _params(found[3])
    value = line[found.end() :]
    encoding = "".join(params.get("ENCODING", ())).upper()
    if is_utf_16 and encoding not in {"QUOTED-PRINTABLE", "Q"}:
        text = value
    else:
        data = value.encode("latin-1", "replace")
        if encoding in {"QUOTED-PRINTABLE", "Q"}:
            data = quopri.decodestring(data)
        text = _decoded(data, "".join(params.get("CHARSET", ())[:1]))
    is_old = card.version == "2.1"
    return Property(name, found[1] or "", params, text.replace("\0", ""), is_old)


def _params(text: str) -> dict[str, list[str]]:
    params: dict[str, list[str]] = {}
    for part in re.findall(r";((?:[^;\"]|\"[^\"]*\")*)", text):
        key, given, value = part.partition("=")
        key = key.strip().upper()
        if not given:
            # 2.1 writes the value alone.
            key, value = ("ENCODING" if key in _ENCODINGS else "TYPE"), key
        if key:
            params.setdefault(key, []).extend(entry.strip().strip('"') for entry in value.split(","))
    return params


def _decoded(data: bytes, charset: str) -> str:
    """Text in the charset that the line names, else UTF-8 if it is, else what old programs of the West wrote."""
    for name in (charset, "utf-8", "cp1252"):
        try:
            if name:
                return data.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return data.decode("latin-1")


def _cut(raw: str, separator: str) -> list[str]:
    """`raw` cut at the separators that no backslash stands before; what is escaped stays escaped."""
    parts, begin = [], 0
    for found in re.finditer(rf"\\.|{re.escape(separator)}", raw, re.DOTALL):
        if found[0] == separator:
            parts.append(raw[begin : found.start()])
            begin = found.end()
    return [*parts, raw[begin:]]


def _unescaped(text: str, *, is_old: bool) -> str:
    def plain(found: re.Match[str]) -> str:
        letter = found[1]
        if letter in "nN":
            return found[0] if is_old else "\n"
        return letter

    return re.sub(r"\\([nN\\,;:])", plain, text)

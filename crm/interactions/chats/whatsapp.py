"""Reads the text that WhatsApp exports from a chat, as Android and iOS write it in their many local forms."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from crm.interactions.chats.item import MAX_FILES, MAX_TEXT, Item, key_of

#: "23/11/2026, 10:15 - Ann: ..." (Android) and "[23/11/26, 10:15:32] Ann: ..." (iOS); also with AM and PM, dots or the
#: year first.
_HEAD: Final = re.compile(
    r"\[?(?P<a>\d{1,4})[/.\-](?P<b>\d{1,2})[/.\-](?P<c>\d{2,4}),?\s(?:(?:alle|at|ore)\s)?"
    r"(?P<h>\d{1,2})[:.](?P<m>\d{2})(?:[:.](?P<s>\d{2}))?\s?(?P<half>[AaPp]\.?\s?[Mm]\.?)?(?:\]|\s-)\s(?P<rest>.*)",
    re.DOTALL,
)
_WHO: Final = re.compile(r"(?P<who>[^:\n]{1,100}?):(?:\s|$)(?P<text>.*)", re.DOTALL)
#: Marks of direction that say nothing; iOS puts one before what the program itself wrote.
_MARKS: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_OWN: Final = re.compile("^\u200e?\\[[^\\]]+\\]\\s[^:]{1,100}:\\s\u200e")
_BEFORE: Final = frozenset("\u200e\u200f\ufeff\u202a\u202f ")
#: How a message names the file sent with it: iOS in angle brackets, Android on a line of its own.
_NAMED: Final = re.compile(
    r"<(?:attached|allegato|adjunto|pièce jointe|anhang|anexado)\s?:\s(?P<ios>[^<>\n/\\]{1,200})>"
    r"|^(?P<android>[^\n/\\<>]{1,200}\.\w{1,8}) "
    r"\((?:file attached|file allegato|archivo adjunto|fichier joint|datei angehängt|arquivo anexado)\)$",
    re.IGNORECASE | re.MULTILINE,
)
#: The same where the chat was exported without its files.
_OMITTED: Final = re.compile(
    r"<(?:media omitted|media omessi|multimedia omitido|médias omis|medien ausgeschlossen)>"
    r"|(?:(?<=\s)|^)(?:image|video|video note|audio|gif|sticker|document|contact card"
    r"|immagine|videomessaggio|documento|scheda contatto)"
    r" (?:omitted|omess[aoi]|esclus[aoi]|non inclus[aoie])$",
    re.IGNORECASE | re.MULTILINE,
)
_EDITED: Final = re.compile(
    r"\s*<(?:this message was edited|questo messaggio è stato modificato|se editó este mensaje\.?"
    r"|ce message a été modifié|diese nachricht wurde bearbeitet\.?)>$",
    re.IGNORECASE,
)
_FILE: Final = "<file>"
_GONE: Final = re.compile(
    r"(?:this message was deleted(?: by .{1,100})?|you deleted this message(?: as admin)?"
    r"|questo messaggio è stato eliminato(?: da(?:ll[’'])?.{1,100})?|hai eliminato questo messaggio(?: come .{1,40})?"
    r"|se eliminó este mensaje|ce message a été supprimé|diese nachricht wurde gelöscht|null"
    r"|waiting for this message\..*|in attesa del messaggio\..*)\.?",
    re.IGNORECASE,
)
#: What the program of Android says about a group, with a colon in the group's name; nobody is called so.
_NEWS: Final = re.compile(
    r"\b(?:created (?:this )?group|changed (?:the|this) (?:subject|group)|changed to|ha creato il gruppo"
    r"|hai creato il gruppo|ha(?:i)? (?:cambiato|modificato) (?:l[’']oggetto|il nome|la descrizione|l[’']immagine))\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Order:
    """Whether the day or the month comes first, as far as the dates themselves say."""

    day_first: int = 0
    month_first: int = 0
    half_days: int = 0
    #: How often time would run backwards if the day came first, or the month.
    backwards: list[int] = field(default_factory=lambda: [0, 0])
    #: How often the first number moved on alone, and the second.
    moved: list[int] = field(default_factory=lambda: [0, 0])
    _last: list[tuple[int, int, int]] = field(default_factory=list)

    def see(self, head: re.Match[str]) -> None:
        """Count what one date tells."""
        first, second, year = int(head["a"]), int(head["b"]), int(head["c"])
        if first > 12:  # noqa: PLR2004 - no month has this number.
            self.day_first += 1
        elif second > 12:  # noqa: PLR2004
            self.month_first += 1
        self.half_days += head["half"] is not None
        both = [(year, second, first), (year, first, second)]
        for number, (before, now) in enumerate(zip(self._last, both, strict=False)):
            self.backwards[number] += now < before
            self.moved[number] += now[:2] == before[:2] and now != before
        self._last = both

    def guess(self) -> bool:
        """True for the day first.

        Dates that fit both ways are read so that a chat goes forward and days move on more often than months, and
        else as American ones where hours have AM and PM.
        """
        if self.day_first or self.month_first:
            return self.day_first >= self.month_first
        if self.backwards[0] != self.backwards[1]:
            return self.backwards[0] < self.backwards[1]
        if self.moved[0] != self.moved[1]:
            return self.moved[0] > self.moved[1]
        return not self.half_days


def clean(line: str) -> str:
    """The line without marks of direction and with plain spaces."""
    return _MARKS.sub("", line).replace("\u202f", " ").replace("\u00a0", " ")


def head_of(line: str) -> re.Match[str] | None:
    """The date with which a message begins; None for a line that goes on with the one before."""
    # Nearly every line of a chat begins one; those that go on with words are not worth the look.
    first = line[:1]
    if not (first.isdigit() or first == "[" or first in _BEFORE):
        return None
    return _HEAD.match((line if line.isascii() else clean(line)).rstrip("\r\n"))


def looks_right(lines: Iterable[str]) -> bool:
    """Whether one of the first lines begins as a message does."""
    return any(head_of(line) for line in lines)


def items(lines: Iterable[str], *, zone: ZoneInfo, day_first: bool) -> Iterator[Item]:
    """The messages in order; the program's own lines, deleted messages and impossible dates are left out.

    Two equal lines of the same minute are two messages, each time the chat is exported. A file is the same message
    whether the chat was exported with its files or without, and so is one that was marked as edited.
    """
    seen: Counter[tuple[str, str]] = Counter()
    last: datetime | None = None
    for head, text, is_own in _messages(lines):
        at = _moment(head, zone=zone, day_first=day_first)
        found = _WHO.fullmatch(text)
        if at is None or found is None or _NEWS.search(found["who"]):
            continue
        who, said = found["who"].strip(), _EDITED.sub("", found["text"].strip())
        plain = _without_media(said)
        if (is_own and plain == said) or _GONE.fullmatch(said) or not said:
            continue
        if at != last:
            seen.clear()
            last = at
        seen[who, plain] += 1
        key = key_of("whatsapp", at.replace(tzinfo=None).isoformat(), who, plain, seen[who, plain])
        yield Item(key=key, who=who, at=at, text=said[:MAX_TEXT], files=tuple(_files(said)))


def _without_media(said: str) -> str:
    """The words with the same mark for a file, however the export names it."""
    return _OMITTED.sub(_FILE, _NAMED.sub(_FILE, said, count=MAX_FILES), count=MAX_FILES)


def _files(said: str) -> Iterator[str]:
    for found in islice(_NAMED.finditer(said), MAX_FILES):
        yield (found["ios"] or found["android"]).strip()


def _messages(lines: Iterable[str]) -> Iterator[tuple[re.Match[str], str, bool]]:
    """(date, "who: words" over all its lines, whether the program wrote the words)."""
    head: re.Match[str] | None = None
    parts: list[str] = []
    size, is_own = 0, False
    for line in lines:
        begins = head_of(line)
        if begins is not None:
            if head is not None:
                yield head, "\n".join(parts), is_own
            head, parts = begins, [begins["rest"][:MAX_TEXT]]
            size = len(parts[0])
            is_own = _OWN.search(line) is not None
        elif head is not None and size < MAX_TEXT:
            parts.append(clean(line).rstrip("\r\n")[:MAX_TEXT])
            size += len(parts[-1])
    if head is not None:
        yield head, "\n".join(parts), is_own


def _moment(head: re.Match[str], *, zone: ZoneInfo, day_first: bool) -> datetime | None:
    first, second, third = int(head["a"]), int(head["b"]), int(head["c"])
    if len(head["a"]) == 4:  # noqa: PLR2004 - the year comes first.
        year, month, day = first, second, third
    else:
        day, month = (first, second) if day_first else (second, first)
        year = third if third > 99 else 2000 + third  # noqa: PLR2004 - WhatsApp is younger than 2000.
    hour = int(head["h"])
    if head["half"]:
        hour = hour % 12 + (12 if head["half"][0] in "Pp" else 0)
    try:
        return datetime(year, month, day, hour, int(head["m"]), int(head["s"] or 0), tzinfo=zone)
    except ValueError:
        return None

"""Reads what somebody copied out of a chat: lines with date and author where the program writes them, else one text."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

#: More than this is a whole chat, which belongs into the history.
MAX_PASTED: Final = 60_000
MAX_SAID: Final = 20_000
MAX_MESSAGES: Final = 200
_NO_MONTH: Final = 12
_TIME: Final = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:\s?[AaPp]\.?\s?[Mm]\.?)?"
#: "[10:15, 23/11/2026] Ann: ..." (WhatsApp on the web), "[23/11, 10:15] Ann: ..." (phone) and
#: "23/11/2026, 10:15 - Ann: ..." (export): the time before or behind the day, the year or none.
_HEAD: Final = re.compile(
    rf"\[?(?:(?P<before>{_TIME}),\s)?(?P<a>\d{{1,4}})[/.\-](?P<b>\d{{1,2}})(?:[/.\-](?P<c>\d{{2,4}}))?"
    rf"(?:,?\s(?:(?:alle|at|ore)\s)?(?P<behind>{_TIME}))?(?:\]|\s-)\s(?P<who>[^:\n]{{1,100}}?):(?:\s|$)(?P<text>.*)",
    re.DOTALL,
)
_MARKS: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a paste: who wrote it and when, as far as the lines say; `who` is empty for a plain text.

    `number` tells equal messages of one moment apart.
    """

    who: str
    at: datetime | None
    text: str
    number: int = 1


def read(text: str, *, zone: ZoneInfo, now: datetime) -> list[Said]:
    """The messages of a paste in their order; days without a year are the last such day before `now`.

    Lines before the first date belong to nobody known and make one message of their own.
    """
    lines = _MARKS.sub("", text[:MAX_PASTED]).replace("\u202f", " ").replace("\u00a0", " ").splitlines()
    heads = [_HEAD.match(line.rstrip()) for line in lines]
    dated = [head for head in heads if head and (head["before"] or head["behind"])]
    if not dated:
        whole = "\n".join(lines).strip()[:MAX_SAID]
        return [Said("", None, whole)] if whole else []
    day_first = _day_first(dated)
    found: list[Said] = []
    for line, head in zip(lines, heads, strict=True):
        at = _moment(head, zone=zone, now=now, day_first=day_first) if head else None
        if head is not None and at is not None:
            found.append(Said(head["who"].strip(), at, head["text"]))
        elif found:
            last = found[-1]
            found[-1] = replace(last, text=f"{last.text}\n{line.rstrip()}"[:MAX_SAID])
        elif line.strip():
            found.append(Said("", None, line.strip()[:MAX_SAID]))
    return list(_numbered(found))[:MAX_MESSAGES]


def names(said: Sequence[Said]) -> list[str]:
    """Who wrote in a paste, in the order of their first words."""
    return list(dict.fromkeys(one.who for one in said if one.who))


def _numbered(found: Sequence[Said]) -> Iterator[Said]:
    seen: Counter[tuple[str, datetime | None, str]] = Counter()
    for one in found:
        words = one.text.strip()
        if words:
            seen[one.who, one.at, words] += 1
            yield replace(one, text=words, number=seen[one.who, one.at, words])


def _day_first(heads: Sequence[re.Match[str]]) -> bool:
    """Whether the day comes before the month: as the numbers say, else by American hours."""
    if any(len(head["a"]) <= 2 and int(head["a"]) > _NO_MONTH for head in heads):  # noqa: PLR2004 - digits of a day.
        return True
    if any(int(head["b"]) > _NO_MONTH for head in heads):
        return False
    return not any((head["before"] or head["behind"] or "")[-1:].lower() == "m" for head in heads)


def _moment(head: re.Match[str], *, zone: ZoneInfo, now: datetime, day_first: bool) -> datetime | None:
    clock = head["before"] or head["behind"]
    if not clock:
        return None
    first, second = int(head["a"]), int(head["b"])
    year = None if head["c"] is None else int(head["c"])
    if len(head["a"]) == 4 and year is not None:  # noqa: PLR2004 - the year comes first.
        year, month, day = first, second, year
    else:
        day, month = (first, second) if day_first else (second, first)
    numbers = [int(part) for part in re.findall(r"\d+", clock)]
    hour = numbers[0]
    if clock[-1:].lower() == "m":
        hour = hour % 12 + (12 if re.search(r"[Pp]\.?\s?[Mm]", clock) else 0)
    try:
        at = datetime(_full(year, now), month, day, hour, *numbers[1:3], tzinfo=zone)
        if year is None and at > now + timedelta(days=1):
            at = at.replace(year=at.year - 1)
    except ValueError:
        return None
    return at


def _full(year: int | None, now: datetime) -> int:
    if year is None:
        return now.year
    return year if year > 99 else 2000 + year  # noqa: PLR2004 - two digits of this century.

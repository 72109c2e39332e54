"""Says in words what is wrong with the syntax of a text, at which line, and what to write instead."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from crm.errors import worded

#: The tags that end with a tag of their own.
BLOCKS: Final = frozenset({"if", "unless", "case", "for", "comment"})
_INSIDE: Final = {"else": BLOCKS - {"comment"}, "elsif": frozenset({"if", "unless"}), "when": frozenset({"case"})}
_OPENING: Final = re.compile(r"\{\{|\{%")
_WORD: Final = re.compile(r"-?\s*(#|\w+)")


@dataclass(frozen=True, slots=True)
class _Piece:
    """One `{{ field }}` or `{% tag %}` of a text, with its line; `is_closed` is False where its end is missing."""

    is_tag: bool
    inner: str
    line: int
    is_closed: bool


def _pieces(source: str) -> Iterator[_Piece]:
    position = 0
    while opening := _OPENING.search(source, position):
        is_tag = opening[0] == "{%"
        end = source.find("%}" if is_tag else "}}", opening.end())
        following = _OPENING.search(source, opening.end())
        is_closed = end >= 0 and (following is None or end < following.start())
        stop = end if is_closed else following.start() if following else len(source)
        yield _Piece(is_tag, source[opening.end() : stop], source.count("\n", 0, opening.start()) + 1, is_closed)
        position = stop + 2 if is_closed else stop


def diagnosis(source: str, *, tags: Collection[str], line: int) -> str:
    """The first mistake that a person can see in `source`, which the parser refused near `line`."""
    open_blocks: list[tuple[str, int]] = []
    for piece in _pieces(source):
        if not piece.is_closed:
            sentence = _unclosed_tag if piece.is_tag else _unclosed_field
            return sentence(piece.line)
        if not piece.is_tag:
            if not piece.inner.strip(" -"):
                return worded(
                    "Line %(line)s: {{ }} is empty. Write a field into it, like {{ contact.first_name }}.",
                    line=piece.line,
                )
            continue
        found = _WORD.match(piece.inner)
        word = found[1] if found else ""
        if problem := _misplaced(word, open_blocks, tags, piece.line):
            return problem
        if word in BLOCKS:
            open_blocks.append((word, piece.line))
        elif word.startswith("end"):
            open_blocks.pop()
    if open_blocks:
        word, begun = open_blocks[-1]
        return worded(
            "Line %(line)s: {%% %(tag)s %%} is opened here and never ends. Write {%% end%(tag)s %%} where it ends.",
            line=begun,
            tag=word,
        )
    return worded(
        "Line %(line)s: what stands in the curly brackets can’t be understood. Write a field like"
        " {{ contact.first_name }}, or a condition like {%% if contact.city %%} … {%% endif %%}.",
        line=line,
    )


def _unclosed_field(line: int) -> str:
    return worded("Line %(line)s: a field is opened with {{ and not closed. Write }} behind its name.", line=line)


def _unclosed_tag(line: int) -> str:
    return worded("Line %(line)s: {%% is not closed. Write %%} at its end.", line=line)


def _misplaced(word: str, open_blocks: list[tuple[str, int]], tags: Collection[str], line: int) -> str:
    """Why a tag can't stand where it does; empty when it can."""
    innermost = open_blocks[-1][0] if open_blocks else ""
    if word.startswith("end") and word[3:] in BLOCKS:
        if innermost == word[3:]:
            return ""
        return worded(
            "Line %(line)s: {%% %(tag)s %%} ends something that was not begun. Write {%% %(begin)s … %%} before it, or"
            " remove it.",
            line=line,
            tag=word,
            begin=word[3:],
        )
    if word in _INSIDE:
        if innermost in _INSIDE[word]:
            return ""
        return worded("Line %(line)s: {%% %(tag)s %%} stands outside of its condition.", line=line, tag=word)
    if word in tags:
        return ""
    known = ", ".join(sorted(BLOCKS | {"assign"}))
    return worded(
        "Line %(line)s: “%(tag)s” is not known here. You can use %(known)s.", line=line, tag=word, known=known
    )


def unknown_filter(name: str, known: Collection[str], *, line: int) -> str:
    """That a filter doesn't exist, with the one that was probably meant."""
    near = get_close_matches(name, known, n=1)
    if near:
        return worded(
            "Line %(line)s: there is no filter “%(name)s”. Did you mean “%(near)s”?", line=line, name=name, near=near[0]
        )
    return worded("Line %(line)s: there is no filter “%(name)s”. Remove it.", line=line, name=name)


def unknown_field(name: str, known: Collection[str], *, line: int) -> str:
    """That a field doesn't exist, with the one that was probably meant."""
    near = get_close_matches(name, known, n=1) or [each for each in sorted(known) if name in each.split(".")][:1]
    if near:
        return worded(
            "Line %(line)s: there is no field {{ %(name)s }}. Did you mean {{ %(near)s }}?",
            line=line,
            name=name,
            near=near[0],
        )
    return worded(
        "Line %(line)s: there is no field {{ %(name)s }}. Choose one from the list beside the text.",
        line=line,
        name=name,
    )


def line_of(name: str, source: str) -> int:
    """The first line on which `name` stands."""
    found = re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", source)
    return source.count("\n", 0, found.start() if found else 0) + 1

"""Owns how a draft is shown to its reviewer: what came from the person's record, and what stands only in this draft."""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from html.parser import HTMLParser
from itertools import groupby
from typing import Any, Final

from markupsafe import Markup, escape

from crm.outreach.content import fill, write_out

# Private-use characters mark the borders of a value; no template or name has them, and Markdown lets them pass.
_OPEN, _CLOSE, _HERE, _END = "\ue000", "\ue001", "\ue002", "\ue003"
_MARKS: Final = re.compile(f"[{_OPEN}{_CLOSE}{_HERE}{_END}]")
_IN_ADDRESS: Final = re.compile(r"%EE%80%8[0-3]")
_TOKENS: Final = re.compile(r"\s+|[^\s]+")

_RECORD, _ONLY_HERE = "record", "here"
_CLASSES: Final = {_RECORD: "fd-from-record", _ONLY_HERE: "fd-only-here"}


def marked(source: str, values: Mapping[str, Mapping[str, Any]], *, as_markdown: bool) -> str:
    """The template filled with values between marks; links stay bare, because they are addresses."""
    wrapped = {
        name: {key: _wrapped(value) for key, value in group.items()} if name != "links" else dict(group)
        for name, group in values.items()
    }
    return fill(source, wrapped, as_markdown=as_markdown)[0].strip()


def _wrapped(value: Any) -> Any:
    return type(value)(f"{_OPEN}{value}{_CLOSE}") if isinstance(value, str) else value


def compare(template: str, current: str) -> str:
    """`current` with marks: values of `template` that it still has, and words that stand only in it."""
    plain, flags = _flags(template)
    if plain == current:
        return _with_marks(plain, flags)
    before, after = _TOKENS.findall(plain), _TOKENS.findall(current)
    starts = _starts(before)
    result: list[str] = []
    kinds: list[str] = []
    for kind, low, high, first, last in SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        text = "".join(after[first:last])
        result.append(text)
        kinds += flags[starts[low] : starts[high]] if kind == "equal" else [_ONLY_HERE] * len(text)
    return _with_marks("".join(result), kinds)


def _flags(text: str) -> tuple[str, list[str]]:
    """The text without marks, and for each character whether it came from the record."""
    inside, plain, flags = False, [], []
    for character in text:
        if character in {_OPEN, _CLOSE}:
            inside = character == _OPEN
        else:
            plain.append(character)
            flags.append(_RECORD if inside else "")
    return "".join(plain), flags


def _starts(tokens: list[str]) -> list[int]:
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token))
    return starts


def _with_marks(text: str, kinds: list[str]) -> str:
    """The text with marks around runs of one kind; a mark never crosses a line, because a line can end a paragraph."""
    parts: list[str] = []
    position = 0
    for kind, run in groupby(kinds):
        length = len(list(run))
        piece = text[position : position + length]
        position += length
        if not kind:
            parts.append(piece)
            continue
        opening, closing = (_OPEN, _CLOSE) if kind == _RECORD else (_HERE, _END)
        lines = piece.split("\n")
        parts.append("\n".join(_around(line, opening, closing) for line in lines))
    return "".join(parts)


def _around(line: str, opening: str, closing: str) -> str:
    bare = line.strip()
    return line.replace(bare, f"{opening}{bare}{closing}", 1) if bare else line


class _Spans(HTMLParser):
    """Writes the HTML again with spans for the marks, inside single text runs so that elements stay nested."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._kind = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        written = "".join(f' {name}="{escape(_IN_ADDRESS.sub("", value or ""))}"' for name, value in attrs)
        self.parts.append(f"<{tag}{written}>")

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        for piece in re.split(f"({_MARKS.pattern})", data):
            if piece in {_OPEN, _HERE}:
                self._kind = _RECORD if piece == _OPEN else _ONLY_HERE
            elif piece in {_CLOSE, _END}:
                self._kind = ""
            elif piece and self._kind:
                self.parts.append(f'<span class="{_CLASSES[self._kind]}">{escape(piece)}</span>')
            else:
                self.parts.append(str(escape(piece)))


def shown(text: str, *, is_rich: bool) -> Markup:
    """Marked words as HTML for the reviewer: Markdown on rich channels, else paragraphs to the letter."""
    if is_rich:
        html = write_out(text)[1]
    else:
        paragraphs = re.split(r"\n{2,}", text)
        html = "".join(f"<p>{str(escape(part)).replace(chr(10), '<br>')}</p>" for part in paragraphs if part)
    spans = _Spans()
    spans.feed(html)
    spans.close()
    return Markup("".join(spans.parts))  # noqa: S704 - every text run was escaped, and write_out has cleaned the tags.

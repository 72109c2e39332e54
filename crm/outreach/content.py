"""Owns how words become a message: Liquid with limits, values escaped for the format, Markdown to safe HTML and text.

One rendering serves both forms of an e-mail: Liquid gives Markdown in which every value is escaped, so that a name
stays a name; the Markdown is parsed once and written as HTML and as plain text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TextIO

import nh3
from liquid import Environment, RenderContext, Undefined
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LiquidError
from liquid.stringify import to_liquid_string
from liquid.template import BoundTemplate
from markdown_it import MarkdownIt
from markdown_it.token import Token

from crm.channels.sentences import N_
from crm.errors import InvalidInputError, worded
from crm.outreach.diagnosis import diagnosis, unknown_filter

#: Characters of a template and bytes of what comes out of it; a private message is a page, not a book.
MAX_TEMPLATE: Final = 20_000
MAX_OUTPUT: Final = 100_000
MAX_SUBJECT: Final = 250
MAX_LOOPS: Final = 1_000

KEPT_TAGS: Final = frozenset({"if", "unless", "case", "for", "break", "continue", "assign", "comment", "#"})

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# What Markdown obeys anywhere, at the beginning of a line, and as an entity; the rest stays readable for editors.
_MARKDOWN = re.compile(r"[\\`*_\[\]<>]|^(?:[#+\-=~|]|\d+(?=[.)]))|&(?=#?\w+;)")
_ESCAPED = re.compile(r"\\([\\`*_\[\]<>#+\-=~|.)&])")
_BLANKS = re.compile(r"\s+")
# Mail programs make a link of these by themselves, in plain text too.
_SELF_LINKING = re.compile(r"(?i)(://|\bwww\.)")

_missing: ContextVar[list[str]] = ContextVar("missing")
_as_markdown: ContextVar[bool] = ContextVar("as_markdown", default=False)


class TemplateError(InvalidInputError):
    """The text can't be used as a template; the message says where."""

    code = "template"


class Trusted(str):
    """A value of our own making (a code, a link of ours) that may become a link."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """What one person will read; `missing` names the variables without a value. `html` is empty for plain channels.

    `body` is the filled text as people edit it further: Markdown on rich channels.
    """

    subject: str
    body: str
    text: str
    html: str
    missing: tuple[str, ...]


class _Missing(Undefined):
    """A variable without a value: notes its name when it should have been written out."""

    __slots__ = ()

    def __str__(self) -> str:
        # The hint is the only place that knows the whole path ("contact.city is undefined").
        path = (self.hint or "").removesuffix(" is undefined").strip("'")
        _missing.get().append(path or self.name)
        return ""


class _EscapingNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        text = to_liquid_string(value, autoescape=False)
        if _as_markdown.get():
            text = escape_markdown(text, is_trusted=isinstance(value, Trusted))
        elif not isinstance(value, Trusted):
            text = _SELF_LINKING.sub(_part_link, text)
        return buffer.write(text)


class _EscapingOutput(Output):
    node_class = _EscapingNode


class _Environment(Environment):
    loop_iteration_limit = MAX_LOOPS
    output_stream_limit = MAX_OUTPUT
    local_namespace_limit = MAX_OUTPUT
    block_nesting_limit = 10
    context_depth_limit = 10


def _environment() -> Environment:
    environment = _Environment(undefined=_Missing)
    environment.add_tag(_EscapingOutput)
    for name in list(environment.tags):
        # Pseudo tags (text, output) have upper-case or symbolic names and stay.
        if name.isalpha() and name.islower() and name not in KEPT_TAGS | {"content", "output", "illegal"}:
            del environment.tags[name]
    return environment


_ENVIRONMENT: Final = _environment()
_MARKDOWN_IT: Final = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")


@lru_cache(maxsize=512)
def _parsed(source: str) -> BoundTemplate:
    if len(source) > MAX_TEMPLATE:
        raise TemplateError(N_("The text is too long."), code="template_too_long")
    try:
        return _ENVIRONMENT.from_string(source)
    except LiquidError as error:
        sentence = diagnosis(source, tags=KEPT_TAGS, line=_line(error, source))
        raise TemplateError(sentence, code="template_syntax") from error


def _line(error: LiquidError, source: str) -> int:
    at = error.token.start_index if error.token is not None and error.token.start_index >= 0 else 0
    return source.count("\n", 0, at) + 1


def check(source: str) -> None:
    """Raise `TemplateError` when `source` is no valid template, or uses a filter that doesn't exist."""
    for name, places in _parsed(source).analyze().filters.items():
        if name not in _ENVIRONMENT.filters:
            line = source.count("\n", 0, places[0].index) + 1
            raise TemplateError(unknown_filter(name, _ENVIRONMENT.filters.keys(), line=line), code="template_filter")


def variables(source: str) -> frozenset[str]:
    """The dotted names that a template reads from outside, like `contact.first_name`; raises `TemplateError`."""
    return frozenset(".".join(map(str, path)) for path in _parsed(source).global_variable_segments())


def is_one_line(text: str) -> bool:
    """Whether `text` may stand in a header: no line break, no control character; joined emoji are fine."""
    return "\n" not in text and "\t" not in text and _CONTROL.search(text) is None


def escape_markdown(value: str, *, is_trusted: bool = False) -> str:
    """`value` so that Markdown shows it to the letter: no emphasis, no link, no line of its own."""
    flat = _BLANKS.sub(" ", _CONTROL.sub("", value))
    if not is_trusted:
        flat = _SELF_LINKING.sub(_part_link, flat)
    return _MARKDOWN.sub(_with_backslash, flat)


def _with_backslash(found: re.Match[str]) -> str:
    text = found[0]
    # A digit can't be escaped; the mark behind it can.
    return f"{text}\\" if text.isdigit() else f"\\{text}"


def _part_link(found: re.Match[str]) -> str:
    text = found[1]
    return f"{text[:1]} {text[1:]}" if text == "://" else f"{text[:3]} {text[3:]}"


def fill(source: str, values: Mapping[str, object], *, as_markdown: bool) -> tuple[str, tuple[str, ...]]:
    """Fill a template; returns the text and the names of variables that had no value.

    With `as_markdown` values are escaped for Markdown. Raises `TemplateError` for a syntax error, an unknown filter or
    a text that grows beyond its limits.
    """
    template = _parsed(source)
    names: list[str] = []
    missing, markdown = _missing.set(names), _as_markdown.set(as_markdown)
    try:
        text = template.render(**values)
    except LiquidError as error:
        sentence = worded(
            "Line %(line)s: this can’t be filled in: a filter gets something it can’t use, or the text grows too long.",
            line=_line(error, source),
        )
        raise TemplateError(sentence, code="template_render") from error
    finally:
        _missing.reset(missing)
        _as_markdown.reset(markdown)
    return text, tuple(dict.fromkeys(names))


def render(subject: str, body: str, values: Mapping[str, object], *, is_rich: bool) -> Rendered:
    """Fill subject and body for one person; a rich channel (e-mail) gets HTML and text, others plain text alone."""
    subject_text, missing_there = fill(subject, values, as_markdown=False)
    body_text, missing_here = fill(body, values, as_markdown=is_rich)
    missing = tuple(dict.fromkeys((*missing_there, *missing_here)))
    subject_line = _BLANKS.sub(" ", _CONTROL.sub("", subject_text)).strip()[:MAX_SUBJECT]
    if not is_rich:
        plain = _CONTROL.sub("", body_text).strip()
        return Rendered(subject_line, plain, plain, "", missing)
    text, html = write_out(body_text)
    return Rendered(subject_line, body_text.strip(), text, html, missing)


def write_out(markdown: str) -> tuple[str, str]:
    """Markdown as (plain text, safe HTML); raw HTML in it is shown, not obeyed, and images are left out."""
    tokens = _MARKDOWN_IT.parse(_CONTROL.sub("", markdown.replace("\r\n", "\n")))
    _free_code(tokens)
    html = nh3.clean(
        _MARKDOWN_IT.renderer.render(tokens, _MARKDOWN_IT.options, {}),
        tags={"a", "p", "br", "strong", "em", "ul", "ol", "li", "blockquote", "code", "pre", "h1", "h2", "h3", "hr"},
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel=None,
    )
    return plain_text(tokens), html


def _free_code(tokens: Iterable[Token]) -> None:
    """Take the backslashes of our own escaping out of code, where Markdown shows them: a code must read as it is."""
    for token in tokens:
        if token.type in {"code_inline", "code_block", "fence"}:
            token.content = _ESCAPED.sub(r"\1", token.content)
        _free_code(token.children or ())


def plain_text(tokens: Sequence[Token]) -> str:
    """Parsed Markdown as people write plain mails: blank lines, dashes, addresses behind their words."""
    writer = _PlainWriter()
    for token in tokens:
        writer.take(token)
    return writer.text()


class _PlainWriter:
    """Collects paragraphs; lists and quotations add a prefix to their lines."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._prefixes: list[str] = []
        self._counters: list[int | None] = []
        self._mark = ""
        self._is_tight = False

    def take(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self._counters.append(None)
            case "ordered_list_open":
                self._counters.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                self._counters.pop()
                self._is_tight = False
            case "list_item_open":
                self._open_item()
            case "list_item_close" | "blockquote_close":
                self._prefixes.pop()
            case "blockquote_open":
                self._prefixes.append("> ")
            case "inline":
                self._write("".join(_inline(token.children or [])))
            case "fence" | "code_block":
                self._write(token.content.rstrip("\n"))
            case "hr":
                self._write("---")
            case _:
                pass

    def _open_item(self) -> None:
        number = self._counters[-1]
        self._mark = "- " if number is None else f"{number}. "
        if number is not None:
            self._counters[-1] = number + 1
        self._prefixes.append(" " * len(self._mark))

    def _write(self, text: str) -> None:
        outer = "".join(self._prefixes[:-1]) if self._mark else "".join(self._prefixes)
        inner = self._prefixes[-1] if self._mark else ""
        first = outer + (self._mark or inner)
        lines = text.split("\n")
        block = "\n".join([first + lines[0], *(outer + inner + line for line in lines[1:])])
        if self._mark and self._is_tight and self._blocks:
            self._blocks[-1] += "\n" + block
        else:
            self._blocks.append(block)
        self._is_tight = bool(self._mark)
        self._mark = ""

    def text(self) -> str:
        return "\n\n".join(self._blocks)


def _inline(children: Sequence[Token]) -> Iterator[str]:
    link: list[str] = []
    words: list[str] = []
    for child in children:
        if child.type == "link_open":
            link.append(str(child.attrs.get("href", "")))
            words.clear()
        elif child.type == "link_close":
            target = link.pop()
            if target.removeprefix("mailto:") != "".join(words):
                yield f" ({target})"
        elif child.type in {"text", "code_inline"}:
            words.append(child.content)
            yield child.content
        elif child.type in {"softbreak", "hardbreak"}:
            yield "\n"

"""HTML that strangers sent: made harmless for a page, or turned into text."""

import html as entities
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

#: More than any letter needs; what comes after is cut before any parsing.
MAX_HTML: Final = 2_000_000

TAGS: Final = {
    "a", "abbr", "b", "blockquote", "br", "caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "div",
    "dl", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "li", "ol", "p", "pre", "q",
    "s", "small", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u",
    "ul",
}  # fmt: skip
_ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "img": {"alt", "width", "height", "src"},
    "td": {"colspan", "rowspan", "align", "valign"},
    "th": {"colspan", "rowspan", "align", "valign"},
    "table": {"align", "border", "cellpadding", "cellspacing"},
    "ol": {"start"},
}
#: What a letter in a frame of its own keeps besides: its layout.
LETTER_ATTRIBUTES: Final = {
    **_ATTRIBUTES,
    **{tag: _ATTRIBUTES.get(tag, set()) | {"style", "dir"} for tag in sorted(TAGS)},
    "table": _ATTRIBUTES["table"] | {"style", "dir", "width", "bgcolor"},
    "td": _ATTRIBUTES["td"] | {"style", "dir", "width", "bgcolor"},
    "font": {"color", "face", "size"},
}
#: How an element shows in text: \x04 begins a new line, \x05 a new paragraph, \x02 and \x03 hold a quote.
_LINES: Final = (
    "address", "article", "dd", "div", "dt", "footer", "header", "li", "main", "section", "tr",
)  # fmt: skip
_PARAGRAPHS: Final = ("dl", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p", "pre", "table", "ul")
_CLOSING: Final = {**dict.fromkeys(_LINES, "\x04"), **dict.fromkeys(_PARAGRAPHS, "\x05"), "blockquote": "\x03"}
_OPENING: Final = {**_CLOSING, "blockquote": "\x02", "br": "\n"}
_PARAGRAPH_BREAK = re.compile(r"[\x04\x05]*\x05[\x04\x05]*")
_LINE_BREAK = re.compile(r"\x04*\n\x04*|\x04+")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_MARKS = re.compile(r"[\x02-\x05]")
_ANY_TAG = re.compile(r"<[^<>]{0,10000}>")
#: Elements that never hold others of their kind, closed or not.
_NOT_NESTING: Final = frozenset(
    {"area", "br", "col", "dd", "dt", "hr", "img", "input", "li", "link", "meta", "option", "p", "source", "td", "th",
     "tr", "wbr"}
)  # fmt: skip
#: Sum over all opening tags of how deep they stand; a long newsletter stays below a fifth of it.
_MAX_NESTING: Final = 1_000_000


def is_tame(html: str) -> bool:
    """Whether a parser can be let loose on it: the cost of parsing grows with the square of the nesting.

    (200,000 unclosed `<div>` in one megabyte took 109 seconds.)
    """
    depth = total = 0
    for found in _TAG.finditer(html):
        if found[2].lower() in _NOT_NESTING:
            total += depth
        elif found[1]:
            depth = max(0, depth - 1)
        else:
            depth += 1
            total += depth
        if total > _MAX_NESTING:
            return False
    return True


def bare_text(html: str) -> str:
    """What is left without tags: for pages that were made to hurt a parser."""
    return entities.unescape(_ANY_TAG.sub(" ", html)).replace("<", " ")


def clean_html(html: str, *, images: bool = False) -> str:
    """Keep what a letter needs and nothing that acts: no script, style, form, frame or event.

    Links keep http, https, mailto and tel, and open without a referrer. Remote images stay out unless `images` is
    true, because asking for one tells the sender that the mail was opened.
    """
    html = html[:MAX_HTML]
    if not is_tame(html):
        return f"<p>{entities.escape(bare_text(html))}</p>"

    def keep(tag: str, attribute: str, value: str) -> str | None:
        if tag == "img" and attribute == "src":
            return value if images and urlsplit(value).scheme == "https" else None
        return value

    return nh3.clean(
        html,
        tags=TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=keep,
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noopener noreferrer nofollow",
        clean_content_tags={"script", "style", "title", "template", "noscript", "svg", "math"},
    )


def html_to_text(html: str) -> str:
    """The readable text, one line per block; quoted history is marked with `>` as plain mail does."""
    html = html[:MAX_HTML]
    if not is_tame(html):
        return _laid_out(bare_text(html))
    tree = LexborHTMLParser(html)
    tree.strip_tags(["script", "style", "head", "title", "template", "noscript"])
    return _laid_out("".join(_pieces(tree.body))) if tree.body is not None else ""


def _pieces(body: LexborNode) -> Iterator[str]:
    """Walk the tree without recursion; blocks begin and end a line, quotes begin and end with a mark."""
    node: LexborNode | None = body
    while node is not None:
        if node.tag == "-text":
            yield _MARKS.sub(" ", node.text_content or "").replace("\n", " ")
        else:
            yield _OPENING.get(node.tag or "", "")
        if node.child is not None:
            node = node.child
            continue
        while node is not None:
            if node.tag != "-text":
                yield _CLOSING.get(node.tag or "", "")
            if node.next is not None and node.mem_id != body.mem_id:
                node = node.next
                break
            node = node.parent if node.mem_id != body.mem_id else None


def _laid_out(marked: str) -> str:
    """Turn the quote marks into `>` prefixes and squeeze white space."""
    marked = _LINE_BREAK.sub("\n", _PARAGRAPH_BREAK.sub("\n\n", marked))
    lines: list[str] = []
    depth = 0
    for line in marked.replace("\x02", "\n\x02\n").replace("\x03", "\n\x03\n").split("\n"):
        if line == "\x02":
            depth += 1
        elif line == "\x03":
            depth = max(0, depth - 1)
        else:
            text = " ".join(line.replace("\xa0", " ").split())
            if text:
                lines.append(f"{'> ' if depth else ''}{text}")
            elif lines and lines[-1]:
                lines.append("")
    return "\n".join(lines).strip()

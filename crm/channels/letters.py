"""HTML mail as its writer laid it out, for a sandboxed frame of its own: no script, nothing from elsewhere."""

import base64
import html as entities
import re
from collections.abc import Callable, Mapping
from typing import Final

import nh3

from crm.channels.html import LETTER_ATTRIBUTES, MAX_HTML, TAGS, bare_text, is_tame

#: What the answer that carries a letter must say to the browser. Images are only those that came inside the mail.
POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:;"
    " style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
#: Pictures of one letter that are shown, in bytes altogether; what is beyond stays a file beside it.
MAX_PICTURES: Final = 4 * 1024 * 1024
#: Formats that every browser shows and that can hold no script, by their first bytes: the sender's word is not taken.
_PICTURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
#: Properties that lay a text out and can neither cover anything, nor grow beyond their place, nor ask for a file.
_STYLES: Final = {
    "background-color", "border", "border-bottom", "border-collapse", "border-color", "border-left", "border-radius",
    "border-right", "border-spacing", "border-style", "border-top", "border-width", "color", "direction", "font-family",
    "font-size", "font-style", "font-weight", "letter-spacing", "line-height", "max-width", "padding",
    "padding-bottom", "padding-left", "padding-right", "padding-top", "text-align", "text-decoration", "text-transform",
    "vertical-align", "white-space", "width",
}  # fmt: skip
_DROPPED: Final = {"script", "style", "title", "template", "noscript", "svg", "math", "iframe", "object", "noembed"}
_LAYOUT: Final = (
    "body{margin:0;padding:12px;background:#fff;color:#1c1b1a;font:15px/1.5 system-ui,sans-serif;"
    "overflow-wrap:anywhere}img{max-width:100%;height:auto}table{max-width:100%}blockquote{margin:0 0 0 8px;"
    "padding-left:12px;border-left:3px solid #ddd}pre{white-space:pre-wrap}"
)
_CID = re.compile(r"(?i)^cid:")
_ABSOLUTE = re.compile(r"(?i)^\s*(?:https?://|mailto:|tel:)")
_FUNCTION = re.compile(r"([\w-]*)\s*\(")
_FUNCTIONS: Final = {"rgb", "rgba", "hsl", "hsla", "calc"}


def clean_letter(html: str) -> str:
    """The letter as it may be kept: layout stays, whatever acts or asks for something elsewhere goes.

    Pictures that came inside the mail keep their `cid:` address, which only `letter_page` can show.
    """
    return _cleaned(html, lambda address: address if _CID.match(address) else None)


def letter_page(html: str, *, pictures: Mapping[str, bytes], title: str, language: str) -> str:
    """A whole document for a kept letter; `pictures` are the mail's own, by Content-ID without brackets.

    It is cleaned once more, so that a letter which was kept by an older version gains whatever this one knows.
    """
    left = MAX_PICTURES
    shown: dict[str, str] = {}
    for name, content in pictures.items():
        kind = _kind_of(content)
        if kind and len(content) <= left:
            left -= len(content)
            shown[name] = f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
    # One picture that the letter shows a thousand times must not make a page of a gigabyte.
    once = dict(shown)
    body = _cleaned(html, lambda address: once.pop(_CID.sub("", address), None) if _CID.match(address) else None)
    return (
        f'<!doctype html><html lang="{entities.escape(language)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{entities.escape(title)}</title>'
        f"<style>{_LAYOUT}</style></head><body>{body}</body></html>"
    )


def _kind_of(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for first, kind in _PICTURES if content.startswith(first)), "")


def _cleaned(html: str, source_of: Callable[[str], str | None]) -> str:
    html = html[:MAX_HTML]
    if not is_tame(html):
        return f"<p>{entities.escape(bare_text(html))}</p>"

    def keep(_tag: str, attribute: str, value: str) -> str | None:
        if attribute == "src":
            return source_of(value)
        if attribute == "href":
            # An address without a scheme would lead to a page of ours.
            return value if _ABSOLUTE.match(value) else None
        return _tame_style(value) if attribute == "style" else value

    return nh3.clean(
        html,
        tags=TAGS,
        attributes=LETTER_ATTRIBUTES,
        attribute_filter=keep,
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties=_STYLES,
        clean_content_tags=_DROPPED,
    )


def _tame_style(style: str) -> str | None:
    """The declarations that call nothing and hide nothing behind an escape; which properties stay is decided after."""
    kept = [
        one
        for one in style.split(";")
        if "\\" not in one and {name.lower() for name in _FUNCTION.findall(one)} <= _FUNCTIONS
    ]
    return ";".join(kept) or None

"""The bundle that Vite builds: the addresses of its files, and serving them already compressed."""

import json
import mimetypes
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flask import Blueprint, Flask, Response, abort, request, send_file
from markupsafe import Markup

from crm.web.avatars import code_groups, hue, initials

DIST: Final = Path(__file__).resolve().parent.parent / "static" / "dist"
PREFIX: Final = "/assets"

_YEAR: Final = 365 * 24 * 3600

# Files that the build makes without a source stand in the manifest as "_icons-B9gB8-R2.svg".
_GENERATED: Final = re.compile(r"_([a-z]+)-.{8}\.svg")
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))

# The machine's own table may lack or misname these, and a wrong type is refused with nosniff.
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}


class AssetMissingError(LookupError):
    """The bundle has no such file: it was not built, or the name is wrong."""


@dataclass(frozen=True)
class Bundle:
    """The files of one build, by the names that templates use.

    `files` maps a source name ("main.js", "icons.svg") to its hashed file; `styles` maps an entry to the
    style sheets it brings; `preloads` lists the fonts of the first paint.
    """

    files: dict[str, str]
    styles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    preloads: tuple[str, ...] = ()

    def url(self, name: str) -> str:
        """Return the address of a file; AssetMissingError names what is not there."""
        try:
            return f"{PREFIX}/{self.files[name]}"
        except KeyError:
            message = f"{name} is not in the bundle; run 'make assets'"
            raise AssetMissingError(message) from None


def read_bundle(dist: Path = DIST) -> Bundle:
    """Read the manifest that Vite wrote into `dist`; AssetMissingError when nothing was built."""
    manifest = dist / ".vite" / "manifest.json"
    try:
        entries = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"no bundle in {dist}; run 'make assets'"
        raise AssetMissingError(message) from None
    files: dict[str, str] = {}
    styles: dict[str, tuple[str, ...]] = {}
    for source, entry in entries.items():
        generated = _GENERATED.fullmatch(source)
        name = f"{generated[1]}.svg" if generated else source.rsplit("/", 1)[-1]
        files[name] = entry["file"]
        if entry.get("isEntry"):
            styles[name] = tuple(entry.get("css", ()))
    fonts = tuple(sorted(file for file in files.values() if file.endswith(".woff2")))
    return Bundle(files=files, styles=styles, preloads=fonts)


def init_app(app: Flask, dist: Path = DIST) -> None:
    """Give templates `asset`, `asset_tags` and the face filters, and serve the bundle under /assets.

    The manifest is read once; in debug mode it is read again for each page, so that a rebuild shows at once.
    """
    cache: list[Bundle] = []

    def bundle() -> Bundle:
        if app.debug or not cache:
            cache[:] = [read_bundle(dist)]
        return cache[0]

    def asset(name: str) -> str:
        return bundle().url(name)

    def asset_tags(entry: str, nonce: str) -> Markup:
        return tags(bundle(), entry, nonce)

    app.jinja_env.globals.update(asset=asset, asset_tags=asset_tags)
    app.jinja_env.filters.update(initials=initials, hue=hue, code_groups=code_groups)
    app.register_blueprint(_blueprint(dist))


def tags(bundle: Bundle, entry: str, nonce: str) -> Markup:
    """Return the style sheets and the module script of an entry, the script with its nonce."""
    parts = [
        Markup('<link rel="stylesheet" href="{}/{}">').format(PREFIX, sheet) for sheet in bundle.styles.get(entry, ())
    ]
    parts.append(Markup('<script type="module" src="{}" nonce="{}"></script>').format(bundle.url(entry), nonce))
    return Markup("\n").join(parts)


def _blueprint(dist: Path) -> Blueprint:
    blueprint = Blueprint("assets", __name__)

    @blueprint.get(f"{PREFIX}/<path:name>")
    def file(name: str) -> Response:
        return _serve(dist, name)

    return blueprint


def _serve(dist: Path, name: str) -> Response:
    """Answer with a file of the bundle, in the smallest form that the browser reads.

    Names carry a hash of their content, so browsers may keep them for a year.
    """
    path = (dist / name).resolve()
    if (
        not path.is_relative_to(dist.resolve())
        or ".vite" in path.parts
        or path.suffix in {".br", ".gz"}
        or not path.is_file()
    ):
        abort(404)
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    chosen, coding = path, None
    for encoding, suffix in _ENCODINGS:
        packed = path.with_name(path.name + suffix)
        if request.accept_encodings[encoding] > 0 and packed.is_file():
            chosen, coding = packed, encoding
            break
    response = send_file(chosen, mimetype=kind, conditional=True, max_age=_YEAR)
    response.cache_control.public = True
    response.cache_control.immutable = True
    response.vary.add("Accept-Encoding")
    if coding:
        response.content_encoding = coding
    return response

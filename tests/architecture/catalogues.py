"""Reads the messages of the sources and keeps the Italian catalogues: `python tests/architecture/catalogues.py`.

A catalogue belongs to a domain: it holds the messages of `crm/<domain>`, `templates/<domain>` and what `FOLDERS` adds.
"""

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "ui": ["crm/web", "templates/_ui", "templates/errors", "crm/cli", "crm/net"],
    "accounts": ["crm/accounts", "templates/accounts", "templates/security", "templates/settings"],
    "loyalty": ["crm/loyalty", "templates/loyalty", "templates/till"],
    "outreach": ["crm/outreach", "templates/outreach", "templates/sandbox"],
}
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "lazy": None,
    "lazy_n": (1, 2),
    "pgettext": ((1, "c"), 2),
    "lazy_p": ((1, "c"), 2),
    "N_": None,
    "worded": None,
}
METHODS = [("**.py", "python"), ("**.html", "jinja2")]
OPTIONS = {"jinja2": {"encoding": "utf-8", "silent": "false"}}


def domains() -> dict[str, list[Path]]:
    """{catalogue: its folders}, one for each domain that has code or templates."""
    names = {path.name for base in ("crm", "templates") for path in (ROOT / base).iterdir() if path.is_dir()}
    covered = {folder for folders in FOLDERS.values() for folder in folders}
    chosen = dict(FOLDERS)
    for name in sorted(names - {"static", "__pycache__", "embedded"}):
        own = [f"{base}/{name}" for base in ("crm", "templates") if f"{base}/{name}" not in covered]
        if name not in FOLDERS and own:
            chosen[name] = own
    return {name: [ROOT / folder for folder in folders if (ROOT / folder).is_dir()] for name, folders in chosen.items()}


def extracted(name: str, folders: list[Path]) -> Catalog:
    """The messages that the sources of a catalogue use."""
    found = Catalog(domain="messages", locale="it", project="Filodiretto", fuzzy=False)
    for folder in folders:
        sources = extract_from_dir(folder, METHODS, OPTIONS, KEYWORDS, ("Translators:",))
        for file, _line, message, comments, context in sources:
            places = [((folder / file).relative_to(ROOT).as_posix(), 0)]
            found.add(message, locations=places, auto_comments=comments, context=context)
    if name == "ui":
        for layout in sorted((ROOT / "templates").glob("*.html")):
            sources = extract_from_dir(layout.parent, [(layout.name, "jinja2")], OPTIONS, KEYWORDS)
            for file, _line, message, _comments, context in sources:
                found.add(message, locations=[(f"templates/{file}", 0)], context=context)
    return found


def path_of(name: str) -> Path:
    """The catalogue's file."""
    return ROOT / "translations" / name / "it" / "LC_MESSAGES" / "messages.po"


def kept(name: str) -> Catalog:
    """The committed catalogue, empty when there is none."""
    path = path_of(name)
    if not path.exists():
        return Catalog(locale="it")
    with path.open("rb") as file:
        return read_po(file, locale="it")


def missing(name: str, folders: list[Path]) -> list[str]:
    """Messages of the sources without an Italian text."""
    known = kept(name)
    lacking = []
    for message in extracted(name, folders):
        if not message.id:
            continue
        entry = known.get(message.id[0] if isinstance(message.id, tuple) else message.id, message.context)
        texts = entry.string if entry else ""
        if not entry or entry.fuzzy or not (all(texts) if isinstance(texts, tuple) else texts):
            lacking.append(str(message.id))
    return lacking


def update(name: str, folders: list[Path]) -> int:
    """Bring the committed catalogue in line with the sources; returns how many messages lack a text."""
    template, known = extracted(name, folders), kept(name)
    if not len(template):
        return 0
    known.update(template, no_fuzzy_matching=True)
    known.obsolete.clear()
    path = path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, known, width=120, omit_header=False, include_lineno=False, sort_output=True)
    return len(missing(name, folders))


if __name__ == "__main__":
    wanted = sys.argv[1:] or sorted(domains())
    for domain in wanted:
        left = update(domain, domains()[domain])
        print(f"{domain}: {left} without an Italian text")

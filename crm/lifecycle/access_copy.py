"""Writes the copy that a person may ask for: JSON for programs, a page for people, and the files, in one zip.

Nothing is held whole in memory: rows go into the archive as they are read, once for each of the two forms.
"""

import json
import zipfile
from collections.abc import Collection, Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from markupsafe import escape
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.clock import zone
from crm.contacts.models import Contact
from crm.files.services import path_of
from crm.lifecycle.privacy_words import TECHNICAL, column_label, table_label, value_label
from crm.lifecycle.queries import personal
from crm.lifecycle.services import erasing
from crm.web.i18n import _

FORMAT: Final = "filodiretto.personal-data/1"
_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_ ")
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1b1a}"
    "h2{border-top:1px solid #ddd;padding-top:1.5rem}dl{display:grid;grid-template-columns:12rem 1fr;gap:.2rem 1rem;"
    "margin:0 0 1rem;padding:.75rem 1rem;background:#f6f5f2;border-radius:8px}dt{color:#6a6763}"
    "dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}@media(max-width:40rem){dl{grid-template-columns:1fr}}"
)


def write(
    session: Session, actor: Actor, *, contact_id: UUID, target: IO[bytes], folder: Path, locale: str, now: datetime
) -> str:
    """Write the copy into `target` and note it in the audit log; returns a file name for it.

    `folder` holds stored files; `locale` is what the caller speaks just now. Raises `ContactNotFoundError` and
    `ForbiddenError`.
    """
    actor.require(Permission.EXPORT)
    person = erasing.person_of(session, actor, contact_id=contact_id)
    people = erasing.same_person(session, person.id)
    house = session.get_one(Workspace, actor.workspace_id)
    audit.record(session, actor, action="contact.copied", object_kind="contact", object_id=person.id)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("data.json", "w", force_zip64=True) as part, _text(part) as out:
            out.writelines(_json(session, actor, person, people, house=house.name, now=now))
        with archive.open("index.html", "w", force_zip64=True) as part, _text(part) as out:
            out.writelines(_page(session, actor, person, people, house=house, locale=locale, now=now))
        for event_id, raw in personal.raw_mails(session, people=people):
            archive.writestr(f"mails/{event_id}.eml", raw)
        _add_files(session, actor, people, archive, folder)
    return f"{_file_name(person.display_name)}.zip"


def _text(part: IO[bytes]) -> TextIOWrapper:
    return TextIOWrapper(part, encoding="utf-8", newline="\n")


def _add_files(
    session: Session, actor: Actor, people: Collection[UUID], archive: zipfile.ZipFile, folder: Path
) -> None:
    rows = next(part.rows for part in personal.parts(session, actor, people=people) if part.table == "stored_file")
    for row in list(rows):
        path = path_of(folder, row["id"])
        if path.is_file():
            archive.write(path, f"files/{row['id']}-{_file_name(row['name'])}")


def _file_name(text: str) -> str:
    """`text` with what a file system or an unpacker may take amiss left out."""
    kept = "".join(letter if letter in _SAFE else "_" for letter in text).strip(" .")
    return kept[:80] or "person"


def _json(
    session: Session, actor: Actor, person: Contact, people: Collection[UUID], *, house: str, now: datetime
) -> Iterator[str]:
    head = {"format": FORMAT, "made_at": now, "controller": house, "person_id": person.id}
    yield json.dumps(head, default=_plain, ensure_ascii=False, indent=1).rstrip("}\n") + ',\n "tables": {'
    for number, part in enumerate(personal.parts(session, actor, people=people)):
        yield f"{',' if number else ''}\n  {json.dumps(part.table)}: ["
        for count, row in enumerate(part.rows):
            yield f"{',' if count else ''}\n   {json.dumps(row, default=_plain, ensure_ascii=False)}"
        yield "]"
    yield "\n }\n}\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else str(value)


def _page(
    session: Session,
    actor: Actor,
    person: Contact,
    people: Collection[UUID],
    *,
    house: Workspace,
    locale: str,
    now: datetime,
) -> Iterator[str]:
    title = _("What %(house)s knows about %(name)s", house=house.name, name=person.display_name)
    yield (
        f'<!doctype html><html lang="{escape(locale)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"</head><body><h1>{escape(title)}</h1>"
    )
    made = _moment(now, house.time_zone, locale)
    # Not within the f-string: the catalogue would not see them there.
    asked = _("Made on %(moment)s, at the request of the person (GDPR, articles 15 and 20).", moment=made)
    beside = _("The same for programs is in data.json; mails and files lie beside it.")
    yield f"<p>{escape(asked)} {escape(beside)}</p>"
    for part in personal.parts(session, actor, people=people):
        is_open = False
        for row in part.rows:
            if not is_open:
                yield f"<h2>{escape(table_label(part.table))}</h2>"
                is_open = True
            yield _row(row, house.time_zone, locale)
    yield "</body></html>\n"


def _row(row: dict[str, Any], time_zone: str, locale: str) -> str:
    """One row as a list of what people can read: no ids, nothing empty, nothing that serves the program alone."""
    currency = str(row.get("currency") or "")
    shown = [
        f"<dt>{escape(column_label(name))}</dt><dd>{escape(_shown(name, value, time_zone, locale, currency))}</dd>"
        for name, value in row.items()
        if name != "id" and name not in TECHNICAL and not isinstance(value, UUID) and value not in (None, "", [], {})
    ]
    return f"<dl>{''.join(shown)}</dl>\n" if shown else ""


def _shown(name: str, value: Any, time_zone: str, locale: str, currency: str) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return _moment(value, time_zone, locale)
    if isinstance(value, date):
        return format_date(value, "long", locale=locale)
    if name.endswith("_minor"):
        amount = Decimal(value) / 100
        return format_currency(amount, currency, locale=locale) if currency else format_decimal(amount, locale=locale)
    if isinstance(value, dict | list):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return value_label(name, str(value.value if isinstance(value, StrEnum) else value))


def _moment(value: datetime, time_zone: str, locale: str) -> str:
    return format_datetime(value, "d MMMM y, HH:mm", tzinfo=zone(time_zone), locale=locale)

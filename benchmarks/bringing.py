"""An import of people through the whole path, beside COPY of the same rows into one table without index."""

import csv
import io
import random
import time
from pathlib import Path
from uuid import UUID

import psycopg

from benchmarks.stand import Stand, table
from crm.consent.kinds import Basis
from crm.desk.seed import CITIES, COMPANY_STEMS, FIRST_NAMES, LAST_NAMES, PLACES, TITLES
from crm.lifecycle import cli
from crm.lifecycle.kinds import ImportMode, MatchKey
from crm.settings import Settings

ROWS = 10_000
HEAD = ["Nome", "Cognome", "E-mail", "Cellulare", "Azienda", "Ruolo", "Città", "Tag"]
WISHES = cli.Wishes(
    source="Fiera di Bologna",
    basis=Basis.CONSENT,
    mode=ImportMode.UPSERT,
    match=MatchKey.ANY,
    tag="Fiera",
    mapping=None,
)


def measure(stand: Stand) -> None:
    rows = people(random.Random(1))
    file = stand.home / "people.csv"
    with file.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target, delimiter=";").writerows([HEAD, *rows])
    copied, first, again = [], [], []
    for _ in range(3):
        copied.append(_copy(stand, rows))
        actor = stand.empty("import")
        first.append(_bring(stand, actor.workspace_id, file, created=ROWS))
        again.append(_bring(stand, actor.workspace_id, file, created=0))
    bare, new, known = (sorted(values)[1] for values in (copied, first, again))
    table(
        [f"{ROWS} rows, 8 columns", "rows/s", "share of bare COPY"],
        [
            ("bare COPY into one table without index", f"{ROWS / bare:,.0f}", "100 %"),
            ("import, all new", f"{ROWS / new:,.0f}", f"{100 * bare / new:.1f} %"),
            ("the same file again, all known", f"{ROWS / known:,.0f}", f"{100 * bare / known:.1f} %"),
        ],
    )


def people(source: random.Random) -> list[list[str]]:
    """Rows of people at companies, five at each."""
    rows, company = [], ""
    for number in range(ROWS):
        if number % 5 == 0:
            company = f"{source.choice(COMPANY_STEMS)} {source.choice(PLACES)} {number // 5}"
        first, last = source.choice(FIRST_NAMES), source.choice(LAST_NAMES)
        address, phone = f"importata{number}@azienda{number // 5}.example", f"+3934{number:08}"
        rows.append([first, last, address, phone, company, source.choice(TITLES), source.choice(CITIES), "Rivenditore"])
    return rows


def _copy(stand: Stand, rows: list[list[str]]) -> float:
    with psycopg.connect(stand.url.replace("+psycopg", "")) as connection:
        connection.execute(
            "create temporary table bare (c1 text, c2 text, c3 text, c4 text, c5 text, c6 text, c7 text, c8 text)"
        )
        buffer = io.StringIO()
        csv.writer(buffer).writerows(rows)
        data = buffer.getvalue()
        started = time.monotonic()
        with connection.cursor().copy("copy bare from stdin with (format csv)") as copy:
            copy.write(data)
        connection.commit()
        return time.monotonic() - started


def _bring(stand: Stand, workspace_id: UUID, file: Path, *, created: int) -> float:
    settings = Settings.load(home=stand.home)
    started = time.monotonic()
    begun = cli.begin(stand.database, settings, workspace_id=workspace_id, file=file, wishes=WISHES)
    ended = cli.load(stand.database, settings, begun=begun, tell=lambda _line: None)
    seconds = time.monotonic() - started
    assert (ended.created, ended.refused) == (created, 0), (ended.created, ended.refused)
    return seconds

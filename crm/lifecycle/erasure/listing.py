"""The list of erasures beside the data: ids and dates alone, so that an older backup can be told who is to go again."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

NAME: Final = "erasures.jsonl"


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One erased person: the workspace, the id of the empty row, and when."""

    workspace_id: UUID
    subject_id: UUID
    at: datetime


def read(path: Path) -> list[Line]:
    """The lines of a list, the first of each person; a line that a crash left half-written is left out."""
    if not path.exists():
        return []
    found: dict[tuple[UUID, UUID], Line] = {}
    for text in path.read_text(encoding="ascii").splitlines(keepends=True):
        if not text.endswith("\n"):
            continue
        try:
            entry = json.loads(text)
            line = Line(UUID(entry["workspace"]), UUID(entry["subject"]), datetime.fromisoformat(entry["at"]))
        except (KeyError, TypeError, ValueError):
            # Cut off by a crash, or not ours: nobody can be told by it.
            continue
        found.setdefault((line.workspace_id, line.subject_id), line)
    return list(found.values())


def append(home: Path, lines: Iterable[Line]) -> None:
    """Add those of the `lines` that the home's list does not hold yet, and see them on the disk."""
    path = home / NAME
    known = {(line.workspace_id, line.subject_id) for line in read(path)}
    fresh = [line for line in lines if (line.workspace_id, line.subject_id) not in known]
    if not fresh:
        return
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    is_broken = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="ascii") as file:
        # What a crash left of a line is ended, so that the next one stands on its own.
        file.write("\n" if is_broken else "")
        file.writelines(_written(line) for line in fresh)
        file.flush()
        os.fsync(file.fileno())


def _written(line: Line) -> str:
    entry = {"workspace": str(line.workspace_id), "subject": str(line.subject_id), "at": line.at.isoformat()}
    return json.dumps(entry) + "\n"

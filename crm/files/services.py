"""Keeps uploaded bytes under own ids in the home; the given name is data, never a path."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO
from uuid import UUID

from sqlalchemy.orm import Session

from crm.db import new_id
from crm.errors import InvalidInputError, NotFoundError, worded
from crm.files.models import StoredFile

CHUNK = 256 * 1024
NAME_LIMIT = 200


class FileTooLargeError(InvalidInputError):
    """More bytes than allowed; nothing was kept."""

    status = 413
    code = "file_too_large"


def store(
    session: Session,
    *,
    folder: Path,
    name: str,
    media_type: str,
    stream: IO[bytes],
    limit: int,
    created_by_id: UUID | None,
) -> StoredFile:
    """Copy at most `limit` bytes of `stream` below `folder` and remember them.

    The bytes are on disk before the row exists; a rollback leaves a file that nobody names, never a row without bytes.
    Raises `FileTooLargeError`.
    """
    file_id = new_id()
    path = path_of(folder, file_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("xb") as target:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                _within(limit, size)
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    row = StoredFile(
        id=file_id,
        name=Path(name).name[:NAME_LIMIT] or "file",
        media_type=media_type[:NAME_LIMIT],
        size=size,
        sha256=digest.hexdigest(),
        created_by_id=created_by_id,
    )
    session.add(row)
    session.flush()
    return row


def _within(limit: int, size: int) -> None:
    if size > limit:
        raise FileTooLargeError(worded("The file is too large."))


def open_file(session: Session, *, folder: Path, file_id: UUID) -> BinaryIO:
    """The bytes of a stored file of this workspace; raises `NotFoundError`."""
    row = session.get(StoredFile, file_id)
    path = path_of(folder, file_id)
    if row is None or not path.is_file():
        raise NotFoundError(worded("There is no such file."))
    return path.open("rb")


def chunks(session: Session, *, folder: Path, file_id: UUID) -> Iterator[bytes]:
    """The bytes of a stored file in pieces; it is opened with the first and closed behind the last."""
    open_file(session, folder=folder, file_id=file_id).close()
    return _read(path_of(folder, file_id))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk


def remove(session: Session, *, folder: Path, file_id: UUID) -> None:
    """Forget a stored file; a second call does nothing.

    The bytes go first: after a rollback there is a row whose file is gone, which reads as "no such file".
    """
    path_of(folder, file_id).unlink(missing_ok=True)
    row = session.get(StoredFile, file_id)
    if row is not None:
        session.delete(row)
        session.flush()


def path_of(folder: Path, file_id: UUID) -> Path:
    """Where the bytes of `file_id` lie; spread over folders by the random end of the id."""
    return folder / file_id.hex[-2:] / file_id.hex

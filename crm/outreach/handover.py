"""Keeps, in memory that outlives a killed process, of which attempts a first byte may have left, and what came of it.

A sender notes an attempt here right before the bytes that can't be taken back, and again when it knows how it ended.
Whoever settles what it left behind first puts a seal below the notes, and then reads them: of an attempt without a note
nothing left, and nothing will, because a sender that finds the seal sends no more, however late it wakes. So a killed
or frozen sender leaves uncertain what was on its connections, and neither what was waiting for one nor what had an
answer that was not written down yet.

One file for each claim, only ever appended to. The kernel orders appends to one file among processes (POSIX, write,
O_APPEND), so of a note and a seal each side knows which came first. The files are in the machine's memory, never in
the home: they must not come back with a backup, and after a restart of the machine there must be none. Whoever finds no
file, or one that another machine began, knows nothing, and says so.
"""

import os
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

log = structlog.get_logger(__name__)

#: Memory that all processes of the machine share and that a restart empties, where the system has one (tmpfs).
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, for us alone.
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_LENGTH: Final = 17
#: The clock touches it with each look at lapsed claims; with an older one it runs elsewhere, or not at all.
_ATTENDED: Final = "attended"
ATTENDED_SECONDS: Final = 60.0


class _Note(Enum):
    """What the first byte of an entry says; an attempt's id follows."""

    SEAL = b"\0"
    LEAVES = b"\1"
    TAKEN = b"\2"
    STAYED = b"\3"


_SEAL: Final = _Note.SEAL.value + bytes(16)


@dataclass(frozen=True, slots=True)
class Known:
    """The attempts of a sealed claim that nobody can say the end of, and those that the channel took.

    Of all others nothing left.
    """

    doubtful: frozenset[UUID]
    taken: frozenset[UUID]


class Journal:
    """The notes of one claim, for its only writer; its threads may share it."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor: int | None = descriptor
        self._size = size
        self._lock = threading.Lock()
        #: Whether nothing can be noted any more: somebody settles the claim, or the memory is full.
        self.is_over = False

    def mark(self, attempt_id: UUID) -> bool:
        """Say that the attempt's bytes may leave from now on; False when they must not."""
        return self._write(_Note.LEAVES, attempt_id)

    def note(self, attempt_id: UUID, *, is_taken: bool) -> None:
        """Say how a marked attempt ended: the channel took it, or surely has nothing of it."""
        self._write(_Note.TAKEN if is_taken else _Note.STAYED, attempt_id)

    def _write(self, what: _Note, attempt_id: UUID) -> bool:
        with self._lock:
            if self.is_over or self._descriptor is None:
                return False
            end = self._size + _LENGTH
            try:
                written = os.write(self._descriptor, what.value + attempt_id.bytes)
                # With anything from somebody else before it, it does not end where it should.
                self.is_over = written < _LENGTH or os.lseek(self._descriptor, 0, os.SEEK_CUR) != end
                # Only now: an entry that was counted and never written would make room for a seal, which is as long.
                self._size = end
            except OSError as error:
                log.warning("handover_unmarked", error=type(error).__name__)
                self.is_over = True
            return not self.is_over

    def close(self) -> None:
        """Note nothing more; what is there stays until the claim is settled."""
        with self._lock:
            self.is_over = True
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None


def attend() -> None:
    """Say that somebody settles claims who sees the files of this machine and this user."""
    try:
        _folder().joinpath(_ATTENDED).touch()
    except OSError as error:
        log.info("handover_unattended", error=type(error).__name__)


def begin(claim_id: UUID) -> Journal | None:
    """The journal of a new claim; None where this machine can't keep one, or nobody would read it."""
    try:
        path, head = _folder() / claim_id.hex, _head()
        if abs(time.time() - (path.parent / _ATTENDED).stat().st_mtime) > ATTENDED_SECONDS:
            return None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        log.info("handover_unkept", error=type(error).__name__)
        return None
    journal = Journal(descriptor, len(head))
    try:
        if os.write(descriptor, head) == len(head):
            return journal
    except OSError as error:
        log.warning("handover_unkept", error=type(error).__name__)
    journal.close()
    forget(claim_id)
    return None


def seal(claim_id: UUID) -> Known | None:
    """End a claim's notes for good; what they say, or None when nobody can say."""
    try:
        head = _head()
        descriptor = os.open(_place(claim_id), os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if not _is_ours(os.fstat(descriptor), stat.S_ISREG):
            return None
        # In one write: from here on the writer's next note is not where it expects it.
        if os.write(descriptor, _SEAL) != len(_SEAL):
            return None
        size = os.fstat(descriptor).st_size
        content = os.pread(descriptor, size, 0)
        if len(content) != size:
            # A note that can't be read says no less than one that can: swapped memory may not come back.
            log.warning("handover_unread", error="short")
            return None
    except OSError as error:
        log.warning("handover_unread", error=type(error).__name__)
        return None
    finally:
        os.close(descriptor)
    return _read(content[len(head) :]) if content.startswith(head) else None


def _read(notes: bytes) -> Known:
    doubtful: set[UUID] = set()
    taken: set[UUID] = set()
    for at in range(0, len(notes) - _LENGTH + 1, _LENGTH):
        what, attempt_id = notes[at : at + 1], UUID(bytes=notes[at + 1 : at + _LENGTH])
        if what == _Note.LEAVES.value:
            doubtful.add(attempt_id)
        elif what != _Note.SEAL.value:
            doubtful.discard(attempt_id)
            if what == _Note.TAKEN.value:
                taken.add(attempt_id)
    return Known(frozenset(doubtful), frozenset(taken))


def forget(claim_id: UUID) -> None:
    """Remove the notes of a claim that is settled."""
    try:
        _place(claim_id).unlink(missing_ok=True)
    except OSError as error:
        log.info("handover_left", error=type(error).__name__)


def _place(claim_id: UUID) -> Path:
    return MEMORY / f"filodiretto-{os.getuid()}" / claim_id.hex


def _folder() -> Path:
    """Our folder, made when it is not there. Raises `OSError`, also when somebody else has made it."""
    folder = _place(UUID(int=0)).parent
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_ours(folder.stat(follow_symlinks=False), stat.S_ISDIR):
        raise PermissionError
    return folder


def _is_ours(about: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Whether nobody else can have made it; the memory is open to all users of the machine."""
    return about.st_uid == os.getuid() and is_kind(about.st_mode)


def _head() -> bytes:
    """What says that a file is of this machine, since it was started. Raises `OSError`."""
    return b"filodiretto handover 1 " + _BOOT.read_bytes()

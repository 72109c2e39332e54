"""Folders for the servers of a test run: in memory where there is room, on the disk otherwise."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - each folder in it is made by mkdtemp.
#: What must be free there, in bytes: a whole run takes a quarter of it at most. A container's 64 MB are no room.
ROOM = 2 * 1024**3


def place() -> Path | None:
    """Where folders are made; None is the usual place.

    A database is a thousand small files: to copy one in memory takes a tenth of what it takes on a disk.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        return MEMORY
    return None


def forget_the_dead(prefix: str) -> None:
    """Give back the memory of runs that were killed before they could."""
    for folder in MEMORY.glob(f"{prefix}*-*"):
        process = folder.name.removeprefix(prefix).partition("-")[0]
        if process.isdecimal() and not Path("/proc", process).exists():
            with suppress(OSError):
                shutil.rmtree(folder)


def short_home(prefix: str) -> Path:
    """A fresh folder that a server started by root can enter as another user; whoever asks for it removes it."""
    where = place()
    if where is not None:
        forget_the_dead(prefix)
    home = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=where))
    home.chmod(0o755)
    return home

"""Child processes of the embedded servers: whom they run as, how they are started, ended and looked up."""

import os
import pwd
import signal
import stat
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from crm.embedded.launch import passing_capability

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT_BYTES = 5_000_000


class EmbeddedError(RuntimeError):
    """An embedded server can't be started or reached; the message tells the operator what to do."""


class Running(ABC):
    """What is started at the beginning of a block and stopped at its end, also when its start fails half-way."""

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it; does nothing when it isn't running."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@dataclass(frozen=True)
class Account:
    """A system user that runs the servers when we are root, because PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """True when this user has search permission for `folder` itself (not for its parents)."""
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)

    def closed_parent(self, path: Path) -> Path | None:
        """The outermost parent of `path`, or of what it links to, that doesn't let this user through."""
        for folder in (*reversed(path.absolute().parents), *reversed(path.resolve().parents)):
            if folder.exists() and not self.can_enter(folder):
                return folder
        return None

    def reaches(self, path: Path) -> bool:
        """True when every parent of `path` lets this user through."""
        return self.closed_parent(path) is None

    def require_path(self, path: Path) -> None:
        """Raise `EmbeddedError` unless this user gets to `path`, by its parents' modes or by what root may hand on.

        A checkout in root's own closed home is common in containers; the modes of somebody's folders are not ours to
        change.
        """
        folder = self.closed_parent(path)
        if folder is not None and passing_capability() is None:
            raise EmbeddedError(
                f"The servers run as the user '{self.name}' when started by root, and that user can't enter "
                f"{folder} on the way to {path}. Start as an ordinary user, or allow passing through with: "
                f"chmod o+x '{folder}'"
            )


def account_for(folder: Path) -> Account | None:
    """The user to run a server with the data `folder` as: None for "as we are", a system user when we are root.

    An existing data folder decides; else the first of postgres, nobody, daemon that this system has.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat().st_uid) != 0:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError as error:
            raise EmbeddedError(
                f"{folder} belongs to the user id {owner}, which has no passwd entry: chown it first."
            ) from error
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in ("postgres", "nobody", "daemon"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is no user postgres, nobody or daemon to run it as. "
        "Start as an ordinary user."
    )


def own_folder(folder: Path, account: Account | None) -> None:
    """Make `folder` (mode 0700) for `account`; raises `EmbeddedError` when it is somebody else's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    wanted = account.uid if account else os.geteuid()
    if not stat.S_ISDIR(status.st_mode):
        raise EmbeddedError(f"{folder} is not a folder.")
    if status.st_uid not in {wanted, os.geteuid()}:
        raise EmbeddedError(f"{folder} belongs to another user (id {status.st_uid}).")
    if status.st_uid != wanted and account:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)


def open_log(path: Path) -> IO[bytes]:
    """`path` for appending, after keeping one older file when it has grown past 5 MB."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def log_tail(path: Path, lines: int = 12) -> str:
    """The last `lines` of a server's log, for an error message."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def server_environment() -> dict[str, str]:
    """A small environment for the servers: no PG* variable of the caller may bend them."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}


def launch(
    arguments: Sequence[str],
    *,
    parent_death: signal.Signals,
    account: Account | None = None,
    needs: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    log: IO[bytes] | None = None,
    folder: str | Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own that gets `parent_death` when we die (Linux).

    As `account` it keeps the right to pass through closed folders only when it can't get to a path in `needs` without.

    A session of its own, because Ctrl-C in the terminal must reach the supervisor only, which stops its children in
    order. Call it from a thread that lives as long as the process: the kernel watches the starting thread.
    """
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    may_pass = account is not None and not all(account.reaches(path) for path in needs)
    numbers = (os.getpid(), int(parent_death), uid, gid, int(may_pass))
    bootstrap = [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, numbers)]
    return subprocess.Popen(  # noqa: S603 - an argument list of our own, no shell.
        [*bootstrap, *arguments],
        env=dict(environment) if environment is not None else None,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log is not None else None,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes], signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn and wait its seconds, until the process is gone; SIGKILL closes the list."""
    for number, seconds in signals:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()


def program_of(pid: int) -> str:
    """The name of the program a process runs, '' when there is no such process or it is a zombie."""
    if not Path("/proc/self/stat").exists():
        return _program_from_ps(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    name, _, rest = text.partition("(")[2].rpartition(")")
    return "" if rest.split()[:1] == ["Z"] else name


def _program_from_ps(pid: int) -> str:
    """The same where there is no /proc."""
    words = subprocess.run(  # noqa: S603 - fixed words and a number.
        ["ps", "-o", "stat=,comm=", "-p", str(pid)],  # noqa: S607 - `ps` stands in different folders per system.
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split(maxsplit=1)
    if len(words) < 2 or words[0].startswith("Z"):  # noqa: PLR2004 - state and name.
        return ""
    return Path(words[1].strip()).name

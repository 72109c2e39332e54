"""The home folder of an installation: its lock, and the folder of its sockets."""

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import socket
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from crm.embedded.processes import Account, EmbeddedError, own_folder

# sockaddr_un holds 108 bytes on Linux and 104 elsewhere, with the final zero.
SOCKET_PATH_LIMIT = 103


@dataclass(frozen=True)
class Holder:
    """Who runs an installation, as written into its lock file."""

    pid: int
    user: str
    host: str
    command: str
    address: str
    since: str

    def sentence(self, home: Path) -> str:
        """One sentence for the person who tried to start it a second time."""
        where = f" at {self.address}" if self.address else ""
        return (
            f"Already running on {home}: `{self.command}` by {self.user} on {self.host} "
            f"(process {self.pid}, since {self.since}){where}."
        )


class HomeBusyError(EmbeddedError):
    """Another process runs this home."""

    def __init__(self, home: Path, holder: Holder | None) -> None:
        super().__init__(holder.sentence(home) if holder else f"Already running on {home}.")
        self.holder = holder


def make_home(home: Path) -> Path:
    """Create the home folder when missing and return its absolute path.

    When root makes it, other users may pass through (not list it), because the servers run as one of them.
    """
    home = home.expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise EmbeddedError(f"Can't create the home folder {home}: {error.strerror}.") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise EmbeddedError(f"The home folder {home} isn't writable for this user.")
    return home


def read_holder(home: Path) -> Holder | None:
    """What the lock file says, None when it is empty or from another version."""
    try:
        return Holder(**json.loads((home / "lock").read_text()))
    except (OSError, ValueError, TypeError):
        return None


class HomeLock:
    """An exclusive lock on a home, held while the servers run; the system drops it however the holder ends."""

    def __init__(self, home: Path, *, command: str, address: str = "") -> None:
        self.home = home
        self._command = command
        self._address = address
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise `HomeBusyError` with the holder."""
        make_home(self.home)
        try:
            descriptor = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise EmbeddedError(f"{self.home / 'lock'} belongs to another user; run as that user.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise HomeBusyError(self.home, read_holder(self.home)) from error
        self._descriptor = descriptor
        self._write_holder()

    def _write_holder(self) -> None:
        if self._descriptor is None:
            return
        holder = Holder(
            pid=os.getpid(),
            user=_user_name(),
            host=socket.gethostname(),
            command=self._command,
            address=self._address,
            since=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(asdict(holder)).encode(), 0)

    def release(self) -> None:
        """Give the lock back; the file stays, empty."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def socket_folder(home: Path, account: Account | None) -> Path:
    """A private folder with a short path for the Unix sockets of this home, made when missing.

    Socket paths are limited to about a hundred bytes and a home may be deeper, so the folder lies in the run or temp
    folder under a name made from the home's device and inode. The choice is written into the home, so that a second
    process with another environment finds the same one.
    """
    note = home / "sockets"
    with contextlib.suppress(OSError):
        known = Path(note.read_text().strip())
        if known.name == _socket_name(home) and known.parent.is_dir():
            own_folder(known, account)
            return known
    for base in _socket_bases(account):
        folder = base / _socket_name(home)
        if len(os.fsencode(folder / ".s.PGSQL.5432")) > SOCKET_PATH_LIMIT or not os.access(base, os.W_OK | os.X_OK):
            continue
        if account is not None and not account.reaches(folder):
            continue
        own_folder(folder, account)
        note.write_text(str(folder))
        return folder
    raise EmbeddedError("No folder with a short enough path for the sockets: set TMPDIR to one, for example /tmp.")


def leave_socket_folder(home: Path) -> None:
    """Take the folder away when no other server has its socket there; the next start makes it again."""
    with contextlib.suppress(OSError):
        Path((home / "sockets").read_text().strip()).rmdir()


def _socket_name(home: Path) -> str:
    status = home.stat()
    return "crm-" + hashlib.sha256(f"{status.st_dev}:{status.st_ino}".encode()).hexdigest()[:16]


def _socket_bases(account: Account | None) -> list[Path]:
    """Folders to try, best first; the run folder of a user is closed to the account root drops to."""
    run = os.environ.get("XDG_RUNTIME_DIR", "")
    bases = [Path(run)] if run and account is None and Path(run).is_dir() else []
    return [*bases, Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 - the folder inside is 0700 and checked.

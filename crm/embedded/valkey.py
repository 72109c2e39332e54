"""Valkey from the installed binary: start and stop on a Unix socket.

It holds wake-ups and counters only, so losing its data loses nothing that was accepted.
"""

import contextlib
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from crm.embedded.binaries import find_valkey
from crm.embedded.home import leave_socket_folder, make_home, socket_folder
from crm.embedded.processes import (
    EmbeddedError,
    Running,
    account_for,
    end,
    launch,
    log_tail,
    open_log,
    own_folder,
    server_environment,
)

START_SECONDS = 30.0


class ValkeyServer(Running):
    """One Valkey in `home`/valkey; the same rules as for `PostgresServer`."""

    def __init__(self, home: Path) -> None:
        self.home = make_home(home)
        self.data = self.home / "valkey"
        self.log = self.home / "log" / "valkey.log"
        # The owner of PostgreSQL's folder decides for both, so that they share one folder of sockets.
        self._account = account_for(self.home / "postgres")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The running server, None before `start` and after `stop`."""
        return self._process

    @property
    def socket(self) -> Path:
        """The path of the Unix socket."""
        return socket_folder(self.home, self._account) / "valkey.sock"

    @property
    def url(self) -> str:
        """The URL in redis-py's form."""
        return f"unix://{quote(str(self.socket))}?db=0"

    def start(self) -> None:
        """Start it and wait until it answers; data it can't read is set aside, because none of it is needed."""
        if self._process is not None and self._process.poll() is None:
            return
        binary = find_valkey()
        if self._account is not None:
            self._account.require_path(binary)
            self._account.require_path(self.data)
        self._end_leftover()
        own_folder(self.data, self._account)
        if self._start_once(binary):
            return
        unreadable = self.data / "appendonlydir"
        if unreadable.exists():
            stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
            unreadable.rename(self.data / f"unreadable-{stamp}")
            if self._start_once(binary):
                return
        raise EmbeddedError(f"Valkey didn't start; the end of {self.log}:\n{log_tail(self.log)}")

    def stop(self) -> None:
        """Orderly shutdown; does nothing when the server isn't running."""
        if self._process is not None:
            end(self._process, [(signal.SIGTERM, 10.0)])
            self._process = None
            leave_socket_folder(self.home)

    def _start_once(self, binary: Path) -> bool:
        """True when it answers, False when it ended by itself."""
        arguments = [
            *(str(binary), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(self.data), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
        ]
        with open_log(self.log) as log:
            self._process = launch(
                arguments,
                parent_death=signal.SIGTERM,
                account=self._account,
                needs=(binary, self.data),
                environment=server_environment(),
                log=log,
                folder="/",
            )
        patience = time.monotonic() + START_SECONDS
        while self._process.poll() is None:
            if self._ask(b"PING\r\n").startswith(b"+PONG"):
                return True
            if time.monotonic() > patience:
                self.stop()
                raise EmbeddedError(f"Valkey didn't answer within {START_SECONDS:.0f} s:\n{log_tail(self.log)}")
            time.sleep(0.02)
        self._process = None
        return False

    def _ask(self, command: bytes) -> bytes:
        """Send one command in the inline form; b'' when nobody answers."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2.0)
            connection.connect(str(self.socket))
            connection.sendall(command)
            return connection.recv(256)
        return b""

    def _end_leftover(self) -> None:
        """End a server on this socket that outlived a killed supervisor: two on one folder would spoil it."""
        patience = time.monotonic() + START_SECONDS
        while self._ask(b"PING\r\n"):
            self._ask(b"SHUTDOWN\r\n")
            if time.monotonic() > patience:
                raise EmbeddedError(f"Another Valkey answers at {self.socket} and doesn't end.")
            time.sleep(0.05)

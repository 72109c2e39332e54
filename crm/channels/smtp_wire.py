"""The bytes of an SMTP connection: one deadline over each stage and limits on what a server may send."""

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Final

from crm.channels.base import always
from crm.hub import READ, WRITE, wait_for

_REPLY: Final = re.compile(rb"[2-5][0-9]{2}(?:[ -]|\Z)")
_MAX_LINE: Final = 4096
_MAX_LINES: Final = 128


class Wire(smtplib.SMTP):
    """The standard library's client with a deadline over each reply and limits on its size.

    Its own reader has a time-out per line only, and no limit on the number of lines. All waits give way to other lines
    of a hub.
    """

    def __init__(self, connection: socket.socket, host: str) -> None:
        # Without a name of ours the library would ask DNS for one.
        super().__init__(local_hostname="localhost")
        connection.setblocking(False)
        self.sock = connection
        self._host = host  # The name that STARTTLS verifies.
        self._received = bytearray()
        self._deadline = time.monotonic()

    def allow(self, seconds: float) -> None:
        """Give the following writes and reads this long altogether."""
        self._deadline = time.monotonic() + seconds

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply, of several lines perhaps; -1 for something that is no SMTP reply."""
        texts: list[bytes] = []
        while len(texts) < _MAX_LINES:
            line = self._line()
            texts.append(line[4:].strip())
            if not _REPLY.match(line):
                return -1, b""
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(texts)
        return -1, b""

    def send(self, s: Any) -> None:
        """Write everything before the deadline. Raises `OSError`."""
        self.send_while(always, s.encode("ascii") if isinstance(s, str) else s)

    def send_while(self, may_leave: Callable[[], bool], data: bytes) -> bool:
        """Write `data` before the deadline; False when `may_leave` said no before it was out. Raises `OSError`.

        Asked right before each write to the kernel, without a wait in between: a process can be frozen at any moment,
        and must not let go of anything when it wakes too late. What was written without its end is worth nothing.
        """
        self._hurry()
        connection = self.sock
        if connection is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        left = memoryview(data)
        while left and may_leave():
            try:
                left = left[connection.send(left) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(WRITE)
            except ssl.SSLWantReadError:
                self._wait(READ)
        return not left

    def _wait(self, events: int) -> None:
        """Give way until the connection is ready. Raises `TimeoutError` at the deadline."""
        if self.sock is None or not wait_for(self.sock.fileno(), events, until=self._deadline):
            raise TimeoutError

    def has_unread(self) -> bool:
        """Whether bytes are waiting that no command asked for."""
        return bool(self._received)

    def _line(self) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > _MAX_LINE:
                raise smtplib.SMTPServerDisconnected("reply line too long")
            self._hurry()
            if self.sock is None:
                raise smtplib.SMTPServerDisconnected("not connected")
            piece = self._piece(self.sock)
            if not piece:
                raise smtplib.SMTPServerDisconnected("closed by the server")
            self._received += piece
        line = bytes(self._received[:end]).rstrip(b"\r")
        del self._received[: end + 1]
        return line

    def _piece(self, connection: socket.socket) -> bytes:
        while True:
            try:
                return connection.recv(8192)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(READ)
            except ssl.SSLWantWriteError:
                self._wait(WRITE)

    def _hurry(self) -> None:
        if self._deadline <= time.monotonic():
            raise TimeoutError

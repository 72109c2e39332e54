"""The bytes of an IMAP connection: one deadline over each step and limits on what a server may send."""

import imaplib
import socket
import ssl
import time
from contextlib import suppress
from typing import Any, Final

_MAX_LINE: Final = 64 * 1024
_MAX_LITERAL: Final = 256 * 1024
#: All that a server may send in one step, the names of its folders included.
_MAX_STEP: Final = 4 * 1024 * 1024
_PIECE: Final = 64 * 1024


class ImapWire(imaplib.IMAP4):
    """The standard library's client over a socket that was dialled already.

    Its own reader has a time-out per read only, and keeps whatever a server sends.
    """

    def __init__(self, connection: socket.socket, host: str, *, seconds: float) -> None:
        self._connection = connection
        self._received = bytearray()
        self._left = _MAX_STEP
        self._longest_line, self._longest_literal = _MAX_LINE, _MAX_LITERAL
        self._deadline = time.monotonic() + seconds
        super().__init__(host)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:  # noqa: ARG002
        """Take the socket that is there."""
        self.host = host
        self.sock = self._connection

    def allow(self, seconds: float, *, line: int = _MAX_LINE, literal: int = _MAX_LITERAL, step: int = 0) -> None:
        """Give the next step this long altogether, however slowly the server drips, and so many bytes.

        `line` and `literal` bound the longest of each, `step` everything (at least the usual 4 MB).
        """
        self._deadline = time.monotonic() + seconds
        self._longest_line, self._longest_literal = line, literal
        self._left = max(step, _MAX_STEP)

    def encrypt(self, tls: ssl.SSLContext) -> None:
        """STARTTLS. Raises `OSError`, `ssl.SSLError` or `imaplib.IMAP4.error`; nothing goes on in clear."""
        answer, _ = self._simple_command("STARTTLS")
        if answer != "OK" or self._received:
            # What came after the answer in clear text was smuggled in (CVE-2011-0411 and its kin).
            raise imaplib.IMAP4.abort("no encryption")
        self._hurry()
        self.sock = self._connection = tls.wrap_socket(self._connection, server_hostname=self.host)
        self.learn()

    def learn(self) -> None:
        """Ask what the server can do: it may say more after the encryption and after the sign-in."""
        _, lines = self.capability()
        words = b" ".join(line for line in lines if isinstance(line, bytes))
        self.capabilities = tuple(words.decode("ascii", "replace").upper().split())

    def read(self, size: int) -> bytes:
        """A literal of `size` bytes."""
        if size > self._longest_literal:
            raise imaplib.IMAP4.abort("literal too long")
        while len(self._received) < size:
            self._more()
        return self._take(size)

    def readline(self) -> bytes:
        """One line with its end."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > self._longest_line:
                raise imaplib.IMAP4.abort("line too long")
            self._more()
        return self._take(end + 1)

    def send(self, data: Any) -> None:
        """Write everything before the deadline."""
        self._hurry()
        self._connection.sendall(data)

    def shutdown(self) -> None:
        """Close the socket; safe to call twice."""
        with suppress(OSError):
            self._connection.close()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _more(self) -> None:
        self._hurry()
        piece = self._connection.recv(_PIECE)
        self._left -= len(piece)
        if not piece or self._left < 0:
            raise imaplib.IMAP4.abort("closed by the server" if not piece else "answer too long")
        self._received += piece

    def _hurry(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)

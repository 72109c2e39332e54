"""A mail server that keeps an append-only journal and misbehaves on demand; run as a process of its own.

Arguments: the journal's path, the number of the message on which it hangs (0 for never), and milliseconds it takes for
each message. It prints its port, and then a dot for every journal entry.
"""

import contextlib
import hashlib
import json
import os
import socketserver
import sys
import threading
import time
from email import message_from_bytes
from email.policy import default

_lock = threading.Lock()
_count = 0


def note(journal: int, **entry: object) -> None:
    """One entry, written at once: the journal must know more than the sender, never less."""
    line = json.dumps({"at": time.time(), **entry}) + "\n"
    os.write(journal, line.encode())
    # The journal is the truth; standard output only wakes whoever waits, and nobody has to read it.
    with contextlib.suppress(BlockingIOError):
        os.write(1, b".\n")


class Session(socketserver.StreamRequestHandler):
    """One connection: just enough SMTP, with PIPELINING."""

    # Otherwise the second of three pipelined answers would wait for an acknowledgement of the first.
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.say("220 simulator")
        recipient = ""
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.wfile.write(b"250-simulator\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"RCPT":
                recipient = line.split(b"<")[1].split(b">")[0].decode()
                self.say("250 2.1.5 ok")
            elif verb == b"DATA":
                self.say("354 go on")
                if not self.take(recipient):
                    return
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 ok")

    def take(self, recipient: str) -> bool:
        global _count  # noqa: PLW0603 - one counter for the process.
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line[1:] if line.startswith(b"..") else line)
        message = message_from_bytes(b"".join(lines), policy=default)
        text = message.get_body(("plain",)).get_content().replace("\r\n", "\n").rstrip("\n")
        with _lock:
            _count += 1
            number = _count
            note(
                self.server.journal,
                number=number,
                reference=str(message["Message-ID"]),
                recipient=recipient,
                subject=str(message["Subject"]),
                text=hashlib.sha256(text.encode()).hexdigest(),
            )
        if number == self.server.hang_at:
            threading.Event().wait()
        if self.server.pause:
            threading.Event().wait(self.server.pause)
        self.say(f"250 2.0.0 queued as Q{number}")
        return True

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, _request: object, _address: object) -> None:
        """A client that was killed is what this server is for."""


def main() -> None:
    path, hang_at, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1000
    server = Server(("127.0.0.1", 0), Session)
    server.journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    server.hang_at, server.pause = hang_at, pause
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    os.set_blocking(1, False)
    server.serve_forever()


if __name__ == "__main__":
    main()

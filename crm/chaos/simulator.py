"""A mail server that keeps an append-only journal and misbehaves by a script and a seed; a process of its own.

Arguments: the journal's path and the script as JSON (see `Script`). It prints its port. It is started by its path with
`python -I`, so it uses the standard library only and knows nothing of the product.
"""

import contextlib
import hashlib
import json
import os
import random
import socketserver
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import Any, cast

#: Where a server can misbehave, in the order of a hand-over. The first four count connections, the others messages.
STAGES = ("banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "final")
PER_CONNECTION = frozenset(STAGES[:4])
#: slow: answer after a while; hang: never answer; drop: close without an answer (and without the message);
#: reply: answer with `code`; twice: give the right answer twice; garbage: answer with bytes that are no reply;
#: swallow: take the message and close without an answer (at the final dot only).
BEHAVIOURS = ("slow", "hang", "drop", "reply", "twice", "garbage", "swallow")


@dataclass(frozen=True)
class Rule:
    """At `stage`, do `do`: on the connections or messages with these numbers (from 1), or by `chance` of the seed."""

    stage: str
    do: str
    numbers: frozenset[int] = frozenset()
    chance: float = 0.0
    code: int = 451
    text: str = "4.3.0 not now"
    seconds: float = 0.2


@dataclass(frozen=True)
class Script:
    """How one server behaves. `certificate` is a file with certificate and key; with it STARTTLS is offered."""

    seed: int = 0
    rules: tuple[Rule, ...] = ()
    certificate: str = ""
    pipelining: bool = True

    @classmethod
    def read(cls, text: str) -> "Script":
        """From JSON; an unknown stage or behaviour is an error, so that a script can't be wrong in silence."""
        fields = json.loads(text)
        rules = tuple(
            Rule(**{**rule, "numbers": frozenset(rule.get("numbers", ()))}) for rule in fields.pop("rules", ())
        )
        for rule in rules:
            if rule.stage not in STAGES or rule.do not in BEHAVIOURS:
                raise ValueError(f"no such rule: {rule.stage} {rule.do}")
        return cls(**fields, rules=rules)

    def rule(self, stage: str, number: int) -> Rule | None:
        """What happens at this stage of this connection or message; the same for the same seed."""
        for index, rule in enumerate(self.rules):
            if rule.stage != stage:
                continue
            dice = random.Random(f"{self.seed}/{index}/{number}")  # noqa: S311 - repeatable misbehaviour, no secret.
            if number in rule.numbers or dice.random() < rule.chance:
                return rule
        return None


@dataclass
class Journal:
    """What came in: a line is written at once, before the answer, so the file never knows less than the sender."""

    file: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, **entry: object) -> None:
        """Append one entry with the time."""
        line = json.dumps({"at": time.time(), **entry}) + "\n"
        with self.lock:
            os.write(self.file, line.encode())


class Hang(Exception):  # noqa: N818 - no error: the wish to answer nothing any more.
    """Nothing is answered on this connection any more, and it stays open."""


class Hangup(Exception):  # noqa: N818 - no error: the wish to close.
    """The connection is closed without a word."""


class Session(socketserver.StreamRequestHandler):
    """One connection: SMTP with STARTTLS, AUTH and PIPELINING, as far as a sender needs it."""

    # Otherwise the second of three pipelined answers would wait for an acknowledgement of the first.
    disable_nagle_algorithm = True

    @property
    def house(self) -> "Server":
        """The server with its journal and script."""
        return cast("Server", self.server)

    def handle(self) -> None:
        self.connection_number = self.house.count("connection")
        self.message_number = 0
        try:
            self.answer("banner", "220 simulator")
            self.converse()
        except Hang:
            threading.Event().wait()
        except (Hangup, OSError, ValueError):
            return

    def converse(self) -> None:
        recipient = ""
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.hello()
            elif verb == b"STAR":
                self.encrypt()
            elif verb == b"AUTH":
                self.answer("auth", "235 2.7.0 welcome")
            elif verb == b"MAIL":
                self.message_number = self.house.count("message")
                self.answer("mail", "250 2.1.0 ok")
            elif verb == b"RCPT":
                recipient = line.split(b"<")[1].split(b">")[0].decode()
                self.answer("rcpt", "250 2.1.5 ok")
            elif verb == b"DATA":
                if self.answer("data", "354 go on"):
                    self.take(recipient)
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 ok")

    def hello(self) -> None:
        offers = ["simulator", *(["PIPELINING"] if self.house.script.pipelining else []), "8BITMIME"]
        if isinstance(self.connection, ssl.SSLSocket):
            offers.append("AUTH PLAIN")
        elif self.house.tls is not None:
            offers.append("STARTTLS")
        lines = [f"250-{word}" for word in offers[:-1]] + [f"250 {offers[-1]}"]
        self.answer("ehlo", "\r\n".join(lines))

    def encrypt(self) -> None:
        if self.house.tls is None:
            self.say("502 5.5.1 no")
        elif self.answer("starttls", "220 2.0.0 ready"):
            self.connection = self.house.tls.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb", -1)
            self.wfile = self.connection.makefile("wb", 0)

    def answer(self, stage: str, right: str) -> bool:
        """Give the right answer, or what the script wants instead; False when it was another one."""
        number = self.connection_number if stage in PER_CONNECTION else self.message_number
        rule = self.house.script.rule(stage, number)
        if rule is not None:
            code = rule.code if rule.do == "reply" else 0
            self.house.journal.note(
                fault=rule.do, code=code, stage=stage, connection=self.connection_number, number=number
            )
        if rule is None or rule.do == "slow":
            threading.Event().wait(rule.seconds if rule else 0.0)
            self.say(right)
            return True
        return self.misbehave(rule, right)

    def misbehave(self, rule: Rule, right: str) -> bool:
        if rule.do == "hang":
            raise Hang
        if rule.do in {"drop", "swallow"}:
            raise Hangup
        if rule.do == "reply":
            self.say(f"{rule.code} {rule.text}")
            return False
        if rule.do == "garbage":
            self.wfile.write(b"\x00\xff\xfe HTTP/1.1 200 OK\r\n")
            return False
        self.say(right)
        self.say(right)
        return True

    def take(self, recipient: str) -> None:
        """Read the content, write it down, and give the verdict."""
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise Hangup
            lines.append(line[1:] if line.startswith(b"..") else line)
        number = self.message_number
        rule = self.house.script.rule("final", number)
        refused = rule is not None and rule.do in {"drop", "reply"}
        silent = rule is not None and rule.do in {"drop", "swallow", "hang", "garbage"}
        answer = f"{rule.code}" if rule is not None and rule.do == "reply" else "250"
        self.house.journal.note(
            **described(b"".join(lines)),
            number=number,
            connection=self.connection_number,
            recipient=recipient,
            taken=not refused,
            answer="" if silent else answer,
        )
        self.answer("final", f"250 2.0.0 queued as Q{number}")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


def described(content: bytes) -> dict[str, Any]:
    """What the journal keeps of a message: our reference, the subject, the hash of the readable text."""
    message = message_from_bytes(content, policy=default)
    part = message.get_body(("plain",))
    text = str(part.get_content() if part else "").replace("\r\n", "\n").rstrip("\n")
    return {
        "reference": str(message["Message-ID"]),
        "subject": str(message["Subject"]),
        "text": hashlib.sha256(text.encode()).hexdigest(),
    }


class Server(socketserver.ThreadingTCPServer):
    """Listens on loopback; a thread for each connection."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, journal: Journal, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.journal = journal
        self.script = script
        self.tls: ssl.SSLContext | None = None
        if script.certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(script.certificate)
        self._counts = {"connection": 0, "message": 0}
        self._lock = threading.Lock()

    def count(self, what: str) -> int:
        """The number of the next connection or message."""
        with self._lock:
            self._counts[what] += 1
            return self._counts[what]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is what this server is for."""


def main(argv: list[str]) -> None:
    """Serve until killed, or until whoever started this process is gone."""
    journal = Journal(os.open(argv[0], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    server = Server(journal, Script.read(argv[1]))
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])

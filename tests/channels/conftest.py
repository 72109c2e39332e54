"""Mail servers on loopback: one that follows a script of misbehaviour, and a real one."""

import contextlib
import datetime as dt
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller

from crm.channels.base import Outbound
from crm.channels.smtp import EmailConnection, Security, SmtpConfig, Timeouts
from crm.net.guard import Guard

DROP, HANG = b"drop", b"hang"
GOOD = {
    "greeting": b"220 mail.example ESMTP\r\n",
    "ehlo": b"250 mail.example\r\n",
    "auth": b"235 2.7.0 ok\r\n",
    "mail": b"250 2.1.0 ok\r\n",
    "rcpt": b"250 2.1.5 ok\r\n",
    "data": b"354 go on\r\n",
    "final": b"250 2.0.0 queued\r\n",
    "rset": b"250 ok\r\n",
    "noop": b"250 ok\r\n",
    "quit": b"221 bye\r\n",
    "starttls": b"220 go on\r\n",
}


@dataclass
class ScriptedServer:
    """Speaks SMTP by a script: per stage the bytes to answer, or DROP, or HANG."""

    port: int = 0
    script: dict[str, bytes | Callable[[int], bytes]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    writes: list[bytes] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    connections: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    open: list[socket.socket] = field(default_factory=list)

    def hang_up(self) -> None:
        """Close all connections between two messages, as a server does with idle ones."""
        while self.open:
            with contextlib.suppress(OSError):
                self.open.pop().shutdown(socket.SHUT_RDWR)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._one, args=(connection, self.connections), daemon=True).start()

    def _one(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, EOFError), connection:
            self._say(connection, "greeting", number)
            buffer = b""
            while not self.stop.is_set():
                while b"\r\n" not in buffer:
                    buffer += self._receive(connection)
                line, buffer = buffer.split(b"\r\n", 1)
                text = line.decode("latin-1")
                self.lines.append(text)
                stage = text.split(" ")[0].lower().replace("helo", "ehlo")
                self._say(connection, stage if stage in GOOD else "auth", number)
                if stage == "data" and self._answer("data", number).startswith(b"354"):
                    while not buffer.startswith(b".\r\n") and b"\r\n.\r\n" not in buffer:
                        buffer += self._receive(connection)
                    message, buffer = buffer.split(b"\r\n.\r\n", 1)
                    self.messages.append(message + b"\r\n")
                    self._say(connection, "final", number)
                if stage == "quit":
                    return

    def _receive(self, connection: socket.socket) -> bytes:
        piece = connection.recv(65536)
        if not piece:
            raise EOFError
        self.writes.append(piece)
        return piece

    def _answer(self, stage: str, number: int) -> bytes:
        answer = self.script.get(stage, GOOD[stage])
        return answer(number) if callable(answer) else answer

    def _say(self, connection: socket.socket, stage: str, number: int) -> None:
        answer = self._answer(stage, number)
        if answer == DROP:
            raise EOFError
        if answer == HANG:
            self.stop.wait(30)
            raise EOFError
        connection.sendall(answer)


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = ScriptedServer(port=listener.getsockname()[1])
    thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
    thread.start()
    yield server
    server.stop.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.fixture
def outbound() -> Outbound:
    return Outbound(
        message_id=UUID("01941f29-7c00-7000-8000-000000000001"),
        attempt_no=1,
        reference="<01941f297c0070008000000000000001@crm.example>",
        from_address="vendite@studio.example",
        from_name="Giulia",
        to_address="anna.rossi@cliente.example",
        subject="Prova",
        text="Ciao Anna.\n.\n..due punti\nPerché no?",
        date=dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC),
    )


def _config(port: int, **options) -> SmtpConfig:
    return SmtpConfig(
        host="127.0.0.1",
        port=port,
        security=options.pop("security", Security.NONE),
        timeouts=options.pop("timeouts", Timeouts(greeting=8, command=8, content=8, final=8)),
        **options,
    )


@pytest.fixture
def connection_to() -> Iterator[Callable[..., EmailConnection]]:
    """Make connections to a port on loopback, which the operator exempted; closed at the end."""
    opened: list[EmailConnection] = []

    def make(port: int, *, tls=None, **options) -> EmailConnection:
        connection = EmailConnection(_config(port, **options), Guard(allow=("127.0.0.1",)), tls=tls)
        opened.append(connection)
        return connection

    yield make
    for connection in opened:
        connection.close()


@dataclass
class Kept:
    """What the real server received."""

    envelopes: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    sign_ins: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the hook's name
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        return "250 2.0.0 kept"


class LoopbackController(Controller):
    """Listens on a port the system chooses."""

    def __init__(self, handler, **options):
        super().__init__(handler, hostname="127.0.0.1", port=0, **options)

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def real_server() -> Iterator[Callable[..., tuple[Kept, int]]]:
    """Start real servers with the given options; stopped at the end."""
    started: list[Controller] = []

    def start(**options) -> tuple[Kept, int]:
        kept = Kept()
        controller = LoopbackController(kept, **options)
        controller.start()
        started.append(controller)
        return kept, controller.port

    yield start
    for controller in started:
        controller.stop()

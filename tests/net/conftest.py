"""A web server on loopback that answers exactly what a test scripts."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from crm.chaos.certificates import self_signed
from crm.net.client import HttpClient
from crm.net.guard import Guard


@dataclass
class FakeSite:
    """Answers each connection by the script of its path and keeps every request it read."""

    port: int = 0
    answers: dict[str, bytes | Callable[[socket.socket], None]] = field(default_factory=dict)
    requests: list[bytes] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    names: list[str] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                stack.callback(connection.close)
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(65536)
                if not piece:
                    return
                request += piece
            self.requests.append(request)
            path = request.split(b" ")[1].decode()
            answer = self.answers.get(path, answer_of(b"", status="404 Not Found"))
            if callable(answer):
                answer(connection)
            else:
                connection.sendall(answer)


def answer_of(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP answer; underscores in header names become dashes."""
    lines = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@pytest.fixture
def site() -> Iterator[FakeSite]:
    listener = socket.create_server(("127.0.0.1", 0))
    fake = FakeSite(port=listener.getsockname()[1])
    thread = threading.Thread(target=fake.serve, args=(listener,), daemon=True)
    thread.start()
    yield fake
    # Closing alone does not wake a thread that waits in accept().
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.fixture
def client() -> HttpClient:
    return build_client()


@pytest.fixture
def client_for() -> Callable[..., HttpClient]:
    return build_client


@pytest.fixture
def reply() -> Callable[..., bytes]:
    return answer_of


def build_client(
    *, names: dict[str, list[str]] | None = None, allow: tuple[str, ...] = ("site.example",), **options
) -> HttpClient:
    """A client whose names live in a dictionary; `site.example` is on loopback and exempt by the operator."""
    table = {"site.example": ["127.0.0.1"], **(names or {})}

    def resolve(host: str, _port: int) -> list[str]:
        if host in table:
            return table[host]
        if host.replace(".", "").isdigit() or ":" in host:
            return [host]
        raise OSError(host)

    guard = Guard(allow=allow, resolver=resolve)
    return HttpClient(guard, contact_url="https://crm.example/", version="0.1", **options)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for site.example, with its key, in one PEM file."""
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    path.write_bytes(self_signed(x509.DNSName("site.example")))
    return path

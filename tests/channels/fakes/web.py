"""A web server on loopback that plays a platform: it keeps what it was asked and misbehaves on demand."""

import contextlib
import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request: its method, path with query, headers by lower-case name, JSON body, and the bytes of that."""

    method: str
    path: str
    headers: dict[str, str]
    data: dict[str, Any]
    raw: bytes = b""


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HangUp:
    """No answer: the connection ends before or after it did what it was asked for."""

    is_done: bool


@dataclass(frozen=True)
class Late:
    """No answer in time: the connection stays silent, before or after it did what it was asked for."""

    is_done: bool


class FakePlatform:
    """Subclasses answer in `answer`; `script` comes first, one entry for each request."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: deque[Said | HangUp | Late] = deque()
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.port = 0

    def forget(self) -> None:
        """Begin anew for the next test, at the same port."""
        port = self.port
        type(self).__init__(self)
        self.port = port

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, asked: Asked) -> Said:
        raise NotImplementedError

    def serve(self, asked: Asked) -> Said | None:
        """The answer, or None to hang up."""
        with self.lock:
            self.asked.append(asked)
            scripted = self.script.popleft() if self.script else None
            if isinstance(scripted, HangUp | Late) and scripted.is_done:
                self.answer(asked)
            if not isinstance(scripted, HangUp | Late):
                return scripted or self.answer(asked)
        if isinstance(scripted, Late):
            # The caller gives up first; whoever scripted this lets it go.
            self.released.wait(10)
        return None

    @contextlib.contextmanager
    def running(self) -> Iterator["FakePlatform"]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _one(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                said = fake.serve(
                    Asked(self.command, self.path, headers, json.loads(content) if content else {}, content)
                )
                if said is None:
                    self.close_connection = True
                    return
                body = said.data if isinstance(said.data, bytes) else json.dumps(said.data).encode()
                self.send_response(said.status)
                for name, value in {"content-type": "application/json", **said.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _one  # noqa: N815 - the names of the base class

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                """Silence."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)

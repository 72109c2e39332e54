"""An identity provider on loopback: counts who asks for tokens, and refuses by a script."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


@dataclass
class Identity:
    """What it was asked, and what it answers: (status, body) one after the other, then good tokens."""

    address: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    script: list[tuple[int, object]] = field(default_factory=list)
    #: The first question waits for this, so that others come meanwhile.
    gate: threading.Event = field(default_factory=threading.Event)

    def answer(self, form: dict[str, str]) -> tuple[int, object]:
        self.asked.append(form)
        if self.script:
            return self.script.pop(0)
        number = len(self.asked)
        given = {"access_token": f"access-{number}", "expires_in": 3600, "token_type": "Bearer"}
        if form["grant_type"] == "authorization_code":
            given["refresh_token"] = "refresh-1"
        return 200, given


@contextmanager
def identity_provider() -> Iterator[Identity]:
    """Serve on loopback until the block ends."""
    found = Identity()
    found.gate.set()

    class Asked(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
            found.gate.wait(10)
            status, said = found.answer({name: values[0] for name, values in parse_qs(body).items()})
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()

"""The other side of a signed webhook: an endpoint that checks what it gets, and what it sends to our door."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from channels.fakes.web import Asked, FakePlatform, Said

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two letters!!").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret, also 32 letters!").decode()


def signed(body: bytes, *, name: str = "msg_1", at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    """The three headers of Standard Webhooks, made without our code."""
    seconds = str(int((at or datetime.now(UTC)).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def event(what: str = "message.received", **data: Any) -> bytes:
    """One delivery; `data` replaces what a message holds, None takes it away."""
    known = {"id": "m-1", "from": {"id": "u-1", "address": "ada", "name": "Ada Rossi"}, "text": "Ciao!"}
    data = {name: value for name, value in {**known, **data}.items() if value is not None}
    return json.dumps({"type": what, "timestamp": "2026-11-23T09:59:00+00:00", "data": data}).encode()


class FakeEndpoint(FakePlatform):
    """Takes what is signed with `SECRET`, once for each `webhook-id`."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[str, dict[str, Any]] = {}

    def answer(self, asked: Asked) -> Said:
        body = asked.raw
        seconds = datetime.fromtimestamp(int(asked.headers["webhook-timestamp"]), UTC)
        expected = signed(body, name=asked.headers["webhook-id"], at=seconds)["webhook-signature"]
        if asked.headers["webhook-signature"] != expected:
            return Said(401, {})
        self.taken[asked.headers["webhook-id"]] = asked.data
        return Said(202, {"ok": True})

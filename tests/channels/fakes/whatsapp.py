"""The Cloud API as a number sees it: messages, templates, the 24 hours, and what it delivers to our door, signed."""

import hashlib
import hmac
import json
from typing import Any

from channels.fakes.web import Asked, FakePlatform, Said

TOKEN = "EAAGm0PX4ZCpsBAK"
APP_SECRET = "appsecret"
VERIFY_TOKEN = "lanterna-verify"
NUMBER_ID = "106540352242922"
BUSINESS_ID = "102290129340398"
AT = 1_795_000_000


def refusal(code: int, status: int = 400, **more: Any) -> Said:
    """A refusal as the Graph API words it."""
    error = {"message": f"(#{code}) refused", "type": "OAuthException", "code": code, "fbtrace_id": "X", **more}
    return Said(status, {"error": error})


def signed(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    """The header that proves a delivery."""
    return {"x-hub-signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"}


def delivery(*values: dict[str, Any], number_id: str = NUMBER_ID, field: str = "messages") -> bytes:
    """One POST of the platform: each of `values` becomes a change of the number."""
    meta = {"display_phone_number": "390212345678", "phone_number_id": number_id}
    changes = [
        {"field": field, "value": {"messaging_product": "whatsapp", "metadata": meta, **value}} for value in values
    ]
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "W", "changes": changes}]}).encode()


def message(wamid: str = "wamid.IN1", words: str = "Ciao", **more: Any) -> dict[str, Any]:
    """A message of somebody; `more` replaces or adds fields, None takes them away."""
    made = {
        "from": "393331234567",
        "id": wamid,
        "timestamp": str(AT),
        "type": "text",
        "text": {"body": words},
        **more,
    }
    return {key: value for key, value in made.items() if value is not None}


def author(name: str = "Ada Rossi", wa_id: str | None = "393331234567", **more: Any) -> dict[str, Any]:
    """The profile that comes with a message."""
    made = {"profile": {"name": name, **more.pop("profile", {})}, "wa_id": wa_id, **more}
    return {key: value for key, value in made.items() if value is not None}


def status(wamid: str, word: str, *, code: int | None = None, reference: str = "") -> dict[str, Any]:
    """News of a message of ours."""
    made: dict[str, Any] = {"id": wamid, "status": word, "timestamp": str(AT), "recipient_id": "393331234567"}
    if code is not None:
        made["errors"] = [{"code": code, "title": "refused", "error_data": {"details": "…"}}]
    if reference:
        made["biz_opaque_callback_data"] = reference
    return made


class FakeWhatsApp(FakePlatform):
    """Keeps what a number sent; free text outside of `open_for` is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.token = TOKEN
        self.open_for: set[str] | None = None
        self.templates: list[dict[str, Any]] = [template()]
        self.sent: list[dict[str, Any]] = []
        self.page = 100

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return refusal(190, 401)
        path, _, query = asked.path.partition("?")
        _, _version, node, *edge = path.split("/")
        if asked.method == "GET" and node == NUMBER_ID:
            return Said(200, {"display_phone_number": "+39 02 1234 5678", "verified_name": "Lanterna", "id": NUMBER_ID})
        if asked.method == "GET" and edge == ["message_templates"]:
            return self._templates(query)
        if node != NUMBER_ID or edge != ["messages"]:
            return refusal(100, 400, error_subcode=33)
        return self._send(asked.data)

    def _send(self, data: dict[str, Any]) -> Said:
        to = data.get("to") or data.get("recipient") or ""
        if data["type"] == "text" and self.open_for is not None and to not in self.open_for:
            return refusal(131047)
        if data["type"] == "template" and not any(
            (data["template"]["name"], data["template"]["language"]["code"]) == (each["name"], each["language"])
            for each in self.templates
        ):
            return refusal(132001, 404)
        self.sent.append(data)
        wamid = f"wamid.OUT{len(self.sent)}"
        return Said(
            200,
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": to, "wa_id": to}],
                "messages": [{"id": wamid, "message_status": "accepted"}],
            },
        )

    def _templates(self, query: str) -> Said:
        start = int(query.partition("after=")[2] or 0)
        end = start + self.page
        paging: dict[str, Any] = {"cursors": {"before": str(start), "after": str(end)}}
        if end < len(self.templates):
            paging["next"] = "https://graph.facebook.com/next"
        return Said(200, {"data": self.templates[start:end], "paging": paging})


def template(
    name: str = "appuntamento", body: str = "Buongiorno {{1}}, ci vediamo {{2}}?", *, language: str = "it", **more: Any
) -> dict[str, Any]:
    """A template in Meta's words."""
    components = [{"type": "BODY", "text": body}, *more.pop("others", [])]
    return {
        "name": name,
        "language": language,
        "status": "APPROVED",
        "category": "UTILITY",
        "id": f"{name}.{language}",
        "components": components,
        **more,
    }

"""The Bot API as a bot sees it: one token, updates that wait until they are confirmed, people who block and return."""

from typing import Any

from channels.fakes.web import Asked, FakePlatform, Said

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
BOT = "lanterna_bot"


def refusal(status: int, description: str, **parameters: Any) -> Said:
    """A refusal in the words of tdlib/telegram-bot-api."""
    data: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    headers = {}
    if parameters:
        data["parameters"] = parameters
    if "retry_after" in parameters:
        headers["Retry-After"] = str(parameters["retry_after"])
    return Said(status, data, headers)


class FakeTelegram(FakePlatform):
    """Keeps the chats of a bot."""

    def __init__(self) -> None:
        super().__init__()
        self.token = TOKEN
        self.updates: list[dict[str, Any]] = []
        self.webhook: dict[str, Any] | None = None
        self.has_second_poller = False
        self.blocked: set[int] = set()
        self.strangers: set[int] = set()
        self.sent: list[dict[str, Any]] = []
        self._number = 100
        self._update = 7000

    # What the person does

    def write(self, chat: int = 4242, text: str = "Ciao", *, username: str = "ada_r", **more: Any) -> dict[str, Any]:
        """A message of a person; `more` replaces or adds fields."""
        self._number += 1
        author = {"id": chat, "is_bot": False, "first_name": "Ada", "last_name": "Rossi", "language_code": "it"}
        if username:
            author["username"] = username
        message = {
            "message_id": self._number,
            "date": 1_795_000_000,
            "chat": {"id": chat, "type": "private", "first_name": "Ada"},
            "from": author,
            "text": text,
            **more,
        }
        return self.update(message={key: value for key, value in message.items() if value is not None})

    def member(self, status: str, chat: int = 4242) -> dict[str, Any]:
        """The person stopped the bot ("kicked") or let it in again ("member")."""
        (self.blocked.add if status == "kicked" else self.blocked.discard)(chat)
        return self.update(
            my_chat_member={
                "chat": {"id": chat, "type": "private", "first_name": "Ada"},
                "from": {"id": chat, "is_bot": False, "first_name": "Ada"},
                "date": 1_795_000_000,
                "old_chat_member": {"status": "member"},
                "new_chat_member": {"status": status},
            }
        )

    def update(self, **content: Any) -> dict[str, Any]:
        """An update that waits for the bot."""
        self._update += 1
        made = {"update_id": self._update, **content}
        self.updates.append(made)
        return made

    # What the bot asks

    def answer(self, asked: Asked) -> Said:
        token, _, method = asked.path.removeprefix("/bot").partition("/")
        if token != self.token:
            return refusal(401, "Unauthorized")
        handler = getattr(self, f"_{method.lower()}", None)
        return refusal(404, "Not Found") if handler is None else handler(asked.data)

    def _getme(self, _data: dict[str, Any]) -> Said:
        return Said(200, {"ok": True, "result": {"id": 110201543, "is_bot": True, "username": BOT}})

    def _sendmessage(self, data: dict[str, Any]) -> Said:
        chat, text = data["chat_id"], data["text"]
        if chat in self.blocked:
            return refusal(403, "Forbidden: bot was blocked by the user")
        if chat in self.strangers:
            return refusal(403, "Forbidden: bot can't initiate conversation with a user")
        if not text.strip():
            return refusal(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return refusal(400, "Bad Request: message is too long")
        self._number += 1
        self.sent.append(data)
        chat_object = {"id": chat, "type": "private", "first_name": "Ada"}
        message = {"message_id": self._number, "date": 1_795_000_000, "chat": chat_object, "text": text}
        return Said(200, {"ok": True, "result": message})

    def _getupdates(self, data: dict[str, Any]) -> Said:
        if self.webhook is not None:
            return refusal(409, "Conflict: can't use getUpdates method while webhook is active")
        if self.has_second_poller:
            return refusal(409, "Conflict: terminated by other getUpdates request")
        offset = data.get("offset", 0)
        # Asking with an offset forgets what lies before it.
        self.updates = [update for update in self.updates if update["update_id"] >= offset]
        return Said(200, {"ok": True, "result": self.updates[: data.get("limit", 100)]})

    def _setwebhook(self, data: dict[str, Any]) -> Said:
        if not data["url"].startswith("https://"):
            return refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        self.webhook = data
        return Said(200, {"ok": True, "result": True})

    def _deletewebhook(self, _data: dict[str, Any]) -> Said:
        self.webhook = None
        return Said(200, {"ok": True, "result": True})

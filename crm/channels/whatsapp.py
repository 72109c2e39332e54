"""WhatsApp through Meta's Cloud API: text within a day of the person's last message, an approved template otherwise."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crm.channels.addresses import AddressError, normalise
from crm.channels.base import (
    ChannelKind,
    CheckResult,
    Inbound,
    Limits,
    Outbound,
    Outcome,
    OutcomeKind,
    Resolved,
)
from crm.channels.lengths import MAX_TEXT, text_length
from crm.channels.platform import Answer, NoAnswerError, Platform, part, parts, text_of
from crm.channels.sentences import N_
from crm.channels.setup import ChannelSetup, ConfigError, Setting
from crm.channels.whatsapp_errors import meaning_of
from crm.channels.whatsapp_events import parse_whatsapp
from crm.net.guard import Guard
from crm.net.retry_after import pause
from crm.numbers import whole

HOME: Final = "https://graph.facebook.com"
GRAPH_VERSION: Final = "v26.0"
#: Free text may follow only so long after the person's last message.
WINDOW: Final = timedelta(hours=24)
#: 80 messages a second for a number; our counters know minutes.
PER_MINUTE: Final = 4800
_OK: Final = 200
#: Pages of templates that are read at most, of this many each.
_PAGES: Final = 20
_PAGE: Final = 100
_MAX_BODY: Final = 2000


class WhatsAppConfig(BaseModel):
    """What a number's account keeps in clear."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    phone_number_id: str = Field(pattern=r"^[0-9]{5,25}$")
    business_id: str = Field("", pattern=r"^[0-9]{0,25}$")
    graph_version: str = Field(GRAPH_VERSION, pattern=r"^v[0-9]{1,3}\.[0-9]{1,2}$")
    base_url: str = Field("", max_length=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedTemplate:
    """A text that Meta keeps for the account: its body has gaps like `{{1}}`; `status` is `approved` or Meta's word.

    `is_plain` says that nothing but the body has gaps, so that we can fill it.
    """

    name: str
    language: str
    category: str
    status: str
    body: str
    is_plain: bool


class TemplatesError(Exception):
    """The templates can't be read: `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class WhatsAppAdapter:
    """One number. Every call is a connection of its own, so there is nothing to close."""

    def __init__(self, config: Mapping[str, Any], guard: Guard, *, token: str) -> None:
        try:
            read = WhatsAppConfig.model_validate(dict(config))
        except ValidationError as error:
            raise ConfigError([str(item["loc"][0]) for item in error.errors() if item["loc"]]) from error
        if not token or not token.isascii() or not token.isprintable():
            raise ConfigError(["token"])
        self._config = read
        self._headers = {"authorization": f"Bearer {token}"}
        self._platform = Platform(HOME, guard, base_url=read.base_url)

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.WHATSAPP

    @property
    def limits(self) -> Limits:
        return Limits(max_text=MAX_TEXT[ChannelKind.WHATSAPP], per_minute=PER_MINUTE, reply_window=WINDOW)

    def check(self) -> CheckResult:
        path = self._path(f"{self._config.phone_number_id}?fields=display_phone_number,verified_name")
        try:
            answer = self._platform.get(path, headers=self._headers)
        except NoAnswerError as error:
            return CheckResult(ok=False, code=f"api_{error.code.value}")
        if answer.status == _OK and "id" in answer.body:
            return CheckResult(ok=True, detail=text_of(answer.body, "display_phone_number")[:64])
        return CheckResult(ok=False, code=meaning_of(part(answer.body, "error")).code)

    def resolve(self, address: str) -> Resolved:
        """WhatsApp says whether a number is theirs only when something is sent there."""
        if address.startswith("id:"):
            return Resolved(address=address, platform_id=address[3:])
        try:
            return Resolved(address=normalise(ChannelKind.WHATSAPP, address).address_norm)
        except AddressError as error:
            return Resolved(address=address, reachable=False, code=error.code)

    def send(self, outbound: Outbound) -> Outcome:
        to = _recipient(outbound)
        if to is None:
            return Outcome(kind=OutcomeKind.POLICY, code="whatsapp_no_number")
        if text_length(ChannelKind.WHATSAPP, outbound.text) > MAX_TEXT[ChannelKind.WHATSAPP]:
            return Outcome(kind=OutcomeKind.CONTENT, code="whatsapp_too_long")
        data: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **to,
            **_content(outbound),
            "biz_opaque_callback_data": outbound.reference or str(outbound.message_id),
        }
        try:
            answer = self._platform.post(
                self._path(f"{self._config.phone_number_id}/messages"), data, headers=self._headers
            )
        except NoAnswerError as error:
            return error.outcome
        return _outcome(answer, outbound)

    def find_sent(self, reference: str) -> Outcome | None:  # noqa: ARG002 - the API can't be read back
        return None

    def parse(self, raw: bytes) -> Sequence[Inbound]:
        return parse_whatsapp(raw)

    def templates(self) -> list[ApprovedTemplate]:
        """All templates that Meta keeps for the business of this number. Raises `TemplatesError`."""
        if not self._config.business_id:
            raise TemplatesError("whatsapp_no_business")
        fields = f"message_templates?fields=name,language,status,category,components&limit={_PAGE}"
        found: list[ApprovedTemplate] = []
        after = ""
        for _ in range(_PAGES):
            path = self._path(f"{self._config.business_id}/{fields}" + (f"&after={quote(after)}" if after else ""))
            try:
                answer = self._platform.get(path, headers=self._headers)
            except NoAnswerError as error:
                raise TemplatesError(f"api_{error.code.value}") from None
            if answer.status != _OK:
                raise TemplatesError(meaning_of(part(answer.body, "error")).code)
            found += [each for each in map(_template, parts(answer.body, "data")) if each is not None]
            after = text_of(part(answer.body, "paging", "cursors"), "after")
            if not after or not text_of(part(answer.body, "paging"), "next"):
                break
        return found

    def _path(self, rest: str) -> str:
        return f"/{self._config.graph_version}/{rest}"

    def close(self) -> None:
        """There is no connection."""


def _recipient(outbound: Outbound) -> dict[str, str] | None:
    """The number where we know it, else the id that WhatsApp gave the person for us."""
    digits = re.sub(r"[^0-9]", "", outbound.to_address) if outbound.to_address.startswith("+") else ""
    if whole(digits):
        return {"to": digits}
    return {"recipient": outbound.to_platform_id} if outbound.to_platform_id else None


def _content(outbound: Outbound) -> dict[str, Any]:
    """Free text, or a template with its gaps filled; an answer names what it answers."""
    if outbound.template is None:
        content: dict[str, Any] = {"type": "text", "text": {"body": outbound.text, "preview_url": False}}
    else:
        gaps = [{"type": "text", "text": value} for value in outbound.template.parameters]
        content = {
            "type": "template",
            "template": {
                "name": outbound.template.name,
                "language": {"code": outbound.template.language},
                "components": [{"type": "body", "parameters": gaps}] if gaps else [],
            },
        }
    if outbound.in_reply_to:
        content["context"] = {"message_id": outbound.in_reply_to}
    return content


def _outcome(answer: Answer, outbound: Outbound) -> Outcome:
    """What the API says became of a message; `detail` is the number of its error, never its words."""
    detail = str(answer.status)
    if answer.status == _OK:
        names = [text_of(message, "id") for message in parts(answer.body, "messages")]
        if names and names[0]:
            return Outcome(kind=OutcomeKind.ACCEPTED, code="accepted_by_platform", remote_id=names[0][:250])
        return Outcome(kind=OutcomeKind.UNKNOWN, code="api_unreadable", detail=detail)
    error = part(answer.body, "error")
    meaning = meaning_of(error)
    number = text_of(error, "code")
    wait = meaning.wait
    if meaning.kind is OutcomeKind.RETRY_LATER and wait is None:
        wait = pause(answer.headers)
    return Outcome(
        kind=meaning.kind,
        code=meaning.code,
        detail=f"{detail} {number}" if whole(number) is not None else detail,
        not_before=None if wait is None else outbound.date + wait,
    )


def _template(read: Mapping[str, Any]) -> ApprovedTemplate | None:
    """One template of the list; None for what has no name or no body."""
    components = {text_of(each, "type").upper(): each for each in parts(read, "components")}
    body = text_of(components.get("BODY", {}), "text")
    name, language = text_of(read, "name"), text_of(read, "language")
    if not (name and language and body) or len(body) > _MAX_BODY:
        return None
    others = [str(each) for kind, each in components.items() if kind != "BODY"]
    header = text_of(components.get("HEADER", {}), "format").upper()
    return ApprovedTemplate(
        name=name[:512],
        language=language[:15],
        category=text_of(read, "category").lower()[:30],
        status=text_of(read, "status").lower()[:30],
        body=body,
        is_plain=header in {"", "TEXT"} and not any("{{" in text for text in others),
    )


SETUP: Final = ChannelSetup(
    channel=ChannelKind.WHATSAPP,
    steps=(
        N_("At developers.facebook.com make an app of the type “Business” and add WhatsApp to it."),
        N_("Add the number there that writes to people; it can’t be in use in the WhatsApp app at the same time."),
        N_("In the business settings make a system user with the permission whatsapp_business_messaging and a token."),
        N_("Under WhatsApp, Configuration, enter the address shown here and the verify token; choose “messages”."),
        N_("Write first only with a template that Meta approved; free text goes for 24 hours after the person wrote."),
    ),
    address_label=N_("WhatsApp number"),
    address_where=N_("With its country code, like +39 333 1234567."),
    settings=(
        Setting(
            name="phone_number_id",
            label=N_("Phone number ID"),
            where=N_("WhatsApp, API Setup: the number under “Phone number ID”, not the phone number itself."),
            pattern=r"[0-9]{5,25}",
            max_length=25,
        ),
        Setting(
            name="business_id",
            label=N_("WhatsApp business account ID"),
            where=N_("On the same page. It is needed to read your approved templates."),
            is_required=False,
            pattern=r"[0-9]{0,25}",
            max_length=25,
        ),
        Setting(
            name="token",
            label=N_("Access token"),
            where=N_("Of the system user: Business settings, Users, System users. Choose one that doesn’t expire."),
            is_secret=True,
            pattern=r"[\x21-\x7e]{20,1000}",
            max_length=1000,
        ),
        Setting(
            name="app_secret",
            label=N_("App secret"),
            where=N_("In the app: Settings, Basic. It proves that what arrives comes from WhatsApp."),
            is_secret=True,
            pattern=r"[\x21-\x7e]{8,200}",
            max_length=200,
        ),
        Setting(
            name="verify_token",
            label=N_("Verify token"),
            where=N_("Any word that you choose; write the same one at Meta beside the address."),
            is_secret=True,
            pattern=r"[\x21-\x7e]{4,200}",
            max_length=200,
        ),
        Setting(
            name="graph_version",
            label=N_("Version of the Graph API"),
            where=N_("Leave it as it is unless Meta asks you to change it."),
            is_required=False,
            pattern=r"v[0-9]{1,3}\.[0-9]{1,2}",
            max_length=8,
            default=GRAPH_VERSION,
        ),
    ),
    has_webhook=True,
    per_minute=PER_MINUTE,
)

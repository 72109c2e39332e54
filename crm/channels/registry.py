"""The one table of channels and what makes the adapter of a sender account."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from crm.channels.assisted import ASSISTED_CHANNELS, AssistedAdapter
from crm.channels.base import Adapter, ChannelKind, Door, Inbound
from crm.channels.email import EmailAdapter, imap_config, smtp_config
from crm.channels.inbound import parse_email
from crm.channels.mailbox import Mailbox
from crm.channels.setup import ChannelSetup, ConfigError
from crm.channels.smtp import Security, SmtpConfig
from crm.channels.telegram import SETUP as TELEGRAM_SETUP
from crm.channels.telegram import TelegramAdapter
from crm.channels.telegram_events import TelegramDoor, parse_telegram
from crm.channels.webhook import SETUP as WEBHOOK_SETUP
from crm.channels.webhook import WebhookAdapter
from crm.channels.webhook_events import WebhookDoor, parse_webhook
from crm.channels.whatsapp import SETUP as WHATSAPP_SETUP
from crm.channels.whatsapp import WhatsAppAdapter
from crm.channels.whatsapp_events import WhatsAppDoor, parse_whatsapp
from crm.net.guard import Guard

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """All an adapter needs to know of a sender account.

    `config` is kept in clear, `secret` was decrypted for this moment (`{"secret": password or token}`, and
    `imap_secret` where the mailbox has another one).
    `sandbox_port` is set when the account writes to the built-in sandbox instead of the world.
    `patience` is a factor on the time that a server gets.
    """

    channel: ChannelKind
    public_id: UUID
    config: Mapping[str, Any] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_name: str = "localhost"
    sandbox_port: int | None = None
    patience: float = 1.0


def _email(spec: AccountSpec, guard: Guard) -> Adapter:
    if spec.sandbox_port is not None:
        # The sandbox tells accounts apart by the name they greet with, so that workspaces never see each other's mail.
        config = SmtpConfig(
            host=LOOPBACK, port=spec.sandbox_port, security=Security.NONE, client_name=f"{spec.public_id}.sandbox"
        )
        return EmailAdapter(config, Guard(allow=(LOOPBACK,)))
    secret = spec.secret.get("secret", "")
    return EmailAdapter(
        smtp_config(spec.config, secret=secret, client_name=spec.client_name, patience=spec.patience),
        guard,
        mailbox=imap_config(spec.config, secret=spec.secret.get("imap_secret") or secret),
    )


def _assisted(spec: AccountSpec, _guard: Guard) -> Adapter:
    return AssistedAdapter(spec.channel)


def _no_sandbox(spec: AccountSpec) -> None:
    """The built-in sandbox speaks SMTP alone; nothing of a sandbox account may reach a real platform."""
    if spec.sandbox_port is not None:
        raise ConfigError(["is_sandbox"])


def _telegram(spec: AccountSpec, guard: Guard) -> Adapter:
    _no_sandbox(spec)
    return TelegramAdapter(spec.config, guard, token=spec.secret.get("token", ""))


def _webhook(spec: AccountSpec, guard: Guard) -> Adapter:
    _no_sandbox(spec)
    return WebhookAdapter(spec.config, guard, secret=spec.secret.get("send_secret", ""))


def _whatsapp(spec: AccountSpec, guard: Guard) -> Adapter:
    _no_sandbox(spec)
    return WhatsAppAdapter(spec.config, guard, token=spec.secret.get("token", ""))


ADAPTERS: Final[Mapping[ChannelKind, Callable[[AccountSpec, Guard], Adapter]]] = {
    ChannelKind.EMAIL: _email,
    **dict.fromkeys(sorted(ASSISTED_CHANNELS), _assisted),
    ChannelKind.TELEGRAM: _telegram,
    ChannelKind.WHATSAPP: _whatsapp,
    ChannelKind.WEBHOOK: _webhook,
}


#: How the raw bytes of one stored event are read, by channel; each raises `InboundError` for what can't be read.
PARSERS: Final[Mapping[ChannelKind, Callable[[bytes], Sequence[Inbound]]]] = {
    ChannelKind.EMAIL: lambda raw: (parse_email(raw),),
    ChannelKind.TELEGRAM: parse_telegram,
    ChannelKind.WHATSAPP: parse_whatsapp,
    ChannelKind.WEBHOOK: parse_webhook,
}

#: The channels whose platforms call us.
DOORS: Final[Mapping[ChannelKind, Door]] = {
    ChannelKind.TELEGRAM: TelegramDoor(),
    ChannelKind.WHATSAPP: WhatsAppDoor(),
    ChannelKind.WEBHOOK: WebhookDoor(),
}

#: What the page that sets up an account asks for; e-mail has a form of its own.
SETUPS: Final[Mapping[ChannelKind, ChannelSetup]] = {
    ChannelKind.TELEGRAM: TELEGRAM_SETUP,
    ChannelKind.WHATSAPP: WHATSAPP_SETUP,
    ChannelKind.WEBHOOK: WEBHOOK_SETUP,
}


def mailbox_for(spec: AccountSpec, guard: Guard) -> Mailbox | None:
    """What reads the mailbox of an account; None where there is none to read. Raises `ConfigError`."""
    if spec.channel is not ChannelKind.EMAIL or spec.sandbox_port is not None:
        return None
    secret = spec.secret.get("imap_secret") or spec.secret.get("secret", "")
    config = imap_config(spec.config, secret=secret)
    return None if config is None else Mailbox(config, guard)


def adapter_for(spec: AccountSpec, guard: Guard) -> Adapter:
    """Make the adapter of a sender account; it dials on its first use.

    `guard` carries the operator's NET_ALLOW. Raises `ConfigError` for settings that can't be used and `KeyError` for
    a channel that has no adapter yet.
    """
    return ADAPTERS[spec.channel](spec, guard)

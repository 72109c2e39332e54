"""E-mail as a channel: an account's settings, and the adapter over SMTP and the mailbox's folder of sent mail."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind, CheckResult, Inbound, Limits, Outbound, Outcome, Resolved
from crm.channels.imap import SentMail
from crm.channels.imap_session import ImapConfig
from crm.channels.inbound import parse_email
from crm.channels.setup import ConfigError
from crm.channels.smtp import EmailConnection, Mechanism, Security, SmtpConfig, Timeouts
from crm.net.guard import Guard

_HOST = r"^[A-Za-z0-9.:\[\]-]+$"


class EmailAccountConfig(BaseModel):
    """What a sender account of e-mail keeps in clear; the passwords or tokens are kept apart, encrypted.

    Without `imap_host` nobody looks into the mailbox; an empty `imap_username` is the one of the outgoing server.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1, max_length=253, pattern=_HOST)
    port: int = Field(587, ge=1, le=65535)
    security: Security = Security.STARTTLS
    username: str = Field("", max_length=320)
    mechanism: Mechanism = Mechanism.PASSWORD
    imap_host: str = Field("", max_length=253, pattern=_HOST.replace("+$", "*$"))
    imap_port: int = Field(993, ge=1, le=65535)
    imap_security: Security = Security.TLS
    imap_username: str = Field("", max_length=320)
    imap_folder: str = Field("", max_length=250)


def _read(config: Mapping[str, Any]) -> EmailAccountConfig:
    try:
        return EmailAccountConfig.model_validate(dict(config))
    except ValidationError as error:
        raise ConfigError([str(item["loc"][0]) for item in error.errors() if item["loc"]]) from error


def smtp_config(config: Mapping[str, Any], *, secret: str, client_name: str, patience: float = 1.0) -> SmtpConfig:
    """Read an account's settings; `secret` is the password or OAuth token. Raises `ConfigError`.

    `patience` is a factor on every time-out.
    """
    read = _read(config)
    return SmtpConfig(
        host=read.host.strip("[]"),
        port=read.port,
        security=read.security,
        username=read.username,
        secret=secret,
        mechanism=read.mechanism,
        client_name=client_name,
        timeouts=Timeouts().scaled(patience),
    )


def imap_config(config: Mapping[str, Any], *, secret: str) -> ImapConfig | None:
    """How to look into the account's mailbox, None when it names no server. Raises `ConfigError`."""
    read = _read(config)
    if not read.imap_host:
        return None
    return ImapConfig(
        host=read.imap_host.strip("[]"),
        port=read.imap_port,
        security=read.imap_security,
        username=read.imap_username or read.username,
        secret=secret,
        mechanism=read.mechanism,
        folder=read.imap_folder,
    )


class EmailAdapter:
    """One mailbox that sends, and is looked into where `mailbox` says how.

    Keeps its connections between messages; used by one line or thread at a time.
    """

    takes_turns = True
    asks_to_leave = True

    def __init__(self, config: SmtpConfig, guard: Guard, *, mailbox: ImapConfig | None = None) -> None:
        self._connection = EmailConnection(config, guard)
        self._sent_mail = None if mailbox is None else SentMail(mailbox, guard)

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.EMAIL

    @property
    def limits(self) -> Limits:
        return Limits(max_bytes=25 * 1024 * 1024, has_subject=True)

    def check(self) -> CheckResult:
        found = self._connection.check()
        return found if self._sent_mail is None or not found.ok else self._sent_mail.check()

    def resolve(self, address: str) -> Resolved:
        try:
            return Resolved(address=normalise(ChannelKind.EMAIL, address).address_norm)
        except AddressError as error:
            return Resolved(address=address, reachable=False, code=error.code)

    def send(self, outbound: Outbound) -> Outcome:
        return self._connection.send(outbound)

    def find_sent(self, reference: str) -> Outcome | None:
        return None if self._sent_mail is None else self._sent_mail.find(reference)

    def parse(self, raw: bytes) -> Sequence[Inbound]:
        return (parse_email(raw),)

    def close(self) -> None:
        self._connection.close()
        if self._sent_mail is not None:
            self._sent_mail.close()

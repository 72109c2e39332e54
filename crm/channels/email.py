"""E-mail as a channel: an account's settings, and the adapter over its SMTP connection."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind, CheckResult, Inbound, Limits, Outbound, Outcome, Resolved
from crm.channels.inbound import parse_email
from crm.channels.smtp import EmailConnection, Mechanism, Security, SmtpConfig
from crm.net.guard import Guard


class EmailAccountConfig(BaseModel):
    """What a sender account of e-mail keeps in clear; the password or token is kept apart, encrypted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:\[\]-]+$")
    port: int = Field(587, ge=1, le=65535)
    security: Security = Security.STARTTLS
    username: str = Field("", max_length=320)
    mechanism: Mechanism = Mechanism.PASSWORD


class ConfigError(ValueError):
    """The stored settings of an account can't be used; `fields` names the wrong ones."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__("config")
        self.code = "config"
        self.fields = tuple(fields)


def smtp_config(config: Mapping[str, Any], *, secret: str, client_name: str) -> SmtpConfig:
    """Read an account's settings; `secret` is the password or OAuth token. Raises `ConfigError`."""
    try:
        read = EmailAccountConfig.model_validate(dict(config))
    except ValidationError as error:
        raise ConfigError([str(item["loc"][0]) for item in error.errors() if item["loc"]]) from error
    return SmtpConfig(
        host=read.host.strip("[]"),
        port=read.port,
        security=read.security,
        username=read.username,
        secret=secret,
        mechanism=read.mechanism,
        client_name=client_name,
    )


class EmailAdapter:
    """One mailbox that sends. Keeps its connection between messages; used by one thread at a time."""

    def __init__(self, config: SmtpConfig, guard: Guard) -> None:
        self._connection = EmailConnection(config, guard)

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.EMAIL

    @property
    def limits(self) -> Limits:
        return Limits(max_bytes=25 * 1024 * 1024, has_subject=True)

    def check(self) -> CheckResult:
        return self._connection.check()

    def resolve(self, address: str) -> Resolved:
        try:
            return Resolved(address=normalise(ChannelKind.EMAIL, address).address_norm)
        except AddressError as error:
            return Resolved(address=address, reachable=False, code=error.code)

    def send(self, outbound: Outbound) -> Outcome:
        return self._connection.send(outbound)

    def find_sent(self, reference: str) -> Outcome | None:  # noqa: ARG002 - SMTP can't be read back
        return None

    def parse(self, raw: bytes) -> Sequence[Inbound]:
        return (parse_email(raw),)

    def close(self) -> None:
        self._connection.close()

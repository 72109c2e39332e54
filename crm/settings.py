"""Owns configuration: the only module that reads the environment."""

import contextlib
import os
import secrets
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Everything an operator can set; frozen, so a running process never changes its mind.

    Environment names are the field names in upper case behind `CRM_`, but for the well-known
    `DATABASE_URL`, `DATABASE_OWNER_URL`, `REDIS_URL` and `NET_ALLOW`.
    """

    model_config = SettingsConfigDict(env_prefix="CRM_", frozen=True, extra="ignore", populate_by_name=True)

    home: Path = Field(Path("instance"), description="Folder of the embedded servers, keys, files and the sandbox.")
    host: str = Field("127.0.0.1", description="Address the web server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the web server listens on.")
    base_url: str = Field("", description="Public address of the installation; links in messages are built from it.")
    database_url: str = Field("", validation_alias="DATABASE_URL", description="PostgreSQL as the application role.")
    database_owner_url: str = Field(
        "", validation_alias="DATABASE_OWNER_URL", description="PostgreSQL as the owner of the tables, for migrations."
    )
    redis_url: str = Field("", validation_alias="REDIS_URL", description="Valkey or Redis for wake-ups and counters.")
    net_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias="NET_ALLOW", description="Hosts (name or address, comma separated) exempt from the guard."
    )
    secret_key: str = Field("", description="Signs sessions and links; made once under the home when empty.")
    channel_key: str = Field("", description="Base64 key that encrypts channel credentials; made once when empty.")
    smtp_url: str = Field(
        "",
        pattern=r"^$|^smtp(s|\+plain)?://\S+$",
        description="Server for mail to users: smtp, smtps or smtp+plain://user:password@host:port.",
    )
    smtp_from: str = Field("", pattern=r"^$|^\S+@\S+$", description="Sender address of mail to users.")
    sandbox_smtp_port: int = Field(8025, ge=0, le=65535, description="Port of the built-in sandbox mail server.")
    log_level: str = Field("INFO", description="Lowest level that is logged.")
    log_json: bool = Field(True, description="JSON lines instead of readable ones.")
    worker_threads: int = Field(8, ge=1, le=64, description="Threads of one web process.")
    late_after_seconds: int = Field(
        7200, ge=60, description="A message this much behind its due time waits for a person."
    )
    undo_seconds: int = Field(15, ge=0, le=600, description="How long 'send now' can be taken back.")
    lease_seconds: int = Field(120, ge=1, description="How long a claimed batch belongs to its sender.")
    clock_seconds: float = Field(1.0, gt=0, description="Pause between two looks at what is due.")
    smtp_patience: float = Field(1.0, gt=0, description="Factor on the time a mail server gets for each stage.")
    backup_days: int = Field(
        30, ge=1, description="How long backups are kept; whoever is erased is told when the last one is gone."
    )
    max_upload_mb: int = Field(25, ge=1, description="Largest accepted upload in MiB.")
    metrics_token: str = Field("", description="Bearer token for /metrics; empty closes the page.")
    test_switch: bool = Field(False, description="Allows failpoints; never on in production.")
    failpoints: str = Field("", description="name=action pairs, only with the test switch.")
    password_hash_cost: str = Field(
        "normal", pattern="^(normal|test)$", description="'test' lowers argon2id for suites."
    )

    @field_validator("net_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @classmethod
    def load(cls, **overrides: object) -> "Settings":
        """Read the environment; `overrides` (by field name) win, as command-line options do."""
        return cls(**overrides)  # pyright: ignore[reportArgumentType]

    @property
    def public_url(self) -> str:
        """The base of every link that leaves the house, without a trailing slash."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def is_https(self) -> bool:
        """True when people reach the installation over HTTPS, so cookies can demand it."""
        return self.public_url.startswith("https://")

    def secret(self, name: str) -> str:
        """The named secret: the setting when given, else a random one kept in the home (mode 0600)."""
        given = {"secret_key": self.secret_key, "channel_key": self.channel_key}[name]
        if given:
            return given
        return _kept_secret(self.home / "keys" / name)


@cache
def current() -> Settings:
    """This process's settings, read once; for services, which get no settings from their caller."""
    return Settings.load()


def _kept_secret(path: Path) -> str:
    """The secret in `path`, made first when missing; two processes that start together agree on one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        # A hard link appears whole or not at all, and never replaces the one that came first.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text()

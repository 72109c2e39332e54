"""Owns the installation's own mail: a few words to its users, by the server that the settings name.

It keeps no copy: what it sends are secrets of one person, which no colleague may find among the messages.
"""

from datetime import datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from crm.channels.base import Outbound, Outcome
from crm.channels.email import EmailAdapter, smtp_config
from crm.channels.smtp import Security
from crm.db import new_id
from crm.net.guard import Guard
from crm.settings import Settings

_SECURITY: Final = {"smtp": Security.STARTTLS, "smtps": Security.TLS, "smtp+plain": Security.NONE}
_PORT: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


def is_ready(settings: Settings) -> bool:
    """Whether the installation can write to its users by itself."""
    return bool(settings.smtp_url and settings.smtp_from)


def send(
    settings: Settings, *, to_address: str, to_name: str, subject: str, text: str, language: str, now: datetime
) -> Outcome:
    """Hand one mail to the server of the settings; every failure is an outcome.

    It may take seconds, so it is never called in a transaction.
    """
    parts = urlsplit(settings.smtp_url)
    host, sender = parts.hostname or "", settings.smtp_from
    config = smtp_config(
        {
            "host": host,
            "port": parts.port or _PORT[parts.scheme],
            "security": _SECURITY[parts.scheme],
            "username": unquote(parts.username or ""),
        },
        secret=unquote(parts.password or ""),
        client_name=sender.rpartition("@")[2],
    )
    # The operator named this host, so it may be an inner one.
    adapter = EmailAdapter(config, Guard(allow=(*settings.net_allow, host)))
    message_id = new_id()
    outbound = Outbound(
        message_id=message_id,
        attempt_no=1,
        reference=f"<{message_id.hex}@{sender.rpartition('@')[2]}>",
        from_address=sender,
        from_name="Filodiretto",
        to_address=to_address,
        to_name=to_name,
        subject=subject,
        text=text,
        date=now,
        headers={"Auto-Submitted": "auto-generated", "Content-Language": language},
    )
    try:
        return adapter.send(outbound)
    finally:
        adapter.close()

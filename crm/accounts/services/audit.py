"""Writes the audit log: who did what to which thing; the personal values lie in a side table that erasure empties."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.models import AuditDetail, AuditEntry
from crm.accounts.rules import Actor
from crm.db import new_id

MASK = "•••"
SECRET_WORDS = ("password", "secret", "token", "credential", "recovery", "key")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from; the web edge puts it into `session.info["origin"]`."""

    ip: str = ""
    request_id: str = ""


def record(
    session: Session,
    actor: Actor,
    *,
    action: str,
    object_kind: str = "",
    object_id: UUID | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry; `action` is a code such as "membership.role_changed".

    `before` and `after` hold JSON values by field name; the value of a field whose name speaks of a secret is masked.
    """
    origin: Origin = session.info.get("origin") or Origin()
    entry = AuditEntry(
        id=new_id(),
        actor_kind=actor.kind.value,
        user_id=actor.user_id,
        token_id=actor.token_id,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        request_id=origin.request_id,
    )
    session.add(entry)
    session.add(AuditDetail(entry_id=entry.id, ip=origin.ip, before=masked(before or {}), after=masked(after or {})))
    # Written at once: the caller may enter another workspace next.
    session.flush()
    return entry


def masked(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with secrets replaced by bullets, at every depth."""
    return {name: _mask(name, value) for name, value in values.items()}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Only what differs between two snapshots: (before, after)."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


def _mask(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked(value)
    if value is not None and any(word in name.lower() for word in SECRET_WORDS):
        return MASK
    return value if isinstance(value, str | int | float | bool | list | None) else str(value)

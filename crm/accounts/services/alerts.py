"""Rings the bell of those who run a workspace once for each trouble, and takes the line back when it is over."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from crm.accounts.kinds import Role
from crm.accounts.models import Membership, Notification
from crm.accounts.rules import Actor
from crm.accounts.services import notifications

#: Whose business a trouble is; everybody else sees its effect where they work.
RUN_BY: Final = (Role.OWNER, Role.MANAGER)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that needs a person now. `kind` has its words in `places`, `key` tells two of a kind apart."""

    kind: str
    key: str = ""
    url: str = ""
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What one look has changed: troubles that began, and troubles that are over."""

    rung: int = 0
    cleared: int = 0


def keep(
    session: Session, actor: Actor, *, kinds: Collection[str], troubles: Sequence[Trouble], now: datetime
) -> Change:
    """Bring the bell in line with `troubles`, which are all there are of `kinds` now.

    A trouble rings once, however long it lasts and whether or not somebody has read its line; when it is over its
    lines are read for everybody, and it may ring again.
    """
    is_open = (Notification.kind.in_(kinds), Notification.params["open"].as_boolean())
    key_of = Notification.params["key"].as_string()
    known = set(session.execute(select(Notification.kind, key_of).where(*is_open).distinct()).all())
    there = {(trouble.kind, trouble.key) for trouble in troubles}
    over = known - there
    for kind, key in over:
        session.execute(
            update(Notification)
            .where(*is_open, Notification.kind == kind, key_of == key)
            .values(
                params=Notification.params.op("||")(func.jsonb_build_object("open", False, type_=JSONB)),
                read_at=func.coalesce(Notification.read_at, now),
            )
            .execution_options(synchronize_session=False)
        )
    begun = [trouble for trouble in troubles if (trouble.kind, trouble.key) not in known]
    people = _people(session) if begun else []
    for trouble in begun:
        notifications.notify(
            session,
            actor,
            user_ids=people,
            kind=trouble.kind,
            params={**trouble.params, "key": trouble.key, "open": True},
            url=trouble.url,
            now=now,
        )
    return Change(len(begun), len(over))


def _people(session: Session) -> list[UUID]:
    return list(session.scalars(select(Membership.user_id).where(Membership.role.in_([role.value for role in RUN_BY]))))

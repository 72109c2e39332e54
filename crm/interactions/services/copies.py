"""Owns the address to which a person sends copies of their mail, and the strangers who turn up in such copies."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.db import new_id
from crm.errors import ForbiddenError
from crm.interactions.timeline_models import HistoryAddress, UnknownCorrespondent

#: Bytes of a token: nobody guesses it, and it fits into the local part of an address.
_TOKEN_BYTES: Final = 10
#: Strangers that are listed for one person; the ones seen last.
MOST_UNKNOWN: Final = 100


def history_token(session: Session, actor: Actor) -> str | None:
    """The secret part of the actor's own address; None before they made one."""
    return session.scalars(select(HistoryAddress.token).where(HistoryAddress.user_id == _user(actor))).one_or_none()


def renew_history_token(session: Session, actor: Actor, *, now: datetime) -> str:
    """A new secret: mail to an old address is no longer taken for a copy."""
    fresh = {"token": secrets.token_hex(_TOKEN_BYTES), "created_at": now}
    session.execute(
        insert(HistoryAddress)
        .values(id=new_id(), workspace_id=actor.workspace_id, user_id=_user(actor), **fresh)
        .on_conflict_do_update(index_elements=["workspace_id", "user_id"], set_=fresh)
    )
    return str(fresh["token"])


def _user(actor: Actor) -> UUID:
    actor.require(Permission.EDIT)
    if actor.user_id is None:
        raise ForbiddenError
    return actor.user_id


def holder_of(session: Session, *, tokens: Iterable[str]) -> UUID | None:
    """Whose address one of these tokens belongs to."""
    wanted = select(HistoryAddress.user_id).where(HistoryAddress.token.in_(list(tokens)))
    return session.scalars(wanted.limit(1)).first()


def note_unknown(session: Session, actor: Actor, *, user_id: UUID, people: dict[str, str], at: datetime) -> None:
    """List strangers of a copied mail for who sent it: {normalised address: name}."""
    if not people:
        return
    rows = [
        {
            "id": new_id(),
            "workspace_id": actor.workspace_id,
            "user_id": user_id,
            "address_norm": address,
            "name": name,
            "last_at": at,
        }
        for address, name in sorted(people.items())
    ]
    fresh = insert(UnknownCorrespondent).values(rows)
    session.execute(
        fresh.on_conflict_do_update(
            index_elements=["workspace_id", "user_id", "address_norm"],
            set_={
                "mails": UnknownCorrespondent.mails + 1,
                "last_at": func.greatest(UnknownCorrespondent.last_at, fresh.excluded.last_at),
            },
        )
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """A stranger in some mails: by what name, in how many, and when last."""

    name: str
    mails: int
    last_at: datetime


def note_seen(session: Session, actor: Actor, *, user_id: UUID, people: Mapping[str, Seen], again: bool) -> None:
    """List strangers of many mails at once: {normalised address: what was seen}.

    Of mails that are read `again` those who are listed already stay as they are.
    """
    if not people:
        return
    fixed = {"workspace_id": actor.workspace_id, "user_id": user_id}
    rows = [
        {"id": new_id(), "address_norm": address, **fixed, **asdict(seen)} for address, seen in sorted(people.items())
    ]
    fresh = insert(UnknownCorrespondent).values(rows)
    unique = ["workspace_id", "user_id", "address_norm"]
    if again:
        session.execute(fresh.on_conflict_do_nothing(index_elements=unique))
        return
    session.execute(
        fresh.on_conflict_do_update(
            index_elements=unique,
            set_={
                "name": func.coalesce(func.nullif(UnknownCorrespondent.name, ""), fresh.excluded.name),
                "mails": UnknownCorrespondent.mails + fresh.excluded.mails,
                "last_at": func.greatest(UnknownCorrespondent.last_at, fresh.excluded.last_at),
            },
        )
    )


def unknown_correspondents(session: Session, actor: Actor) -> list[UnknownCorrespondent]:
    """The strangers of the actor's own copies, the newest first."""
    wanted = (
        select(UnknownCorrespondent)
        .where(UnknownCorrespondent.user_id == actor.user_id)
        .order_by(UnknownCorrespondent.last_at.desc(), UnknownCorrespondent.id)
        .limit(MOST_UNKNOWN)
    )
    return list(session.scalars(wanted))


def forget_unknown(session: Session, actor: Actor) -> None:
    """Empty the actor's list of strangers."""
    session.execute(delete(UnknownCorrespondent).where(UnknownCorrespondent.user_id == _user(actor)))

"""Owns the addresses of erased people: remembered as keyed hashes alone, so that no list brings the person back."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent import queries
from crm.consent.kinds import SuppressionReason
from crm.consent.models import ErasedAddress, Suppression
from crm.consent.rules import address_hash
from crm.db import among, new_id


def remember(session: Session, actor: Actor, *, pairs: Iterable[tuple[str, str]], now: datetime) -> int:
    """Keep the hashes of the (channel, normalised address) pairs and suppress them; returns how many are new.

    The few letters by which suppressed addresses are told apart are taken away for these.
    """
    key = queries.key_of(session, actor)
    hashed = sorted({(channel, address_hash(key, channel, norm)) for channel, norm in pairs if norm})
    if not hashed:
        return 0
    mine = {"workspace_id": actor.workspace_id, "at": now}
    rows = [{"id": new_id(), "channel": channel, "address_hash": found, **mine} for channel, found in hashed]
    unique = ["workspace_id", "channel", "address_hash"]
    made = session.execute(
        insert(ErasedAddress)
        .values(rows)
        .on_conflict_do_nothing(index_elements=unique, index_where=ErasedAddress.came_back_at.is_(None))
        .returning(ErasedAddress.id)
    ).all()
    hidden = [{**row, "id": new_id(), "hint": "", "reason": SuppressionReason.ERASED} for row in rows]
    session.execute(
        insert(Suppression)
        .values(hidden)
        .on_conflict_do_nothing(index_elements=unique, index_where=Suppression.lifted_at.is_(None))
    )
    session.execute(
        update(Suppression)
        .where(among(Suppression.address_hash, [found for _, found in hashed]))
        .values(hint="")
        .execution_options(synchronize_session=False)
    )
    return len(made)


def known(session: Session, actor: Actor, *, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the (channel, normalised address) pairs that belonged to somebody who was erased."""
    if not pairs or session.scalar(select(ErasedAddress.id).limit(1)) is None:
        return set()
    key = queries.key_of(session, actor)
    by_hash = {address_hash(key, channel, norm): (channel, norm) for channel, norm in pairs}
    wanted = select(ErasedAddress.address_hash).where(
        among(ErasedAddress.address_hash, by_hash),
        among(ErasedAddress.channel, {channel for channel, _ in pairs}),
        ErasedAddress.came_back_at.is_(None),
    )
    return {by_hash[found] for found in session.scalars(wanted)}


def came_back(session: Session, actor: Actor, *, channel: ChannelKind, address_norm: str, now: datetime) -> None:
    """The person wrote in themselves: their address is one like any other again, whatever they agreed to before."""
    if session.scalar(select(ErasedAddress.id).limit(1)) is None:
        return
    hashed = address_hash(queries.key_of(session, actor), channel, address_norm)
    back = session.execute(
        update(ErasedAddress)
        .where(
            ErasedAddress.channel == channel,
            ErasedAddress.address_hash == hashed,
            ErasedAddress.came_back_at.is_(None),
        )
        .values(came_back_at=now)
        .returning(ErasedAddress.id)
    ).all()
    if back:
        session.execute(
            update(Suppression)
            .where(
                Suppression.channel == channel,
                Suppression.address_hash == hashed,
                Suppression.reason == SuppressionReason.ERASED,
                Suppression.lifted_at.is_(None),
            )
            .values(lifted_at=now)
        )

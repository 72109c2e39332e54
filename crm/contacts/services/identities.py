"""Owns who stands behind an account: the platform's immutable id tells a renamed one from one that a stranger took."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.addresses import BY_ID
from crm.channels.base import ChannelKind
from crm.contacts.kinds import HandleState
from crm.contacts.models import Handle, HandleChange
from crm.contacts.services.handles import add_handle, normalised, remove_handle, settle_primary

#: Why a handle was retired: its address is somebody else's now.
TAKEN_OVER = "taken_over"


def resolve_identity(
    session: Session,
    actor: Actor,
    *,
    channel: ChannelKind,
    address: str,
    platform_id: str,
    display_name: str = "",
    now: datetime,
) -> Handle:
    """The handle of the account that a platform knows by `platform_id` and that is called `address` now.

    - A known id under another address was renamed: the handle keeps its owner and remembers the old address.
    - An empty address says nothing: what is known stays, and a new account is called by its id (`id:...`).
    - A known address without an id gets it, for good.
    - A known address whose id is another one was freed and taken by a stranger: the old handle is retired with its
      owner and history, and the address is a new handle of nobody yet.
    """
    actor.require(Permission.EDIT)
    by_id = f"{BY_ID}{platform_id}"
    live = select(Handle).where(Handle.channel == channel, Handle.deleted_at.is_(None)).with_for_update()
    live = live.execution_options(populate_existing=True)
    mine = session.scalars(live.where(Handle.platform_id == platform_id)).one_or_none()
    if mine is not None and address in {"", mine.address}:
        # As before, which is nearly always: no second look.
        if display_name and mine.display_name != display_name:
            mine.display_name = display_name
            session.flush()
        return mine
    mine = mine or _lost(session, channel=channel, platform_id=platform_id)
    if mine is None:
        # Somebody was told the id before, or it was all that the platform gave then.
        typed = live.where(Handle.address_norm == by_id, Handle.platform_id.is_(None))
        mine = session.scalars(typed).one_or_none()
    if not address and mine is not None and mine.deleted_at is None:
        mine.platform_id, mine.display_name = platform_id, display_name or mine.display_name
        session.flush()
        return mine
    known = normalised(session, actor, channel=channel, address=address or by_id)
    there = session.scalars(live.where(Handle.address_norm == known.address_norm)).one_or_none()
    if there is not None and there is not mine and (mine is not None or there.platform_id not in (None, platform_id)):
        # Its account lost the address, or never had it: this id is the proof.
        _retire(session, actor, there, now=now)
        there = None
    if mine is not None:
        found, mine.deleted_at, mine.platform_id = mine, None, platform_id
        if mine.address_norm != known.address_norm:
            _rename(session, mine, known.address, known.address_norm, now=now)
        settle_primary(session, mine, wanted=False)
    else:
        found = there or add_handle(session, actor, channel=channel, address=known.address, now=now)
        if found.platform_id not in {None, platform_id}:
            # Another one took the address in this very moment.
            _retire(session, actor, found, now=now)
            found = add_handle(session, actor, channel=channel, address=known.address, now=now)
        found.platform_id = platform_id
    found.display_name = display_name or found.display_name
    session.flush()
    return found


def _lost(session: Session, *, channel: ChannelKind, platform_id: str) -> Handle | None:
    """The account that lost its address to somebody else and is seen again under another one."""
    lost = select(Handle).where(
        Handle.channel == channel,
        Handle.platform_id == platform_id,
        Handle.deleted_at.is_not(None),
        Handle.state_reason == TAKEN_OVER,
    )
    return session.scalars(lost.order_by(Handle.deleted_at.desc()).limit(1).with_for_update()).one_or_none()


def _retire(session: Session, actor: Actor, handle: Handle, *, now: datetime) -> None:
    handle.state, handle.state_reason, handle.state_at = HandleState.GONE, TAKEN_OVER, now
    session.flush()
    remove_handle(session, actor, handle_id=handle.id, now=now)


def _rename(session: Session, handle: Handle, address: str, address_norm: str, *, now: datetime) -> None:
    session.add(HandleChange(handle_id=handle.id, address=handle.address, address_norm=handle.address_norm, until=now))
    handle.address, handle.address_norm = address, address_norm
    handle.state, handle.state_reason, handle.state_at = HandleState.ACTIVE, "", now
    session.flush()

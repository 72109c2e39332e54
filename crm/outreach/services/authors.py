"""Owns who wrote: the address that an event names, and whose it is. Never the wrong person because of a name."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.addresses import BY_ID, Address, AddressError, normalise
from crm.channels.base import ChannelKind, Reply
from crm.consent import erased
from crm.contacts import queries as contacts
from crm.contacts import services as contact_services
from crm.contacts.kinds import HandleState
from crm.contacts.models import Handle
from crm.outreach.models import Message, SenderAccount

#: Channels that leave the address out now and then (WhatsApp sends a number only sometimes): what is known stays.
#: Elsewhere a missing name says that there is none any more.
_SOMETIMES_SILENT = frozenset({ChannelKind.WHATSAPP})


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote: the contact when known, and the address in any case."""

    contact_id: UUID | None
    handle: Handle


def author_of(session: Session, actor: Actor, account: SenderAccount, parsed: Reply, *, now: datetime) -> Author | None:
    """Whose address it is; a new address is kept as a stranger's.

    Where the platform gives an immutable id, that id decides and the name only says what they are called today. None
    when nothing usable is named, or when the account itself wrote.
    """
    channel = ChannelKind(account.channel)
    named = _readable(channel, parsed.from_address)
    if named is not None and _is_ours(channel, account, named):
        return None
    if parsed.platform_id:
        handle = _by_id(session, actor, channel, parsed, named, now=now)
    elif named is not None:
        handle = _by_address(session, actor, channel, parsed, named, now=now)
    else:
        return None
    return Author(handle.contact_id, handle)


def adopted(session: Session, actor: Actor, author: Author, original: Message) -> Author:
    """An answer from an address nobody owns belongs to the person we wrote to; the address stays a stranger's."""
    if original.contact_id is None:
        return author
    found = contacts.contacts(session, actor, contact_ids=[original.contact_id])
    return Author(original.contact_id if found else None, author.handle)


def _readable(channel: ChannelKind, address: str) -> Address | None:
    try:
        return normalise(channel, address)
    except AddressError:
        return None


def _is_ours(channel: ChannelKind, account: SenderAccount, named: Address) -> bool:
    own = _readable(channel, account.address) if account.address else None
    return own is not None and own.address_norm == named.address_norm


def _by_address(
    session: Session, actor: Actor, channel: ChannelKind, parsed: Reply, named: Address, *, now: datetime
) -> Handle:
    known = contacts.handle_by_address(session, actor, channel=channel, address_norm=named.address_norm)
    if known is not None:
        return known
    # Whoever was erased and writes again may be written to again, and is somebody new.
    erased.came_back(session, actor, channel=channel, address_norm=named.address_norm, now=now)
    return contact_services.add_handle(
        session, actor, channel=channel, address=named.address, display_name=parsed.from_name, now=now
    )


def _by_id(
    session: Session, actor: Actor, channel: ChannelKind, parsed: Reply, named: Address | None, *, now: datetime
) -> Handle:
    platform_id = parsed.platform_id or ""
    by_id = f"{BY_ID}{platform_id}"
    address = named.address if named else "" if channel in _SOMETIMES_SILENT else by_id
    handle = contact_services.resolve_identity(
        session,
        actor,
        channel=channel,
        address=address,
        platform_id=platform_id,
        display_name=parsed.from_name,
        now=now,
    )
    if handle.created_at == now:
        # Whoever was erased and writes again is somebody new, as with a plain address.
        erased.came_back(session, actor, channel=channel, address_norm=handle.address_norm, now=now)
    if handle.state != HandleState.ACTIVE:
        # Who writes lets us answer, whatever was before.
        handle.state, handle.state_reason, handle.state_at = HandleState.ACTIVE, "", now
    return handle

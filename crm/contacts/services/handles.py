"""Owns handles: adding, linking to a person, renaming, retiring, and what state an address is in."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts import queries as accounts
from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.addresses import Address, AddressError, normalise
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.kinds import HandleState
from crm.contacts.models import Contact, Handle, HandleChange
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError, worded
from crm.events import HandleLinked, publish


class HandleTakenError(ConflictError):
    """The address belongs to somebody else already.

    `contact_id` or `company_id` and the sentence say to whom, where the actor may see them.
    """

    code = "handle_taken"

    def __init__(self, *, contact_id: UUID | None = None, company_id: UUID | None = None, name: str = "") -> None:
        sentence = (
            worded("This address already belongs to %(name)s.", name=name)
            if name
            else N_("This address already belongs to somebody else.")
        )
        super().__init__(sentence, fields={"address": sentence})
        self.contact_id, self.company_id = contact_id, company_id


def normalised(session: Session, actor: Actor, *, channel: ChannelKind, address: str) -> Address:
    """The address as it is kept, read with the workspace's country; raises `InvalidInputError` on `address`."""
    region = accounts.workspace(session, actor).country
    try:
        return normalise(channel, address, region=region)
    except AddressError as error:
        raise InvalidInputError(error.sentence, code=error.code, fields={"address": error.sentence}) from error


def add_handle(
    session: Session,
    actor: Actor,
    *,
    channel: ChannelKind,
    address: str,
    contact_id: UUID | None = None,
    company_id: UUID | None = None,
    platform_id: str | None = None,
    display_name: str = "",
    label: str = "",
    is_primary: bool = False,
    now: datetime,
) -> Handle:
    """An address of a contact, of a company, or of nobody yet; the same one twice is one row.

    An address that nobody owned is linked. Raises `HandleTakenError` when it is somebody else's, and
    `InvalidInputError` when it is no address of this channel.
    """
    actor.require(Permission.EDIT)
    known = normalised(session, actor, channel=channel, address=address)
    person = queries.contact(session, actor, contact_id=contact_id, lock=True) if contact_id else None
    if company_id:
        queries.company(session, actor, company_id=company_id)
    found = _insert(
        session,
        actor,
        channel=channel,
        address=known.address,
        address_norm=known.address_norm,
        platform_id=platform_id,
        display_name=display_name,
        created_at=now,
    )
    wants_owner = contact_id is not None or company_id is not None
    has_owner = found.contact_id is not None or found.company_id is not None
    mine = found.contact_id == contact_id and found.company_id == company_id
    if wants_owner and has_owner and not mine:
        raise _taken(session, actor, found)
    if label:
        found.label = label
    if wants_owner and not has_owner:
        found.contact_id, found.company_id = contact_id, company_id
        session.flush()
        owner = {"contact_id": contact_id, "company_id": company_id}
        publish(session, HandleLinked(workspace_id=actor.workspace_id, now=now, handle_id=found.id, **owner))
    settle_primary(session, found, wanted=is_primary)
    if person is not None:
        sync_email(session, person, now=now)
    return found


def _taken(session: Session, actor: Actor, held: Handle) -> HandleTakenError:
    """The refusal, with a name where the actor may see whom the address belongs to."""
    if held.contact_id is not None:
        person = queries.contacts(session, actor, contact_ids=[held.contact_id]).get(held.contact_id)
        return HandleTakenError(contact_id=person.id, name=person.display_name) if person else HandleTakenError()
    if held.company_id is not None:
        names = queries.company_names(session, actor, company_ids=[held.company_id])
        return HandleTakenError(company_id=held.company_id, name=names.get(str(held.company_id), ""))
    return HandleTakenError()


def _insert(session: Session, actor: Actor, **values: Any) -> Handle:
    """The live row of this address, made when there is none; two people who add it at once get the same row."""
    row = {"id": new_id(), "workspace_id": actor.workspace_id, **values}
    session.execute(
        insert(Handle)
        .values(**row)
        .on_conflict_do_nothing(
            index_elements=["workspace_id", "channel", "address_norm"], index_where=Handle.deleted_at.is_(None)
        )
    )
    wanted = select(Handle).where(
        Handle.channel == values["channel"],
        Handle.address_norm == values["address_norm"],
        Handle.deleted_at.is_(None),
    )
    return session.scalars(wanted.with_for_update().execution_options(populate_existing=True)).one()


def settle_primary(session: Session, found: Handle, *, wanted: bool) -> None:
    """One primary address for each owner and channel: the first, or the one that was asked for."""
    if found.contact_id is None and found.company_id is None:
        return
    owner = Handle.contact_id == found.contact_id if found.contact_id else Handle.company_id == found.company_id
    siblings = (owner, Handle.channel == found.channel, Handle.deleted_at.is_(None), Handle.id != found.id)
    if wanted:
        session.execute(update(Handle).where(*siblings).values(is_primary=False))
        found.is_primary = True
    elif not session.scalars(select(Handle.id).where(*siblings, Handle.is_primary).limit(1)).first():
        found.is_primary = True
    session.flush()


def sync_email(session: Session, person: Contact, *, now: datetime) -> None:
    """Repeat the primary e-mail address on the contact, where lists and search read it."""
    wanted = select(Handle.address).where(
        Handle.contact_id == person.id, Handle.channel == ChannelKind.EMAIL, Handle.deleted_at.is_(None)
    )
    person.email = session.scalars(wanted.order_by(Handle.is_primary.desc(), Handle.created_at).limit(1)).first() or ""
    person.updated_at = now
    session.flush()


def make_primary(session: Session, actor: Actor, *, handle_id: UUID, now: datetime) -> Handle:
    """Use this address of its channel first."""
    actor.require(Permission.EDIT)
    found = queries.handle(session, actor, handle_id=handle_id)
    person = queries.contact(session, actor, contact_id=found.contact_id, lock=True) if found.contact_id else None
    settle_primary(session, found, wanted=True)
    if person is not None:
        sync_email(session, person, now=now)
    return found


def remove_handle(session: Session, actor: Actor, *, handle_id: UUID, now: datetime) -> Handle:
    """Retire an address: it is free for others, and its history stays with the person."""
    actor.require(Permission.EDIT)
    found = queries.handle(session, actor, handle_id=handle_id)
    person = queries.contact(session, actor, contact_id=found.contact_id, lock=True) if found.contact_id else None
    was_primary, found.is_primary, found.deleted_at = found.is_primary, False, now
    session.flush()
    if was_primary:
        _promote_oldest(session, found)
    if person is not None:
        sync_email(session, person, now=now)
    return found


def _promote_oldest(session: Session, gone: Handle) -> None:
    owner = Handle.contact_id == gone.contact_id if gone.contact_id else Handle.company_id == gone.company_id
    wanted = select(Handle).where(owner, Handle.channel == gone.channel, Handle.deleted_at.is_(None))
    heir = session.scalars(wanted.order_by(Handle.created_at, Handle.id).limit(1)).one_or_none()
    if heir is not None:
        heir.is_primary = True
        session.flush()


def rename_handle(
    session: Session, actor: Actor, *, handle_id: UUID, address: str, label: str | None = None, now: datetime
) -> Handle:
    """The same account under a new address; the old one stays in its history. Raises `HandleTakenError`."""
    actor.require(Permission.EDIT)
    found = queries.handle(session, actor, handle_id=handle_id)
    found.label = found.label if label is None else label
    known = normalised(session, actor, channel=ChannelKind(found.channel), address=address)
    if known.address_norm == found.address_norm:
        found.address = known.address
        session.flush()
        return found
    live = select(Handle).where(
        Handle.channel == found.channel, Handle.address_norm == known.address_norm, Handle.deleted_at.is_(None)
    )
    other = session.scalars(live).one_or_none()
    if other is not None:
        raise _taken(session, actor, other)
    before = HandleChange(handle_id=found.id, address=found.address, address_norm=found.address_norm, until=now)
    session.add(before)
    found.address, found.address_norm = known
    found.state, found.state_reason, found.state_at = HandleState.ACTIVE, "", now
    session.flush()
    if found.contact_id is not None:
        sync_email(session, queries.contact(session, actor, contact_id=found.contact_id, lock=True), now=now)
    return found


def link_handle(
    session: Session,
    actor: Actor,
    *,
    handle_id: UUID,
    contact_id: UUID | None = None,
    company_id: UUID | None = None,
    now: datetime,
) -> Handle:
    """Say whose a stranger's address is: its whole history becomes that person's or company's (`HandleLinked`)."""
    actor.require(Permission.EDIT)
    found = queries.handle(session, actor, handle_id=handle_id)
    return add_handle(
        session,
        actor,
        channel=ChannelKind(found.channel),
        address=found.address,
        contact_id=contact_id,
        company_id=company_id,
        now=now,
    )


def dismiss_stranger(session: Session, actor: Actor, *, handle_id: UUID, now: datetime) -> Handle:
    """Take an address of nobody off the list; who writes from it again is a stranger anew.

    Raises `HandleNotFoundError` for one that is somebody's.
    """
    actor.require(Permission.EDIT)
    found = queries.stranger(session, actor, handle_id=handle_id)
    return remove_handle(session, actor, handle_id=found.id, now=now)


def set_handle_state(
    session: Session, actor: Actor, *, handle_id: UUID, state: HandleState, reason: str, now: datetime
) -> Handle:
    """Note that an address works, bounced, blocked us or is gone, with a short `reason` code."""
    actor.require(Permission.EDIT)
    found = queries.handle(session, actor, handle_id=handle_id)
    found.state, found.state_reason, found.state_at = state, reason, now
    session.flush()
    return found

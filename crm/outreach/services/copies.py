"""Owns mail that a colleague copied to their history address: it lands on the timelines of the people in it."""

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts import queries as accounts
from crm.accounts.models import Membership, User
from crm.accounts.rules import Actor
from crm.channels.addresses import AddressError, normalise
from crm.channels.base import AutoReply, ChannelKind, Reply
from crm.channels.mail_parts import addresses, headers, read_message
from crm.consent import erased
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Handle
from crm.db import among
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind
from crm.interactions.services import copies
from crm.outreach.links import hide_tokens
from crm.outreach.models import Message, SenderAccount
from crm.outreach.setup import files_folder

#: Where the address of a copy may stand: a blind one only in what the mail servers wrote.
_RECIPIENTS: Final = ("To", "Cc", "Bcc", "Delivered-To", "X-Original-To", "Envelope-To")
_TOKEN: Final = re.compile(r"\+([0-9a-f]{20})@")
#: A mail to more people than this is a newsletter, which nobody's history needs.
_MOST_PEOPLE: Final = 50


def copied_by(session: Session, raw: bytes) -> UUID | None:
    """Whose history address a mail was sent to; None for every other mail. Raises `InboundError`."""
    tokens = set(_TOKEN.findall(headers(read_message(raw), *_RECIPIENTS).lower()))
    return copies.holder_of(session, tokens=tokens) if tokens else None


def record_bcc_mail(session: Session, actor: Actor, *, user_id: UUID, parsed: Reply, raw: bytes, now: datetime) -> int:
    """Log a copied mail with everybody in it whom the colleague may see; how many entries there are of it now.

    From one of us it is a message sent to each known recipient, else one received from its author. By its Message-ID
    it is logged once however often it comes, and never what this program sent itself. Its files lie beside the
    entries. Strangers are listed, not made.
    """
    colleague = accounts.member_actor(session, workspace_id=actor.workspace_id, user_id=user_id)
    if colleague is None or _is_ours_already(session, parsed.event_id):
        return 0
    at = min(parsed.occurred_at or now, now)
    author = _norm(parsed.from_address)
    sent_by = _author(session, author, user_id)
    if sent_by is None:
        others = {author: parsed.from_name} if author else {}
    else:
        named = addresses(headers(read_message(raw), "To", "Cc"))
        others = {norm: "" for norm in map(_norm, named) if norm and not _TOKEN.search(norm)}
    if len(others) > _MOST_PEOPLE:
        return 0
    known = _known(session, colleague, set(others))
    inside = _inside(session, set(others))
    entries = [
        interactions.Entry(
            kind=InteractionKind.MESSAGE_RECEIVED if sent_by is None else InteractionKind.MESSAGE_SENT,
            direction=Direction.INBOUND if sent_by is None else Direction.OUTBOUND,
            contact_id=contact_id,
            handle_id=handle_id,
            channel=ChannelKind.EMAIL.value,
            happened_at=at,
            subject=parsed.subject[:200],
            body=hide_tokens(parsed.text),
            external_id=parsed.event_id if sent_by is None else f"{parsed.event_id}#{norm}",
            is_automatic=isinstance(parsed, AutoReply),
            author_id=sent_by,
        )
        for norm, (contact_id, handle_id) in known.items()
    ]
    rows = interactions.log_many(session, actor, entries=entries, now=now)
    interactions.attach_copies(
        session,
        actor,
        entry_ids=[row.id for row in rows],
        files=[(one.filename, one.content_type, one.content) for one in parsed.attachments if not one.is_inline],
        folder=files_folder(),
        created_by_id=user_id,
    )
    gone = _erased(session, actor, set(others) - set(known) - inside)
    strangers = {norm: name for norm, name in others.items() if norm not in known and norm not in inside | gone}
    copies.note_unknown(session, actor, user_id=user_id, people=strangers, at=at)
    return len(entries)


def _erased(session: Session, actor: Actor, norms: set[str]) -> set[str]:
    """Which of these addresses belonged to somebody who was erased: nobody is asked to add them again."""
    channel = ChannelKind.EMAIL.value
    return {norm for _channel, norm in erased.known(session, actor, pairs=[(channel, norm) for norm in norms])}


def speaks_to_us(session: Session, actor: Actor, *, user_id: UUID, parsed: Reply, raw: bytes) -> bool:
    """True when somebody from outside wrote to the history address openly: that is no copy, but their own words.

    Who answers everybody of a mail with that address in it may be saying no, and is heard as in any other answer; who
    is not known yet waits as a stranger to be claimed. What machines of strangers write is no word to us.
    """
    if _TOKEN.search(headers(read_message(raw), "To", "Cc").lower()) is None:
        return False
    author = _norm(parsed.from_address)
    if not author or _author(session, author, user_id) is not None:
        return False
    return not isinstance(parsed, AutoReply) or bool(_known(session, actor, {author}))


def _norm(address: str) -> str:
    try:
        return normalise(ChannelKind.EMAIL, address).address_norm
    except AddressError:
        return ""


def _is_ours_already(session: Session, reference: str) -> bool:
    return session.scalars(select(Message.id).where(Message.reference == reference).limit(1)).first() is not None


def _author(session: Session, address: str, user_id: UUID) -> UUID | None:
    """The colleague who wrote, by their own address or that of an account; None for somebody from outside."""
    colleague = session.scalars(
        select(User.id)
        .join(Membership, Membership.user_id == User.id)
        .where(User.email_norm == address, Membership.ended_at.is_(None))
    ).first()
    if colleague is not None:
        return colleague
    own = session.execute(
        select(SenderAccount.owner_id).where(
            func.lower(SenderAccount.address) == address, SenderAccount.deleted_at.is_(None)
        )
    ).first()
    return (own[0] or user_id) if own else None


def _known(session: Session, actor: Actor, norms: set[str]) -> dict[str, tuple[UUID, UUID]]:
    """{address: (contact, handle)} of people whom the actor may see."""
    rows = session.execute(
        select(Handle.address_norm, Contact.id, Handle.id)
        .join(Contact, Contact.id == Handle.contact_id)
        .where(
            Handle.channel == ChannelKind.EMAIL,
            among(Handle.address_norm, sorted(norms)),
            Handle.deleted_at.is_(None),
            contacts.alive(actor),
        )
    )
    return {norm: (contact_id, handle_id) for norm, contact_id, handle_id in rows}


def _inside(session: Session, norms: set[str]) -> set[str]:
    """Which of these addresses are colleagues' or accounts', or of people whom somebody else looks after."""
    users = select(User.email_norm).join(Membership, Membership.user_id == User.id).where(User.email_norm.in_(norms))
    own = select(func.lower(SenderAccount.address)).where(func.lower(SenderAccount.address).in_(norms))
    taken = select(Handle.address_norm).where(
        Handle.channel == ChannelKind.EMAIL, among(Handle.address_norm, sorted(norms)), Handle.deleted_at.is_(None)
    )
    return {norm for wanted in (users, own, taken) for norm in session.scalars(wanted)}

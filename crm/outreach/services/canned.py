"""Owns canned replies: answers that are given often, kept once for the whole workspace."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts import queries as contacts
from crm.contacts.inputs import Input, Line
from crm.errors import ConflictError, NotFoundError
from crm.outreach.content import MAX_TEMPLATE, render
from crm.outreach.inbox_models import CannedReply
from crm.outreach.services.compose import RICH, Recipient, values_of
from crm.outreach.services.conversations import load as load_conversation
from crm.outreach.variables import check_fields


class CannedReplyNotFoundError(NotFoundError):
    """No such canned reply in this workspace."""

    code = "canned_reply_not_found"


class CannedReplyInput(Input):
    """A title to find it by, the language of its words, and the words with variables as templates have them."""

    title: Annotated[Line, Field(min_length=1, max_length=120)]
    language: Annotated[str, Field(pattern="^(it|en)$")] = "it"
    body: Annotated[str, Field(min_length=1, max_length=MAX_TEMPLATE)]


def load_canned(session: Session, canned_id: UUID, *, lock: bool = False) -> CannedReply:
    """The canned reply; raises `CannedReplyNotFoundError`."""
    wanted = select(CannedReply).where(CannedReply.id == canned_id)
    found = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if found is None:
        raise CannedReplyNotFoundError(N_("There is no such canned reply."))
    return found


def create_canned(session: Session, actor: Actor, *, data: CannedReplyInput, now: datetime) -> CannedReply:
    """A new canned reply; raises `InvalidInputError` on a text that is no valid Liquid."""
    actor.require(Permission.WRITE)
    check_fields(subject="", body=data.body)
    row = CannedReply(created_at=now, updated_at=now, **data.model_dump())
    session.add(row)
    session.flush()
    return row


def update_canned(
    session: Session,
    actor: Actor,
    *,
    canned_id: UUID,
    data: CannedReplyInput,
    expected_version: int | None = None,
    now: datetime,
) -> CannedReply:
    """Change a canned reply; raises `ConflictError` when somebody else did meanwhile."""
    actor.require(Permission.WRITE)
    row = load_canned(session, canned_id, lock=True)
    if expected_version is not None and row.version != expected_version:
        raise ConflictError(N_("Somebody else has changed this meanwhile."), code="changed")
    check_fields(subject="", body=data.body)
    for name, value in data.model_dump().items():
        setattr(row, name, value)
    row.updated_at = now
    session.flush()
    return row


def delete_canned(session: Session, actor: Actor, *, canned_id: UUID) -> None:
    """Out of the list; answers that began with it stay."""
    actor.require(Permission.WRITE)
    session.delete(load_canned(session, canned_id, lock=True))
    session.flush()


def canned_texts(
    session: Session, actor: Actor, *, rows: Sequence[CannedReply], conversation_id: UUID
) -> dict[UUID, str]:
    """{canned reply: its words with this person's values}; one that lacks a value keeps its variables to be seen."""
    conversation = load_conversation(session, conversation_id)
    contact = None
    if conversation.contact_id is not None:
        contact = contacts.contact(session, actor, contact_id=conversation.contact_id)
    channel = ChannelKind(conversation.channel)
    values = (
        values_of(session, actor, Recipient(contact=contact, company=contact.company), account=None) if contact else {}
    )
    texts = {}
    for row in rows:
        filled = render("", row.body, values, is_rich=channel in RICH) if "{" in row.body else None
        texts[row.id] = row.body if filled is None or filled.missing else filled.body
    return texts


def canned_for(session: Session, actor: Actor, *, canned_id: UUID, conversation_id: UUID) -> str:
    """The words of one, as `canned_texts`; raises `CannedReplyNotFoundError`."""
    row = load_canned(session, canned_id)
    return canned_texts(session, actor, rows=[row], conversation_id=conversation_id)[row.id]

"""Owns drafts: many at once for a campaign, each rendered for its person, and changing one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Handle
from crm.db import new_id
from crm.errors import ConflictError, NotFoundError
from crm.outreach.content import Rendered, render
from crm.outreach.kinds import BatchState, MessageDirection, MessageState
from crm.outreach.models import Batch, Message, MessageText
from crm.outreach.queries.verdicts import best_handles
from crm.outreach.rules import Reason
from crm.outreach.services.accounts import accounts_of_owners, choose_account
from crm.outreach.services.compose import RICH, check_words, recipients, values_of
from crm.outreach.services.transitions import Moved, move, tell


class MessageNotFoundError(NotFoundError):
    """No such message for this actor."""

    code = "message_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftInput:
    """One person's draft: templates, and what they may use beside the person's own data.

    `values` adds groups (`{"voucher": {"code": Trusted("7K2...")}, "offer": {...}}`); `why` is kept for the reviewer.
    """

    contact_id: UUID
    subject: str
    body: str
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    voucher_id: UUID | None = None
    template_id: UUID | None = None
    handle_id: UUID | None = None
    why: Mapping[str, Any] = field(default_factory=dict)


def new_batch(session: Session, actor: Actor, *, name: str, now: datetime) -> Batch:
    """Messages that will be paused, resumed and cancelled together."""
    actor.require(Permission.WRITE)
    batch = Batch(name=name, state=BatchState.OPEN.value, created_at=now)
    session.add(batch)
    session.flush()
    return batch


def draft_many(
    session: Session,
    actor: Actor,
    *,
    batch_id: UUID | None,
    drafts: Sequence[DraftInput],
    purpose: Purpose,
    channel: ChannelKind,
    account_id: UUID | None = None,
    from_owner: bool = False,
    stop_if_replied_since: datetime | None = None,
    not_after: datetime | None = None,
    now: datetime,
) -> dict[UUID, UUID]:
    """One draft a person, in review; returns message ids by contact id.

    A person for whom a variable has no value gets a held draft with the reason, the others are not affected. People
    that don't exist for the actor are left out. With `from_owner` each leaves from the account of whoever looks after
    the person; where nobody does, or they have none, from `account_id` or the usual one. Raises `TemplateError` when a
    text can't be used at all.
    """
    actor.require(Permission.WRITE)
    visible = contacts.contacts(session, actor, contact_ids=[draft.contact_id for draft in drafts])
    people = recipients(session, contact_ids=list(visible))
    handles = best_handles(session, contact_ids=list(people), channel=channel)
    account = choose_account(session, channel=channel, account_id=account_id, owner_id=actor.user_id)
    theirs = accounts_of_owners(session, channel=channel) if from_owner else {}
    shared = {
        "workspace_id": actor.workspace_id,
        "direction": MessageDirection.OUTBOUND.value,
        "channel": channel.value,
        "purpose": purpose.value,
        "batch_id": batch_id,
        "stop_if_replied_since": stop_if_replied_since,
        "not_after": not_after,
        "created_by_id": actor.user_id,
        "created_at": now,
        "updated_at": now,
    }
    rows: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    for draft in drafts:
        person = people.get(draft.contact_id)
        if person is None:
            continue
        owner_id = person.contact.owner_id
        sender = theirs.get(owner_id, account) if owner_id is not None else account
        values = values_of(session, actor, person, account=sender, extra=draft.values)
        filled = render(draft.subject, draft.body, values, is_rich=channel in RICH)
        rows.append({**shared, **_message_row(draft, filled, handles.get(draft.contact_id))})
        rows[-1]["account_id"] = sender.id if sender else None
        rows[-1]["is_assisted"] = sender is None and channel is not ChannelKind.EMAIL
        texts.append({"workspace_id": actor.workspace_id, **_text_row(draft, filled, rows[-1]["id"])})
    if rows:
        session.execute(insert(Message), rows)
        session.execute(insert(MessageText), texts)
        for row in rows:
            moved = Moved(row["id"], row["contact_id"], row["voucher_id"])
            tell(session, actor, [moved], state=MessageState(row["state"]), now=now)
    return {row["contact_id"]: row["id"] for row in rows}


def _message_row(draft: DraftInput, filled: Rendered, handle: Handle | None) -> dict[str, Any]:
    """What is one person's own of a draft's message; held when a value is missing."""
    return {
        "id": new_id(),
        "state": (MessageState.HELD if filled.missing else MessageState.IN_REVIEW).value,
        "reason": Reason.MISSING_VALUES.value if filled.missing else "",
        "contact_id": draft.contact_id,
        "handle_id": draft.handle_id or (handle.id if handle else None),
        "template_id": draft.template_id,
        "voucher_id": draft.voucher_id,
    }


def _text_row(draft: DraftInput, filled: Rendered, message_id: UUID) -> dict[str, Any]:
    """The words of a draft as its reviewer edits them."""
    return {
        "id": new_id(),
        "message_id": message_id,
        "subject": filled.subject,
        "body": filled.body,
        "missing": list(filled.missing),
        "why": dict(draft.why),
    }


def load(session: Session, actor: Actor, message_id: UUID, *, lock: bool = False) -> Message:
    """The message, when the actor may see its person; raises `MessageNotFoundError`."""
    wanted = (
        select(Message)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .where(Message.id == message_id, Message.contact_id.is_(None) | contacts.visible(actor))
    )
    if lock:
        wanted = wanted.with_for_update(of=Message).execution_options(populate_existing=True)
    found = session.scalars(wanted).one_or_none()
    if found is None:
        raise MessageNotFoundError(N_("There is no such message."))
    return found


def text_of(session: Session, message_id: UUID) -> MessageText:
    """The words of a message as people edit them."""
    return session.scalars(select(MessageText).where(MessageText.message_id == message_id)).one()


_EDITABLE = (MessageState.DRAFT, MessageState.IN_REVIEW, MessageState.HELD, MessageState.APPROVED)


def edit_draft(
    session: Session,
    actor: Actor,
    *,
    message_id: UUID,
    subject: str,
    body: str,
    expected_version: int | None = None,
    now: datetime,
) -> Message:
    """Change one person's words; what was approved must be approved again. The code in the text stays theirs.

    Raises `InvalidInputError` by field, and `ConflictError` when the message is under way or changed meanwhile.
    """
    actor.require(Permission.WRITE)
    message = load(session, actor, message_id, lock=True)
    if expected_version is not None and message.version != expected_version:
        raise ConflictError(N_("Somebody else has changed this meanwhile."), code="changed")
    check_words(ChannelKind(message.channel), subject=subject, body=body)
    text = text_of(session, message_id)
    text.subject, text.body, text.missing, text.is_edited = subject.strip(), body.strip(), [], True
    session.flush()
    session.execute(
        update(Message)
        .where(Message.id == message_id)
        .values(needs_look="")
        .execution_options(synchronize_session=False)
    )
    moved = move(
        session,
        actor,
        message_ids=[message_id],
        when=_EDITABLE,
        to=MessageState.IN_REVIEW,
        now=now,
        reason="",
        held_until=None,
        approved_hash=None,
        approved_by_id=None,
        approved_at=None,
    )
    if not moved:
        raise ConflictError(N_("This message is under way and can't be changed any more."), code="under_way")
    return session.get_one(Message, message_id, populate_existing=True)


def preview(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    subject: str,
    body: str,
    channel: ChannelKind,
    values: Mapping[str, Mapping[str, Any]] | None = None,
    account_id: UUID | None = None,
    from_owner: bool = False,
) -> Rendered:
    """What a person would read, with the names of what is missing; changes nothing. Raises `TemplateError`."""
    contacts.contact(session, actor, contact_id=contact_id)
    person = recipients(session, contact_ids=[contact_id])[contact_id]
    account = choose_account(session, channel=channel, account_id=account_id, owner_id=actor.user_id)
    if from_owner and person.contact.owner_id is not None:
        account = accounts_of_owners(session, channel=channel).get(person.contact.owner_id, account)
    known = values_of(session, actor, person, account=account, extra=values)
    return render(subject, body, known, is_rich=channel in RICH)

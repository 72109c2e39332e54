"""Owns what outreach does when something happens elsewhere: messages that lost their ground are stopped at once."""

from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from crm.accounts import postbox
from crm.accounts import queries as accounts
from crm.accounts.models import User
from crm.accounts.rules import system_actor
from crm.accounts.services import notifications
from crm.channels.base import OutcomeKind
from crm.consent.kinds import ConsentPurpose, Purpose
from crm.contacts import queries as contacts
from crm.contacts.kinds import Importance
from crm.contacts.models import Contact
from crm.db import after_commit
from crm.events import (
    ContactDeleted,
    HandleLinked,
    OfferWithdrawn,
    OptedOut,
    ProcessingLimited,
    ProcessingResumed,
    ReplyReceived,
    VoucherRedeemed,
)
from crm.outreach.inbox_models import InboxNotice
from crm.outreach.kinds import MessageState
from crm.outreach.letters import key_letter, language_of
from crm.outreach.models import Conversation, Message
from crm.outreach.queries.gate import among
from crm.outreach.rules import Reason
from crm.outreach.services.mailbox_landing import answered_since
from crm.outreach.services.pauses import go_on
from crm.outreach.services.transitions import PENDING, move
from crm.settings import current

log = structlog.get_logger(__name__)

#: How the bell tells that a key person answered.
KEY_ANSWERED: Final = "inbox.key_answered"


def skip_after_opt_out(session: Session, event: OptedOut) -> None:
    """The person said no: what still waits for them is skipped; the gate stays as safety for what is under way."""
    if event.contact_id is None:
        return
    purposes = [Purpose.PROMOTIONAL.value]
    if event.purpose == ConsentPurpose.PERSONAL:
        purposes.append(Purpose.PERSONAL.value)
    where = [Message.contact_id == event.contact_id, Message.purpose.in_(purposes)]
    if event.channel:
        where.append(Message.channel == event.channel)
    move(
        session,
        system_actor(event.workspace_id),
        message_ids=None,
        when=PENDING,
        to=MessageState.SKIPPED,
        now=event.now,
        where=where,
        reason=Reason.CONSENT_WITHDRAWN.value,
        held_until=None,
    )


def cancel_after_delete(session: Session, event: ContactDeleted) -> None:
    """People were taken off every list: what still waits for them is cancelled and stays so after a restore."""
    move(
        session,
        system_actor(event.workspace_id),
        message_ids=None,
        when=PENDING,
        to=MessageState.CANCELLED,
        now=event.now,
        where=[among(Message.contact_id, event.contact_ids)],
        reason=Reason.DELETED.value,
        held_until=None,
    )


def hold_limited(session: Session, event: ProcessingLimited) -> None:
    """The person's data may only be kept: what is on the schedule waits until the limit is lifted."""
    by_itself = or_(Message.state == MessageState.SCHEDULED, Message.held_until.is_not(None))
    move(
        session,
        system_actor(event.workspace_id),
        message_ids=None,
        when=[MessageState.SCHEDULED, MessageState.HELD],
        to=MessageState.HELD,
        now=event.now,
        where=[Message.contact_id == event.contact_id, by_itself],
        reason=Reason.LIMITED.value,
        held_until=None,
    )


def go_on_after_limit(session: Session, event: ProcessingResumed) -> None:
    """The limit is gone: what it held goes back to the schedule, and a person decides about what is too late."""
    mine = [Message.contact_id == event.contact_id]
    go_on(session, system_actor(event.workspace_id), reason=Reason.LIMITED, where=mine, now=event.now)


def cancel_withdrawn_offer(session: Session, event: OfferWithdrawn) -> None:
    """The offer is gone: messages that carry its codes are cancelled."""
    if event.voucher_ids:
        move(
            session,
            system_actor(event.workspace_id),
            message_ids=None,
            when=PENDING,
            to=MessageState.CANCELLED,
            now=event.now,
            where=[among(Message.voucher_id, event.voucher_ids)],
            reason="offer_withdrawn",
            held_until=None,
        )


def skip_redeemed(session: Session, event: VoucherRedeemed) -> None:
    """The code was used: a further message with it has nothing to offer."""
    move(
        session,
        system_actor(event.workspace_id),
        message_ids=None,
        when=PENDING,
        to=MessageState.SKIPPED,
        now=event.now,
        where=[Message.voucher_id == event.voucher_id],
        reason=Reason.REDEEMED.value,
        held_until=None,
    )


def settle_answered(session: Session, event: ReplyReceived) -> None:
    """A colleague answered from another mail program before we read the question: nobody waits any more."""
    answered_since(session, conversation_id=event.conversation_id, contact_id=event.contact_id)


def alert_key_answer(session: Session, event: ReplyReceived) -> None:
    """A key person answered: whoever looks after them or the conversation hears the bell at once.

    Those who chose it get a mail as well, once this is committed.
    """
    wanted = (
        select(Contact.display_name, Contact.owner_id, Conversation.assignee_id)
        .join(Conversation, Conversation.contact_id == Contact.id)
        .where(
            Contact.id == event.contact_id,
            Contact.importance == Importance.KEY,
            Conversation.id == event.conversation_id,
        )
    )
    row = session.execute(wanted).one_or_none()
    if row is None:
        return
    told = [
        actor
        for user_id in {row.owner_id, row.assignee_id} - {None}
        if (actor := accounts.member_actor(session, workspace_id=event.workspace_id, user_id=user_id)) is not None
        and contacts.contacts(session, actor, contact_ids=[event.contact_id])
    ]
    if not told:
        return
    url = f"/inbox/{event.conversation_id}"
    notifications.notify(
        session,
        system_actor(event.workspace_id),
        user_ids={actor.user_id for actor in told if actor.user_id is not None},
        kind=KEY_ANSWERED,
        params={"name": row.display_name},
        url=url,
        now=event.now,
    )
    locales = {actor.user_id: actor.locale for actor in told}
    users = session.scalars(
        select(User)
        .join(InboxNotice, InboxNotice.user_id == User.id)
        .where(User.id.in_(locales), User.active, InboxNotice.key_answers)
    ).all()
    for user in users:
        _mail_key_answer(session, user, locale=locales[user.id], who=row.display_name, path=url, now=event.now)


def _mail_key_answer(session: Session, user: User, *, locale: str, who: str, path: str, now: datetime) -> None:
    settings = current()
    if not postbox.is_ready(settings):
        return
    address, name = user.email, user.name or user.email
    home = settings.public_url
    subject, text = key_letter(locale=locale, name=name, who=who, url=home + path, settings=f"{home}/settings/inbox")

    def hand_over() -> None:
        outcome = postbox.send(
            settings,
            to_address=address,
            to_name=name,
            subject=subject,
            text=text,
            language=language_of(locale),
            now=now,
        )
        if outcome.kind is not OutcomeKind.ACCEPTED:
            log.warning("key_answer_not_mailed", code=outcome.code)

    after_commit(session, hand_over)


def adopt_exchange(session: Session, event: HandleLinked) -> None:
    """A stranger turned out to be somebody: their messages and conversations become that person's."""
    if event.contact_id is None:
        return
    for table in (Conversation, Message):
        session.execute(
            update(table)
            .where(table.handle_id == event.handle_id, table.contact_id.is_(None))
            .values(contact_id=event.contact_id)
            .execution_options(synchronize_session=False)
        )

"""Owns what channels tell about messages and people: receipts, bounces, complaints, and who can be reached."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import case, literal_column, select, update
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import (
    Bounce,
    BounceAction,
    ChannelKind,
    Complaint,
    OutcomeKind,
    Reachability,
    Receipt,
    ReceiptKind,
)
from crm.consent import services as consent
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, SuppressionReason
from crm.contacts import services as contact_services
from crm.contacts.kinds import HandleState
from crm.contacts.models import Handle
from crm.db import new_id
from crm.outreach.kinds import AccountState, DeliveryState, MessageState
from crm.outreach.models import Attempt, AttemptEvidence, Message, SenderAccount
from crm.outreach.services.outcomes import AUTH_HOLD
from crm.outreach.services.settle import mark_sent
from crm.outreach.services.transitions import give_back_budget
from crm.outreach.setup import links

#: How long a receipt waits for the message that it is about: its sending may not be committed yet.
PARKED_FOR: Final = timedelta(minutes=10)
_SEVERITY: Final = {state: number for number, state in enumerate(DeliveryState)}
#: Nobody but the recipient's side knows our Message-ID: news that names it proves that a copy left.
_UNDECIDED: Final = (MessageState.UNCERTAIN, MessageState.SCHEDULED, MessageState.HELD)


def original_of(
    session: Session, account: SenderAccount, *, references: Sequence[str], token: str | None = None
) -> Message | None:
    """The message of ours that an answer, receipt, bounce or complaint is about.

    Mail names our Message-ID, whichever account it comes to; everybody else what their platform calls the message,
    within the account, or our reference where it echoes that.
    """
    for reference in references:
        found = session.scalars(select(Message).where(Message.reference == reference)).one_or_none()
        if found is not None and account.channel in {ChannelKind.EMAIL, found.channel}:
            return found
        if account.channel != ChannelKind.EMAIL and (found := _by_remote_id(session, account, reference)):
            return found
    message_id = links().read_reply_token(token) if token else None
    return session.get(Message, message_id) if message_id else None


def _by_remote_id(session: Session, account: SenderAccount, remote_id: str) -> Message | None:
    return session.scalars(
        select(Message)
        .where(
            Message.account_id == account.id,
            Message.remote_id == remote_id,
            # Word by word as in the index, which serves only who says so.
            literal_column("message.channel <> 'email'"),
        )
        .order_by(Message.created_at, Message.id)
        .limit(1)
    ).one_or_none()


def already_received(session: Session, account: SenderAccount, remote_id: str) -> bool:
    """Whether a platform told of this message before, in another event."""
    return account.channel != ChannelKind.EMAIL and _by_remote_id(session, account, remote_id) is not None


def arrived(session: Session, actor: Actor, original: Message, *, now: datetime) -> None:
    """Whoever answers or complains has got it: an uncertain message is settled by that.

    So is one that waits for another try, which would be a second copy. While the try still runs, the news is parked as
    a delivery, and the clock settles the message when the try has an end that nobody understands.
    """
    state = MessageState(original.state)
    if state is MessageState.SENDING:
        _delivery(session, original, DeliveryState.DELIVERED, now=now)
    elif state in _UNDECIDED and original.tries > 0:
        mark_sent(session, actor, original.id, when=state, now=now)


def _delivery(session: Session, original: Message, state: DeliveryState, *, now: datetime) -> bool:
    """Note a receipt, unless a worse one is known: a late "delivered" never hides a bounce. True when it is news."""
    rank = case({known.value: number for known, number in _SEVERITY.items()}, value=Message.delivery, else_=0)
    noted = session.execute(
        update(Message)
        .where(Message.id == original.id, rank < _SEVERITY[state])
        .values(delivery=state.value, delivery_at=now)
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return noted is not None


_BOUNCES: Final = {
    BounceAction.FAILED: DeliveryState.BOUNCED,
    BounceAction.DELAYED: DeliveryState.DELAYED,
    BounceAction.DELIVERED: DeliveryState.DELIVERED,
}


def bounced(session: Session, actor: Actor, account: SenderAccount, parsed: Bounce, *, now: datetime) -> None:
    """What a delivery report says; one that names nothing we sent changes nothing, since anybody can write one."""
    references = [parsed.original_reference] if parsed.original_reference else []
    original = original_of(session, account, references=references, token=parsed.token)
    if original is None:
        return
    for recipient in parsed.recipients:
        state = _BOUNCES.get(recipient.action)
        if state is not None:
            arrived(session, actor, original, now=now)
            _delivery(session, original, state, now=now)
        if recipient.action is BounceAction.FAILED and recipient.outcome is OutcomeKind.PERMANENT:
            _gone(session, actor, original, recipient.status or "bounced", now=now)


def complained(session: Session, actor: Actor, account: SenderAccount, parsed: Complaint, *, now: datetime) -> None:
    """Nothing goes any more to the address of who said "this is spam", and nothing promotional to that person."""
    references = [parsed.original_reference] if parsed.original_reference else []
    original = original_of(session, account, references=references)
    if original is None or original.handle_id is None:
        return
    arrived(session, actor, original, now=now)
    _delivery(session, original, DeliveryState.COMPLAINED, now=now)
    handle = session.get_one(Handle, original.handle_id)
    consent.suppress(
        session,
        actor,
        channel=ChannelKind(original.channel),
        address_norm=handle.address_norm,
        reason=SuppressionReason.COMPLAINT,
        now=now,
    )
    if original.contact_id is not None:
        consent.record(
            session,
            actor,
            contact_id=original.contact_id,
            purpose=ConsentPurpose.PROMOTIONAL,
            channel=None,
            action=ConsentAction.WITHDRAWN,
            basis=Basis.CONSENT,
            source="complaint",
            happened_at=now,
            now=now,
        )


def receipt(session: Session, actor: Actor, account: SenderAccount, parsed: Receipt, *, now: datetime) -> bool:
    """Note what became of a message; False when no such message is known (yet)."""
    named = [one for one in (parsed.reference, parsed.remote_id) if one]
    original = original_of(session, account, references=named)
    if original is None:
        return False
    arrived(session, actor, original, now=now)
    if parsed.kind is ReceiptKind.SENT:
        return True
    if parsed.kind is not ReceiptKind.FAILED:
        state = DeliveryState.READ if parsed.kind is ReceiptKind.READ else DeliveryState.DELIVERED
        _delivery(session, original, state, now=now)
        return True
    outcome = parsed.outcome or OutcomeKind.PERMANENT
    state = DeliveryState.BOUNCED if outcome is OutcomeKind.PERMANENT else DeliveryState.FAILED
    if _delivery(session, original, state, now=now):
        _failed_late(session, actor, account, original, outcome=outcome, code=parsed.code, now=now)
    return True


def _failed_late(
    session: Session,
    actor: Actor,
    account: SenderAccount,
    original: Message,
    *,
    outcome: OutcomeKind,
    code: str,
    now: datetime,
) -> None:
    """The channel took it and said no afterwards: what the same answer to the attempt would have meant."""
    if MessageState(original.state) is MessageState.SENT:
        session.execute(
            update(Message)
            .where(Message.id == original.id, Message.state == MessageState.SENT)
            .values(reason=outcome.value)
            .execution_options(synchronize_session=False)
        )
    give_back_budget(session, message_ids=[original.id])
    attempt_id = session.scalars(
        select(Attempt.id).where(Attempt.message_id == original.id).order_by(Attempt.number.desc()).limit(1)
    ).one_or_none()
    if attempt_id is not None and code:
        session.add(AttemptEvidence(id=new_id(), attempt_id=attempt_id, detail=code[:200]))
    if outcome is OutcomeKind.PERMANENT:
        _gone(session, actor, original, code or "failed", now=now)
    elif outcome is OutcomeKind.AUTH and account.state == AccountState.ACTIVE:
        account.state, account.hold_reason, account.hold_until = AccountState.HELD.value, code, now + AUTH_HOLD
        account.last_error_at, account.last_error_code = now, code
    session.flush()


def _gone(session: Session, actor: Actor, original: Message, code: str, *, now: datetime) -> None:
    """The address of a message that can't be reached; one that was given up or changed hands is left as it is."""
    handle = session.get(Handle, original.handle_id) if original.handle_id else None
    if handle is not None and handle.deleted_at is None:
        contact_services.set_handle_state(
            session, actor, handle_id=handle.id, state=HandleState.BOUNCED, reason=code, now=now
        )


def reachability(
    session: Session, actor: Actor, account: SenderAccount, parsed: Reachability, *, now: datetime
) -> None:
    """Somebody blocked the account or let it in again; who never wrote to us changes nothing."""
    handle = session.scalars(
        select(Handle).where(
            Handle.channel == account.channel, Handle.platform_id == parsed.platform_id, Handle.deleted_at.is_(None)
        )
    ).one_or_none()
    if handle is not None:
        state = HandleState.ACTIVE if parsed.reachable else HandleState.BLOCKED
        reason = "" if parsed.reachable else parsed.code or "blocked"
        contact_services.set_handle_state(session, actor, handle_id=handle.id, state=state, reason=reason, now=now)

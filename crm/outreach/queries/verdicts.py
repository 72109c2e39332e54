"""Asks the gate: about messages as they stand, and "may I write to these people?" before there is a message."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts.kinds import HandleState
from crm.contacts.models import Contact, Handle
from crm.outreach.facts import AccountFacts, Facts, HandleFacts, MessageFacts
from crm.outreach.models import Message, SenderAccount
from crm.outreach.queries.accounts import account as account_of
from crm.outreach.queries.accounts import account_facts
from crm.outreach.queries.accounts import accounts as accounts_of
from crm.outreach.queries.gate import (
    among,
    consent_answers,
    counts_budget,
    house_policy,
    people,
    person_facts,
    subjects,
    suppressed_of,
)
from crm.outreach.queries.networks import MUST_START, WINDOWS, is_started, last_written, text_until
from crm.outreach.rules import Verdict, judge


class AnyAccount(StrEnum):
    """Asks the gate whether the channel has any account."""

    ANY = "any"


def message_verdicts(
    session: Session,
    actor: Actor,
    *,
    message_ids: Collection[UUID],
    now: datetime,
    attended_since: datetime | None = None,
) -> dict[UUID, Verdict]:
    """The gate's answer for messages as they stand now, the state and the pace of their accounts included."""
    house = house_policy(session, actor)
    found = subjects(session, actor, message_ids=message_ids, house=house, at=now, attended_since=attended_since)
    accounts = _senders(session, message_ids, now=now)
    return {
        message_id: judge(
            replace(subject.facts, account=accounts.get(message_id)), purpose=subject.purpose, at=now, policy=house.gate
        )
        for message_id, subject in found.items()
    }


def _senders(session: Session, message_ids: Collection[UUID], *, now: datetime) -> dict[UUID, AccountFacts]:
    """The accounts of messages; each account is read once, and there are few of them."""
    rows = session.execute(
        select(Message.id, SenderAccount)
        .join(SenderAccount, SenderAccount.id == Message.account_id)
        .where(among(Message.id, message_ids))
    ).all()
    known = {row.id: account_facts(session, row, now=now) for row in {row for _, row in rows}}
    return {message_id: known[row.id] for message_id, row in rows}


def verdicts(
    session: Session,
    actor: Actor,
    *,
    contact_ids: Collection[UUID],
    purpose: Purpose,
    channel: ChannelKind,
    at: datetime | None = None,
    account: UUID | AnyAccount | None = None,
    has_template: bool = False,
    now: datetime,
) -> dict[UUID, Verdict]:
    """Whether these people may be written to on `channel` at `at` (None is `now`); unknown ids are left out.

    The address judged is the one a message would go to: the primary one, else the oldest that works. `account` asks
    about the health and pace of one, or, with `ANY`, whether there is one at all; None asks nothing of it.
    `has_template` says that the words are a template that the network approved. Raises `NotFoundError` for an account
    that does not exist.
    """
    moment = max(at or now, now)
    rows = session.execute(
        select(
            Contact.id,
            Contact.company_id,
            Contact.time_zone,
            Contact.country,
            Contact.last_inbound_at,
            Contact.deleted_at,
            Contact.erased_at,
            Contact.merged_into_id,
            Contact.limited_at,
        ).where(among(Contact.id, contact_ids))
    ).all()
    counts = counts_budget(purpose)
    house = house_policy(session, actor)
    persons = people(
        session,
        actor,
        contact_ids={row.id for row in rows},
        promotional_ids={row.id for row in rows} if counts else (),
        company_ids={row.company_id for row in rows if row.company_id} if counts else (),
        company_of={row.id: row.company_id for row in rows},
        at=moment,
    )
    answers = consent_answers(session, actor, wanted=[(row.id, purpose, channel) for row in rows], rule=house.consent)
    handles = best_handles(session, contact_ids=[row.id for row in rows], channel=channel)
    suppressed = suppressed_of(session, actor, [(channel.value, handle.address_norm) for handle in handles.values()])
    sender, is_missing = _sender(session, actor, account, channel=channel, now=now)
    written = _written(session, actor, account, contact_ids=[row.id for row in rows], channel=channel)
    result: dict[UUID, Verdict] = {}
    for row in rows:
        handle = handles.get(row.id)
        facts = Facts(
            person=person_facts(row, persons[row.id], answers[row.id, purpose, channel]),
            message=MessageFacts(author_id=actor.user_id, has_template=has_template),
            account=sender,
            is_account_missing=is_missing,
            handle=HandleFacts(
                state=handle.state if handle else None,
                is_suppressed=handle is not None and (channel.value, handle.address_norm) in suppressed,
                is_started=written is None or handle is None or is_started(channel, handle.platform_id),
                text_until=None if written is None else text_until(channel, written.get(row.id)),
            ),
        )
        result[row.id] = judge(facts, purpose=purpose, at=moment, policy=house.gate)
    return result


def _written(
    session: Session,
    actor: Actor,
    wanted: UUID | AnyAccount | None,
    *,
    contact_ids: Collection[UUID],
    channel: ChannelKind,
) -> dict[UUID, datetime] | None:
    """When people last wrote on a channel whose network asks that of machines; None where a person sends by hand."""
    if channel not in MUST_START and channel not in WINDOWS:
        return None
    if not accounts_of(session, actor, channel=channel):
        return None
    account_id = wanted if isinstance(wanted, UUID) else None
    if channel not in WINDOWS:
        return {}
    return last_written(session, contact_ids=contact_ids, channel=channel, account_id=account_id)


def _sender(
    session: Session, actor: Actor, wanted: UUID | AnyAccount | None, *, channel: ChannelKind, now: datetime
) -> tuple[AccountFacts | None, bool]:
    """What the gate knows about the account that was asked about, and whether there is none for the channel."""
    if isinstance(wanted, UUID):
        return account_facts(session, account_of(session, actor, account_id=wanted), now=now), False
    if wanted is None or channel is not ChannelKind.EMAIL:
        # Other channels are served by hand where they have no account.
        return None, False
    return None, not accounts_of(session, actor, channel=channel)


def verdict(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    purpose: Purpose,
    channel: ChannelKind,
    at: datetime | None = None,
    account: UUID | AnyAccount | None = None,
    has_template: bool = False,
    now: datetime,
) -> Verdict:
    """`verdicts` for one person; raises KeyError when there is no such contact."""
    found = verdicts(
        session,
        actor,
        contact_ids=[contact_id],
        purpose=purpose,
        channel=channel,
        at=at,
        account=account,
        has_template=has_template,
        now=now,
    )
    return found[contact_id]


def best_handles(session: Session, *, contact_ids: Collection[UUID], channel: ChannelKind) -> dict[UUID, Handle]:
    """The address each person would be written to: working before broken, primary before others, then the oldest."""
    rows = session.scalars(
        select(Handle)
        .where(among(Handle.contact_id, contact_ids), Handle.channel == channel, Handle.deleted_at.is_(None))
        .order_by(Handle.is_primary.desc(), Handle.created_at, Handle.id)
    ).all()
    best: dict[UUID, Handle] = {}
    for row in rows:
        if row.contact_id is None:
            continue
        known = best.get(row.contact_id)
        if known is None or (known.state != HandleState.ACTIVE and row.state == HandleState.ACTIVE):
            best[row.contact_id] = row
    return best

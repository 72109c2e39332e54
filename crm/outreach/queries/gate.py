"""Collects the facts of the gate in a handful of statements for any number of messages or people, and asks it.

`subjects` reads what a message carries, `people` what is known about its recipients; `crm.outreach.rules.judge`
decides. The same facts serve the page that asks "may I?", the claim and the attempt.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent import queries as consent
from crm.consent.kinds import ConsentPurpose, Purpose
from crm.consent.rules import Policy as ConsentPolicy
from crm.consent.rules import Reason as ConsentRefusal
from crm.consent.rules import State, policy_of
from crm.consent.rules import verdict as consent_verdict
from crm.contacts.models import Contact, Handle
from crm.loyalty.kinds import OfferState, VoucherState
from crm.loyalty.models import Offer, Voucher
from crm.outreach.facts import ConsentAnswer, Facts, HandleFacts, MessageFacts, PersonFacts, Policy
from crm.outreach.kinds import BatchState
from crm.outreach.models import Batch, Message, MessageText
from crm.outreach.queries.networks import TALKS, WINDOWS, is_started, text_until
from crm.outreach.queries.recipients import Person, among, people
from crm.outreach.rules import PURPOSES, Binding, lateness
from crm.outreach.windows import Window
from crm.settings import current

_ALIVE_VOUCHERS = frozenset({VoucherState.ALLOCATED, VoucherState.ACTIVE, VoucherState.ON_HOLD})


# One is made for each message that leaves; a frozen one takes three times as long to make.
@dataclass(slots=True, kw_only=True)
class Subject:
    """One message as the gate sees it: its conditions, its address, and whose it is."""

    message_id: UUID
    purpose: Purpose
    channel: ChannelKind
    contact_id: UUID | None
    company_id: UUID | None
    handle_id: UUID | None
    voucher_id: UUID | None
    batch_id: UUID | None
    address_norm: str
    facts: Facts
    tries: int = 0
    first_tried_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HousePolicy:
    """The workspace's settings: those of the gate, and which basis carries which purpose."""

    gate: Policy
    consent: ConsentPolicy


def policy(session: Session, actor: Actor) -> Policy:
    """The workspace's settings as the gate reads them."""
    return house_policy(session, actor).gate


HOUSE = select(
    Workspace.time_zone,
    Workspace.country,
    Workspace.window_start,
    Workspace.window_end,
    Workspace.window_days,
    Workspace.promotional_per_week,
    Workspace.company_per_week,
    Workspace.sending_paused,
    Workspace.promotions_paused,
    Workspace.basis_policy,
)


def house_policy(session: Session, actor: Actor) -> HousePolicy:
    """All that the workspace decides about sending, in one look."""
    return house_of(session.execute(HOUSE.where(Workspace.id == actor.workspace_id)).one())


def house_of(row: Any) -> HousePolicy:
    """`HousePolicy` of a row with the columns of `HOUSE`."""
    gate = Policy(
        time_zone=row.time_zone,
        country=row.country,
        window=Window.of(row.window_start, row.window_end, row.window_days),
        promotional_per_week=row.promotional_per_week,
        company_per_week=row.company_per_week,
        late_after=timedelta(seconds=current().late_after_seconds),
        is_sending_paused=row.sending_paused,
        are_promotions_paused=row.promotions_paused,
    )
    return HousePolicy(gate, policy_of(row.basis_policy))


MESSAGE_COLUMNS = (
    Message.id,
    Message.purpose,
    Message.channel,
    Message.contact_id,
    Message.handle_id,
    Message.voucher_id,
    Message.batch_id,
    Message.due_at,
    Message.not_before,
    Message.not_after,
    Message.stop_if_replied_since,
    Message.created_by_id,
    Message.late_accepted,
    Message.tries,
    Message.first_tried_at,
    Contact.company_id,
    Contact.time_zone,
    Contact.country,
    Contact.last_inbound_at,
    Contact.deleted_at,
    Contact.erased_at,
    Contact.merged_into_id,
    Contact.limited_at,
    Handle.state.label("handle_state"),
    Handle.deleted_at.label("handle_deleted_at"),
    Handle.contact_id.label("handle_contact_id"),
    Handle.address_norm,
    Handle.platform_id.label("handle_platform_id"),
    Message.is_assisted,
)
PARTS_COLUMNS = (
    Batch.state.label("batch_state"),
    Voucher.state.label("voucher_state"),
    Offer.state.label("offer_state"),
    Offer.valid_until.label("valid_until"),
)
SUBJECTS = (
    select(*MESSAGE_COLUMNS, *PARTS_COLUMNS, func.jsonb_array_length(MessageText.missing).label("missing"))
    .select_from(Message)
    .outerjoin(MessageText, MessageText.message_id == Message.id)
    .outerjoin(Contact, Contact.id == Message.contact_id)
    .outerjoin(Handle, Handle.id == Message.handle_id)
    .outerjoin(Batch, Batch.id == Message.batch_id)
    .outerjoin(Voucher, Voucher.id == Message.voucher_id)
    .outerjoin(Offer, Offer.id == Voucher.offer_id)
)


def subjects(
    session: Session,
    actor: Actor,
    *,
    message_ids: Collection[UUID],
    house: HousePolicy,
    at: datetime,
    attended_since: datetime | None = None,
) -> dict[UUID, Subject]:
    """The gate's facts about messages, by id. `attended_since` belongs to their account; None asks nothing of it."""
    rows = session.execute(SUBJECTS.where(among(Message.id, message_ids))).all()
    persons = people(
        session,
        actor,
        contact_ids={row.contact_id for row in rows if row.contact_id},
        promotional_ids={row.contact_id for row in rows if row.contact_id and counts_budget(row.purpose)},
        company_ids={row.company_id for row in rows if row.company_id and counts_budget(row.purpose)},
        company_of={row.contact_id: row.company_id for row in rows if row.contact_id},
        at=at,
    )
    answers = consent_answers(
        session,
        actor,
        wanted=[(row.contact_id, Purpose(row.purpose), ChannelKind(row.channel)) for row in rows],
        rule=house.consent,
    )
    suppressed = suppressed_of(session, actor, [(row.channel, row.address_norm) for row in rows if row.address_norm])
    timed = [row.id for row in rows if row.channel in WINDOWS and not row.is_assisted]
    talks = session.execute(TALKS.where(among(Message.id, timed))).all() if timed else ()
    return {
        row.id: subject_of(row, persons, answers, suppressed, talks=talks, at=at, attended_since=attended_since)
        for row in rows
    }


def counts_budget(purpose: str) -> bool:
    """Whether the contact budget matters to messages of this purpose, be it as a warning."""
    return PURPOSES[Purpose(purpose)].budget is not Binding.NONE


def subject_of(
    row: Any,
    persons: Mapping[UUID, Person],
    answers: Mapping[tuple[UUID, Purpose, ChannelKind], ConsentAnswer],
    suppressed: Collection[tuple[str, str]],
    *,
    talks: Sequence[Any] = (),
    at: datetime,
    attended_since: datetime | None,
) -> Subject:
    """One message's `Subject` from its row, its person, what consent says, and the suppressed addresses.

    `talks` are the rows of `TALKS` for the messages of channels that answer only what was written lately.
    """
    purpose, channel = Purpose(row.purpose), ChannelKind(row.channel)
    person = None
    if row.contact_id is not None:
        person = person_facts(
            row, persons[row.contact_id], answers[row.contact_id, purpose, channel], apart_from=row.id
        )
    talk = next((talk for talk in talks if talk.id == row.id), None) if talks else None
    late_by = timedelta(0)
    if attended_since is not None and row.due_at is not None:
        late_by = lateness(due_at=row.due_at, attended_since=attended_since)
    return Subject(
        message_id=row.id,
        purpose=purpose,
        channel=channel,
        contact_id=row.contact_id,
        company_id=row.company_id,
        handle_id=row.handle_id,
        voucher_id=row.voucher_id,
        batch_id=row.batch_id,
        address_norm=row.address_norm or "",
        tries=row.tries,
        first_tried_at=row.first_tried_at,
        due_at=row.due_at,
        facts=Facts(
            person=person,
            handle=HandleFacts(
                state=_handle_state(row),
                is_suppressed=(row.channel, row.address_norm or "") in suppressed,
                is_started=row.is_assisted or is_started(channel, row.handle_platform_id),
                text_until=text_until(channel, talk.last_inbound_at) if talk is not None else None,
            ),
            message=MessageFacts(
                batch=BatchState(row.batch_state) if row.batch_state else None,
                not_before=row.not_before,
                not_after=row.not_after,
                stop_if_replied_since=row.stop_if_replied_since,
                author_id=row.created_by_id,
                has_voucher=row.voucher_id is not None,
                is_voucher_redeemed=row.voucher_state == VoucherState.REDEEMED,
                is_voucher_alive=row.voucher_state in _ALIVE_VOUCHERS
                and row.offer_state == OfferState.ACTIVE
                and (row.valid_until is None or row.valid_until > at),
                has_missing_values=bool(row.missing),
                has_template=talk is not None and talk.has_template,
                late_by=late_by,
                is_late_accepted=row.late_accepted,
            ),
        ),
    )


def _handle_state(row: Any) -> str | None:
    """None for no handle, and for one that was moved to somebody else after the text was written."""
    if row.handle_state is None or row.handle_deleted_at is not None:
        return None
    if row.contact_id is not None and row.handle_contact_id != row.contact_id:
        return None
    return row.handle_state


def person_facts(row: Any, person: Person, answer: ConsentAnswer, *, apart_from: UUID | None = None) -> PersonFacts:
    """`PersonFacts` of a row with the contact's columns; the message `apart_from` doesn't count against itself."""
    return PersonFacts(
        is_erased=row.erased_at is not None,
        is_merged=row.merged_into_id is not None,
        is_deleted=row.deleted_at is not None,
        is_limited=row.limited_at is not None,
        time_zone=row.time_zone or "",
        country=row.country or "",
        consent=answer,
        last_reply_at=person.replied_at,
        # A call, a visit or a comment is an exchange as well, also without a conversation here.
        last_exchange_at=max(filter(None, (person.exchange_at, row.last_inbound_at)), default=None),
        unanswered_since=person.unanswered_since,
        complaint_since=person.complaint_since,
        others=tuple(other for message_id, other in person.others if message_id != apart_from),
        promotions=tuple(at for message_id, at in person.promotions if message_id != apart_from),
        company_promotions=tuple(at for message_id, at in person.company_promotions if message_id != apart_from),
    )


def suppressed_of(session: Session, actor: Actor, pairs: Sequence[tuple[str, str]]) -> Collection[tuple[str, str]]:
    """Those of the (channel, address) pairs that get nothing any more."""
    if not pairs:
        return frozenset()
    return consent.suppressed(session, actor, pairs=pairs)


def consent_answers(
    session: Session,
    actor: Actor,
    *,
    wanted: Sequence[tuple[UUID | None, Purpose, ChannelKind]],
    rule: ConsentPolicy,
) -> dict[tuple[UUID, Purpose, ChannelKind], ConsentAnswer]:
    """What consent says for each (contact, purpose, channel); purposes that need none are allowed."""
    asked = {contact_id for contact_id, purpose, _ in wanted if contact_id and PURPOSES[purpose].consent}
    return answers_of(wanted, consent.states(session, actor, contact_ids=asked) if asked else {}, rule)


def answers_of(
    wanted: Iterable[tuple[UUID | None, Purpose, ChannelKind]],
    states: Mapping[UUID, Mapping[tuple[ConsentPurpose, str], State]],
    rule: ConsentPolicy,
) -> dict[tuple[UUID, Purpose, ChannelKind], ConsentAnswer]:
    """`consent_answers` from states that were read already."""
    answers: dict[tuple[UUID, Purpose, ChannelKind], ConsentAnswer] = {}
    for contact_id, purpose, channel in wanted:
        if contact_id is None:
            continue
        refusal = None
        if PURPOSES[purpose].consent:
            refusal = consent_verdict(purpose, channel, states[contact_id], rule)
        answers[contact_id, purpose, channel] = _ANSWERS[refusal]
    return answers


_ANSWERS: Mapping[ConsentRefusal | None, ConsentAnswer] = {
    None: ConsentAnswer.ALLOWED,
    ConsentRefusal.OPTED_OUT: ConsentAnswer.WITHDRAWN,
    ConsentRefusal.NO_BASIS: ConsentAnswer.MISSING,
    ConsentRefusal.BASIS_NOT_ENOUGH: ConsentAnswer.MISSING,
}


def with_uses(subject: Subject, *, person: Sequence[datetime], company: Sequence[datetime]) -> Subject:
    """`subject` with budget that others took meanwhile in the same transaction."""
    if subject.facts.person is None or not (person or company):
        return subject
    facts = subject.facts.person
    changed = replace(
        facts,
        promotions=(*facts.promotions, *person),
        company_promotions=(*facts.company_promotions, *company),
    )
    return replace(subject, facts=replace(subject.facts, person=changed))

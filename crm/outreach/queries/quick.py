"""The gate's facts for a sender: what `subjects` reads one by one, in a single round trip, without the warnings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, literal, null, select
from sqlalchemy.orm import Session

from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose
from crm.consent.models import ConsentState, Suppression
from crm.consent.queries import key_of
from crm.consent.rules import State, address_hash
from crm.contacts.models import Contact, Handle
from crm.interactions.models import Interaction
from crm.interactions.queries.timeline import OPEN_COMPLAINT
from crm.outreach.facts import Other
from crm.outreach.models import BudgetUse, Conversation, Message
from crm.outreach.queries.gate import (
    HOUSE,
    MESSAGE_COLUMNS,
    PARTS_COLUMNS,
    SUBJECTS,
    HousePolicy,
    Subject,
    answers_of,
    house_of,
    subject_of,
)
from crm.outreach.queries.networks import TALKS, WINDOWS
from crm.outreach.queries.recipients import Person
from crm.outreach.rules import BUDGET_SPAN, CONVERSATION_QUIET, PURPOSES, Binding
from crm.roundtrip import Step, array, sql_of


class Asked(Protocol):
    """What is known of a message before its facts are read."""

    @property
    def message_id(self) -> UUID: ...
    @property
    def contact_id(self) -> UUID | None: ...
    @property
    def company_id(self) -> UUID | None: ...
    @property
    def channel(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def to_address(self) -> str: ...
    @property
    def has_parts(self) -> bool: ...


def _ids(name: str) -> Any:
    return any_(bindparam(name, type_=ARRAY(Uuid())))


_FULL = sql_of(SUBJECTS.where(Message.id == _ids("ids")))
# Most messages have neither a batch nor a code: four joins less.
_LEAN = sql_of(
    select(*MESSAGE_COLUMNS, *(null().label(column.key) for column in PARTS_COLUMNS), literal(0).label("missing"))
    .select_from(Message)
    .outerjoin(Contact, Contact.id == Message.contact_id)
    .outerjoin(Handle, Handle.id == Message.handle_id)
    .where(Message.id == _ids("ids"))
).replace("%(param_1)s", "0")
_HOUSE = sql_of(HOUSE.where(Workspace.id == bindparam("workspace_id", type_=Uuid())))
_CONSENT = sql_of(
    select(
        ConsentState.contact_id,
        ConsentState.purpose,
        ConsentState.channel,
        ConsentState.action,
        ConsentState.basis,
        ConsentState.since,
    ).where(
        ConsentState.workspace_id == bindparam("workspace_id", type_=Uuid()), ConsentState.contact_id == _ids("ids")
    )
)
_SUPPRESSED = (
    sql_of(
        select(Suppression.address_hash).where(
            Suppression.workspace_id == bindparam("workspace_id", type_=Uuid()),
            Suppression.lifted_at.is_(None),
        )
    )
    + " and channel = any(%(channels)s::text[]) and address_hash = any(%(hashes)s::text[])"
)
#: For channels that answer only what was written lately.
_WRITTEN = sql_of(TALKS.where(Message.id == _ids("ids")))
_TALK = sql_of(
    select(
        Conversation.contact_id,
        func.max(Conversation.last_inbound_at).label("replied_at"),
        func.max(func.greatest(Conversation.last_inbound_at, Conversation.last_outbound_at)).label("exchange_at"),
        func.min(Conversation.unanswered_since).label("unanswered_since"),
    )
    .where(Conversation.workspace_id == bindparam("workspace_id", type_=Uuid()), Conversation.contact_id == _ids("ids"))
    .group_by(Conversation.contact_id)
)


_COMPLAINTS = sql_of(
    select(Interaction.contact_id, func.min(Interaction.happened_at).label("since"))
    .where(
        Interaction.workspace_id == bindparam("workspace_id", type_=Uuid()),
        Interaction.contact_id == _ids("ids"),
        OPEN_COMPLAINT,
    )
    .group_by(Interaction.contact_id)
)
#: What somebody wrote for these people by hand: planned near this moment, or tried lately.
_OTHERS = """
    select contact_id, id as message_id, coalesce(due_at, planned_at) as at, created_by_id
    from message
    where workspace_id = %(workspace_id)s and contact_id = any(%(ids)s::uuid[])
        and state in ('approved', 'scheduled', 'held') and purpose in ('personal', 'reply')
        and coalesce(due_at, planned_at) > %(after)s::timestamptz
        and coalesce(due_at, planned_at) < %(before)s::timestamptz
    union all
    select contact_id, message_id, at, null
    from budget_use
    where workspace_id = %(workspace_id)s and contact_id = any(%(ids)s::uuid[]) and purpose = 'personal'
        and at > %(after)s::timestamptz"""


def _uses(column: Any) -> str:
    wanted = select(column.label("owner_id"), BudgetUse.message_id, BudgetUse.at).where(
        BudgetUse.workspace_id == bindparam("workspace_id", type_=Uuid()), column == _ids("ids")
    )
    return sql_of(wanted) + " and purpose = 'promotional' and at > %(since)s::timestamptz"


_PERSON_USES, _COMPANY_USES = _uses(BudgetUse.contact_id), _uses(BudgetUse.company_id)


@dataclass(frozen=True, slots=True)
class Question:
    """The steps that read the facts, and what is needed to read their answers."""

    steps: tuple[Step | None, ...]
    hashes: Mapping[str, tuple[str, str]]


def question(session: Session, actor: Actor, items: Sequence[Asked], *, at: datetime) -> Question:
    """What to ask the database about messages that are about to leave."""
    shared = {"workspace_id": actor.workspace_id}
    key = key_of(session, actor)
    hashes = {address_hash(key, item.channel, item.to_address): (item.channel, item.to_address) for item in items}
    contact_ids = _contacts(items, lambda needs: needs.consent)
    talking = _contacts(items, lambda needs: needs.conversation) if not _may_stop(items) else _contacts(items)
    counted = _contacts(items, lambda needs: needs.budget is Binding.BINDS)
    cared = _contacts(items, lambda needs: needs.care is Binding.BINDS)
    near = {"after": at - CONVERSATION_QUIET, "before": at + CONVERSATION_QUIET}
    companies = {
        item.company_id for item in items if item.company_id and PURPOSES[Purpose(item.purpose)].budget is Binding.BINDS
    }
    has_parts = any(item.has_parts for item in items)
    span = {"since": at - BUDGET_SPAN}
    timed = [item.message_id for item in items if item.channel in WINDOWS]
    return Question(
        steps=(
            Step(_FULL if has_parts else _LEAN, {"ids": array([item.message_id for item in items])}),
            Step(_HOUSE, shared),
            Step(_CONSENT, shared | {"ids": array(contact_ids)}) if contact_ids else None,
            Step(_SUPPRESSED, shared | {"channels": array({item.channel for item in items}), "hashes": array(hashes)}),
            Step(_TALK, shared | {"ids": array(talking)}) if talking else None,
            Step(_PERSON_USES, shared | span | {"ids": array(counted)}) if counted else None,
            Step(_COMPANY_USES, shared | span | {"ids": array(companies)}) if companies else None,
            Step(_COMPLAINTS, shared | {"ids": array(cared)}) if cared else None,
            Step(_OTHERS, shared | near | {"ids": array(cared)}) if cared else None,
            Step(_WRITTEN, {"ids": array(timed)}) if timed else None,
        ),
        hashes=hashes,
    )


def _may_stop(items: Sequence[Asked]) -> bool:
    return any(item.has_parts for item in items)


def _contacts(items: Sequence[Asked], matters: Any = lambda _needs: True) -> list[UUID]:
    return list(
        {item.contact_id for item in items if item.contact_id is not None and matters(PURPOSES[Purpose(item.purpose)])}
    )


def answer(
    asked: Question, answers: Sequence[list[Any]], *, at: datetime, attended_since: datetime | None
) -> tuple[dict[UUID, Subject], HousePolicy]:
    """The facts by message id and the workspace's settings, from the rows of the question's steps."""
    rows, houses, consents, suppressions, talks, person_uses, company_uses, complaints, others, written = answers
    house = house_of(houses[0])
    persons = {row.contact_id: Person() for row in rows if row.contact_id is not None}
    for talk in talks:
        person = persons[talk.contact_id]
        person.replied_at, person.exchange_at = talk.replied_at, talk.exchange_at
        person.unanswered_since = talk.unanswered_since
    for use in person_uses:
        persons[use.owner_id].promotions.append((use.message_id, use.at))
    for complaint in complaints:
        persons[complaint.contact_id].complaint_since = complaint.since
    for other in others:
        persons[other.contact_id].others.append((other.message_id, Other(other.at, other.created_by_id, True)))
    by_company: dict[UUID, list[tuple[UUID, datetime]]] = {}
    for use in company_uses:
        by_company.setdefault(use.owner_id, []).append((use.message_id, use.at))
    for row in rows:
        if row.contact_id is not None and row.company_id is not None:
            persons[row.contact_id].company_promotions = by_company.get(row.company_id, [])
    states: dict[UUID, dict[tuple[ConsentPurpose, str], State]] = {contact_id: {} for contact_id in persons}
    for row in consents:
        states[row.contact_id][ConsentPurpose(row.purpose), row.channel] = State(
            action=ConsentAction(row.action), basis=Basis(row.basis), since=row.since
        )
    wanted = [(row.contact_id, Purpose(row.purpose), ChannelKind(row.channel)) for row in rows]
    verdicts = answers_of(wanted, states, house.consent)
    suppressed = {asked.hashes[row.address_hash] for row in suppressions}
    return {
        row.id: subject_of(row, persons, verdicts, suppressed, talks=written, at=at, attended_since=attended_since)
        for row in rows
    }, house

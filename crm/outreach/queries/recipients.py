"""Reads what the gate wants to know about recipients: talk, complaints, other messages, used budget."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, func, literal_column, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.consent.kinds import Purpose
from crm.interactions.queries import open_complaints
from crm.outreach.facts import Other
from crm.outreach.kinds import MessageState
from crm.outreach.models import BudgetUse, Conversation, Message
from crm.outreach.rules import BUDGET_SPAN, CONVERSATION_QUIET

#: What somebody wrote for one person, as opposed to what many got.
BY_HAND = (Purpose.PERSONAL, Purpose.REPLY)
#: States in which a message has its time and has not left; `ix_message_planned_for` holds exactly these.
PLANNED = (MessageState.APPROVED, MessageState.SCHEDULED, MessageState.HELD)


@dataclass(slots=True)
class Person:
    """What the statements found out about one recipient, before it becomes `PersonFacts`."""

    replied_at: datetime | None = None
    exchange_at: datetime | None = None
    unanswered_since: datetime | None = None
    complaint_since: datetime | None = None
    others: list[tuple[UUID, Other]] = field(default_factory=list)
    promotions: list[tuple[UUID, datetime]] = field(default_factory=list)
    company_promotions: list[tuple[UUID, datetime]] = field(default_factory=list)


def among(column: Any, ids: Collection[UUID]) -> ColumnElement[bool]:
    """`column = any(ids)`: one prepared statement for any number of ids, and always an index scan."""
    return column == any_(bindparam(None, list(ids), ARRAY(Uuid())))


def people(
    session: Session,
    actor: Actor,
    *,
    contact_ids: Collection[UUID],
    promotional_ids: Collection[UUID],
    company_ids: Collection[UUID],
    company_of: Mapping[UUID, UUID | None],
    at: datetime,
) -> dict[UUID, Person]:
    """Conversations, complaints, other messages and used budget of people.

    All but conversations are read only for `promotional_ids`, those whose message counts in the budget.
    """
    found = {contact_id: Person() for contact_id in contact_ids}
    if not found:
        return found
    _read_talk(session, found)
    for contact_id, since in open_complaints(session, actor, contact_ids=promotional_ids).items():
        found[contact_id].complaint_since = since
    for contact_id, message_id, other in _others(session, promotional_ids, at):
        found[contact_id].others.append((message_id, other))
    for contact_id, message_id, used_at in _uses(session, BudgetUse.contact_id, promotional_ids, at):
        found[contact_id].promotions.append((message_id, used_at))
    by_company: dict[UUID, list[tuple[UUID, datetime]]] = {}
    for company_id, message_id, used_at in _uses(session, BudgetUse.company_id, company_ids, at):
        by_company.setdefault(company_id, []).append((message_id, used_at))
    for contact_id, person in found.items():
        company_id = company_of.get(contact_id)
        if company_id is not None:
            person.company_promotions = by_company.get(company_id, [])
    return found


def _read_talk(session: Session, found: dict[UUID, Person]) -> None:
    talk = select(
        Conversation.contact_id,
        func.max(Conversation.last_inbound_at),
        func.max(func.greatest(Conversation.last_inbound_at, Conversation.last_outbound_at)),
        func.min(Conversation.unanswered_since),
    ).where(among(Conversation.contact_id, found))
    for contact_id, replied_at, exchange_at, unanswered_since in session.execute(
        talk.group_by(Conversation.contact_id)
    ):
        person = found.get(contact_id, Person()) if contact_id else Person()
        person.replied_at, person.exchange_at, person.unanswered_since = replied_at, exchange_at, unanswered_since


def _uses(session: Session, column: Any, ids: Collection[UUID], at: datetime) -> Iterable[tuple[UUID, UUID, datetime]]:
    if not ids:
        return ()
    return session.execute(
        select(column, BudgetUse.message_id, BudgetUse.at).where(
            among(column, ids), BudgetUse.purpose == Purpose.PROMOTIONAL, BudgetUse.at > at - BUDGET_SPAN
        )
    ).all()


#: The predicate of the index, said the same way so that the planner finds it.
_IS_PLANNED = literal_column("message.state in ('approved', 'scheduled', 'held')")


def _others(session: Session, ids: Collection[UUID], at: datetime) -> Iterable[tuple[UUID, UUID, Other]]:
    """(contact, message, what is known of it) of messages around `at`: planned ones, and those tried lately."""
    if not ids:
        return
    moment = func.coalesce(Message.due_at, Message.planned_at)
    planned = select(Message.contact_id, Message.id, moment.label("at"), Message.created_by_id, Message.purpose).where(
        among(Message.contact_id, ids),
        _IS_PLANNED,
        Message.purpose.in_([*BY_HAND, Purpose.PROMOTIONAL]),
        moment > at - CONVERSATION_QUIET,
        moment < at + CONVERSATION_QUIET,
    )
    tried = (
        select(BudgetUse.contact_id, BudgetUse.message_id, BudgetUse.at, Message.created_by_id, Message.purpose)
        .join(Message, Message.id == BudgetUse.message_id)
        .where(among(BudgetUse.contact_id, ids), BudgetUse.at > at - CONVERSATION_QUIET)
    )
    for contact_id, message_id, moment_of, author_id, purpose in session.execute(planned.union_all(tried)):
        if contact_id is not None and moment_of is not None:
            yield contact_id, message_id, Other(moment_of, author_id, Purpose(purpose) in BY_HAND)

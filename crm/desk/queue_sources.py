"""Owns the statements behind Today: what can wait, by kind, and the line that is made of a row."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Integer, Select, and_, cast, exists, func, or_, select, true

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.campaigns.kinds import CampaignStage
from crm.campaigns.models import Campaign
from crm.contacts import queries as contacts
from crm.contacts.kinds import Importance
from crm.contacts.models import Company, Contact, Handle
from crm.interactions import queries as interactions
from crm.interactions.keeping_models import Cadence
from crm.interactions.kinds import Direction, Sentiment, Visibility
from crm.interactions.models import Interaction, InteractionBody, Task
from crm.loyalty.kinds import OfferState, VoucherState
from crm.loyalty.models import Offer, Voucher
from crm.outreach.kinds import ConversationState, MessageState
from crm.outreach.models import Conversation, Message, MessageText

#: So many of one kind are listed and counted; behind them the page of that kind goes on.
MOST: Final = 25
QUIET_SHOWN: Final = 5
QUIET_DAYS: Final = 30
OFFER_ENDS_WITHIN: Final = timedelta(days=7)


class Kind(StrEnum):
    """What can wait, in the order of urgency."""

    REPLY = "reply"
    COMPLAINT = "complaint"
    UNCERTAIN = "uncertain"
    HELD = "held"
    DRAFTS = "drafts"
    REVIEW = "review"
    BY_HAND = "by_hand"
    TASK = "task"
    DATE = "date"
    CUSTOMER = "customer"
    ANNIVERSARY = "anniversary"
    JOB = "job"
    CADENCE = "cadence"
    OFFER = "offer"
    NEWS = "news"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One line of the queue; what `id` names, and which fields are filled, follows from `kind`."""

    kind: Kind
    id: UUID
    name: str
    contact_id: UUID | None = None
    company: str = ""
    is_key: bool = False
    since: datetime | None = None
    due_on: date | None = None
    until: datetime | None = None
    text: str = ""
    channel: str = ""
    post_url: str = ""
    is_promise: bool = False
    reason: str = ""
    count: int = 0
    total: int = 0
    #: The day from which it is so, and whether it is about the company rather than the person.
    since_on: date | None = None
    is_company: bool = False
    #: The moment of the newest it is about: something newer brings back what was skipped.
    news: datetime | None = None


@dataclass(frozen=True, slots=True)
class View:
    """Whose queue it is, and when: `is_mine` leaves out what colleagues look after.

    `now`, `today` and `tonight` are the moment, its local day and the end of that, `starts` and `ends` when the same
    day of each earlier year began and ended, or their places in a statement that is kept.
    """

    actor: Actor
    is_mine: bool
    now: Any
    today: Any
    tonight: Any
    starts: Any
    ends: Any


def mine(view: View, *owners: Any) -> ColumnElement[bool]:
    """Looked after by the actor, or by nobody; everything in the view of the team."""
    if not view.is_mine:
        return true()
    nobody = and_(*(owner.is_(None) for owner in owners))
    return or_(nobody, *(owner == view.actor.user_id for owner in owners))


def _seen(actor: Actor, reference: Any) -> ColumnElement[bool]:
    """About a person whom the actor may see, or about nobody known."""
    return or_(reference.is_(None), contacts.alive(actor))


def replies(view: View) -> Select[*tuple[Any, ...]]:
    """Conversations in which the last word is theirs."""
    awake = or_(Conversation.snoozed_until.is_(None), Conversation.snoozed_until <= view.now)
    assigned = true()
    if view.is_mine:
        nobody = and_(Conversation.assignee_id.is_(None), mine(view, Contact.owner_id))
        assigned = or_(Conversation.assignee_id == view.actor.user_id, nobody)
    return (
        select(
            Conversation,
            Contact.display_name,
            Handle.display_name.label("handle_name"),
            Handle.address,
            Company.name.label("company"),
            Contact.importance,
        )
        .outerjoin(Contact, Contact.id == Conversation.contact_id)
        .outerjoin(Company, Company.id == Contact.company_id)
        .outerjoin(Handle, Handle.id == Conversation.handle_id)
        .where(
            Conversation.unanswered_since.is_not(None),
            Conversation.state != ConversationState.CLOSED,
            awake,
            assigned,
            _seen(view.actor, Conversation.contact_id),
        )
        .order_by(Conversation.unanswered_since, Conversation.id)
    )


def reply_line(row: Any) -> Waiting:
    """The line of a conversation."""
    found: Conversation = row.Conversation
    return Waiting(
        kind=Kind.REPLY,
        id=found.id,
        name=row.display_name or row.handle_name or row.address or "",
        contact_id=found.contact_id,
        company=row.company or "",
        is_key=row.importance == Importance.KEY,
        since=found.unanswered_since,
        text=found.subject,
        channel=found.channel,
    )


def complaints(view: View) -> Select[*tuple[Any, ...]]:
    """Negative words of theirs that nobody answered."""
    readable = or_(Interaction.visibility != Visibility.PRIVATE, Interaction.author_id == view.actor.user_id)
    return (
        select(
            Interaction, InteractionBody.body, Contact.display_name, Company.name.label("company"), Contact.importance
        )
        .outerjoin(InteractionBody, InteractionBody.interaction_id == Interaction.id)
        .outerjoin(Contact, Contact.id == Interaction.contact_id)
        .outerjoin(Company, Company.id == Contact.company_id)
        .where(
            Interaction.sentiment == Sentiment.NEGATIVE,
            Interaction.direction == Direction.INBOUND,
            Interaction.answered_at.is_(None),
            Interaction.removed_at.is_(None),
            readable,
            mine(view, Contact.owner_id),
            _seen(view.actor, Interaction.contact_id),
        )
        .order_by(Interaction.happened_at, Interaction.id)
    )


def complaint_line(row: Any) -> Waiting:
    """The line of a complaint."""
    found: Interaction = row.Interaction
    return Waiting(
        kind=Kind.COMPLAINT,
        id=found.id,
        name=row.display_name or "",
        contact_id=found.contact_id,
        company=row.company or "",
        is_key=row.importance == Importance.KEY,
        since=found.happened_at,
        text=row.body or "",
        channel=found.channel or "",
        post_url=found.post_url,
    )


def _messages(view: View, *conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Message,
            MessageText.subject,
            Contact.display_name,
            Handle.address,
            Company.name.label("company"),
            Contact.importance,
        )
        .outerjoin(MessageText, MessageText.message_id == Message.id)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .outerjoin(Company, Company.id == Contact.company_id)
        .outerjoin(Handle, Handle.id == Message.handle_id)
        .where(*conditions, mine(view, Message.created_by_id, Contact.owner_id), _seen(view.actor, Message.contact_id))
        .order_by(Message.planned_at, Message.id)
    )


def uncertain(view: View) -> Select[*tuple[Any, ...]]:
    """Messages of which nobody knows whether they arrived."""
    return _messages(view, Message.state == MessageState.UNCERTAIN)


def held(view: View) -> Select[*tuple[Any, ...]]:
    """Messages that wait for a decision; those that go on by themselves are no work for anybody."""
    return _messages(view, Message.state == MessageState.HELD, Message.held_until.is_(None))


def by_hand(view: View) -> Select[*tuple[Any, ...]]:
    """Messages that somebody sends by hand, from their moment on."""
    due = and_(Message.state == MessageState.SCHEDULED, Message.due_at <= view.now)
    return _messages(view, Message.is_assisted.is_(True), or_(due, Message.state == MessageState.SENDING))


def message_line(kind: Kind) -> Callable[[Any], Waiting]:
    """What makes the line of a message of that kind."""

    def make(row: Any) -> Waiting:
        found: Message = row.Message
        return Waiting(
            kind=kind,
            id=found.id,
            name=row.display_name or row.address or "",
            contact_id=found.contact_id,
            company=row.company or "",
            is_key=row.importance == Importance.KEY,
            since=found.first_tried_at or found.due_at or found.created_at,
            text=row.subject or "",
            channel=found.channel,
            reason=found.reason,
        )

    return make


def drafts(view: View) -> Select[*tuple[Any, ...]]:
    """Campaigns with drafts nobody decided about; they wait for everybody who may approve."""
    of_batch = Message.batch_id == Campaign.batch_id
    waits = and_(of_batch, Message.state == MessageState.IN_REVIEW)
    may_decide = view.actor.may(Permission.APPROVE)
    return (
        select(
            Campaign,
            select(func.count()).select_from(Message).where(waits).scalar_subquery().label("waiting"),
            select(func.count()).select_from(Message).where(of_batch).scalar_subquery().label("total"),
        )
        .where(
            Campaign.stage == CampaignStage.REVIEW,
            Campaign.deleted_at.is_(None),
            exists().where(waits),
            true() if may_decide else mine(view, Campaign.created_by_id),
        )
        .order_by(Campaign.starts_at.nulls_last(), Campaign.id)
    )


def draft_line(row: Any) -> Waiting:
    """The line of a campaign with drafts."""
    found: Campaign = row.Campaign
    return Waiting(
        kind=Kind.DRAFTS, id=found.id, name=found.name, since=found.prepared_at, until=found.starts_at,
        count=row.waiting, total=row.total,
    )  # fmt: skip


def reviews(view: View) -> Select[*tuple[Any, ...]]:
    """Drafts outside campaigns; they too wait for everybody who may approve."""
    whose = replace(view, is_mine=view.is_mine and not view.actor.may(Permission.APPROVE))
    return _messages(whose, Message.state == MessageState.IN_REVIEW, Message.batch_id.is_(None))


def due_tasks(view: View) -> Select[*tuple[Any, ...]]:
    """Tasks and promises due today or before."""
    return (
        select(Task, Contact.display_name, Company.name.label("company"), Contact.importance)
        .outerjoin(Contact, Contact.id == Task.contact_id)
        .outerjoin(Company, Company.id == func.coalesce(Task.company_id, Contact.company_id))
        .where(
            Task.done_at.is_(None),
            interactions.is_due(view.today, view.tonight),
            or_(Task.snoozed_until.is_(None), Task.snoozed_until <= view.now),
            mine(view, Task.assignee_id),
            _seen(view.actor, Task.contact_id),
        )
        .order_by(Task.is_promise.desc(), Task.due_on, Task.id)
    )


def task_line(row: Any) -> Waiting:
    """The line of a task."""
    found: Task = row.Task
    return Waiting(
        kind=Kind.TASK,
        id=found.id,
        name=row.display_name or row.company or "",
        contact_id=found.contact_id,
        company=(row.company or "") if row.display_name else "",
        is_key=row.importance == Importance.KEY,
        due_on=found.due_on,
        until=found.due_at,
        text=found.title,
        is_promise=found.is_promise,
    )


def offers(view: View) -> Select[*tuple[Any, ...]]:
    """Offers that end soon while people still hold a code of them."""
    unused = and_(Voucher.offer_id == Offer.id, Voucher.state == VoucherState.ACTIVE)
    soon = and_(Offer.valid_until > view.now, Offer.valid_until <= view.now + OFFER_ENDS_WITHIN)
    return (
        select(Offer, select(func.count()).select_from(Voucher).where(unused).scalar_subquery().label("unused"))
        .where(Offer.state == OfferState.ACTIVE, soon, exists().where(unused))
        .order_by(Offer.valid_until, Offer.id)
    )


def offer_line(row: Any) -> Waiting:
    """The line of an offer."""
    found: Offer = row.Offer
    return Waiting(kind=Kind.OFFER, id=found.id, name=found.name, until=found.valid_until, count=row.unused)


def birthdays(view: View) -> Select[*tuple[Any, ...]]:
    """Birthdays of today; that of a 29 February is congratulated in leap years."""
    of_today = and_(
        Contact.birth_month == func.date_part("month", cast(view.today, Date)).cast(Integer),
        Contact.birth_day == func.date_part("day", cast(view.today, Date)).cast(Integer),
    )
    return (
        select(Contact, Company.name.label("company"))
        .outerjoin(Company, Company.id == Contact.company_id)
        .where(of_today, Contact.limited_at.is_(None), mine(view, Contact.owner_id), contacts.alive(view.actor))
        .order_by(Contact.sort_name, Contact.id)
    )


def birthday_line(row: Any) -> Waiting:
    """The line of a birthday."""
    return person_line(Kind.DATE, row)


def rhythms(view: View) -> Select[*tuple[Any, ...]]:
    """People whose rhythm says that it is time to be in touch."""
    return (
        select(Contact, Company.name.label("company"), Cadence.due_at, Cadence.two_way_at, Cadence.days)
        .join(Cadence, Cadence.contact_id == Contact.id)
        .outerjoin(Company, Company.id == Contact.company_id)
        .where(
            Cadence.due_at < view.tonight,
            Contact.limited_at.is_(None),
            mine(view, Contact.owner_id),
            contacts.alive(view.actor),
        )
        .order_by(Cadence.due_at, Cadence.contact_id)
    )


def rhythm_line(row: Any) -> Waiting:
    """The line of somebody to be in touch with."""
    return replace(person_line(Kind.CADENCE, row), since=row.two_way_at, count=row.days)


def person_line(kind: Kind, row: Any) -> Waiting:
    """The line about the person of a row, with the name of the company as `company`."""
    found: Contact = row.Contact
    return Waiting(
        kind=kind,
        id=found.id,
        name=found.display_name,
        contact_id=found.id,
        company=row.company or "",
        is_key=found.importance == Importance.KEY,
    )

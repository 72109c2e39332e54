"""Owns reading recipients: the review queue, one draft with everything its reviewer needs, lists behind a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, select, tuple_
from sqlalchemy.orm import Session, aliased

from crm.accounts.rules import Actor
from crm.campaigns.kinds import Outcome, Reaction, RecipientState
from crm.campaigns.models import Campaign, Recipient
from crm.campaigns.queries.saved import outcome_of
from crm.campaigns.rules import outcome
from crm.channels.sentences import N_
from crm.consent.kinds import ConsentAction
from crm.consent.models import ConsentState
from crm.contacts.models import Company, Contact
from crm.contacts.queries import visible
from crm.errors import NotFoundError
from crm.loyalty.models import Redemption
from crm.outreach.kinds import DeliveryState, MessageState
from crm.outreach.models import Message, MessageText
from crm.outreach.moments import is_moved, leaves_at
from crm.web.paging import Page, decode_cursor, page_of

#: Waits for the reviewer: not approved yet, or held because a value is missing.
TO_REVIEW: Final = (MessageState.DRAFT, MessageState.IN_REVIEW)


class RecipientNotFoundError(NotFoundError):
    """No such person in this campaign for this actor."""

    code = "recipient_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientLine:
    """One person in a campaign, as lists and the queue show it; `reason` is a code or a colleague's own words."""

    id: UUID
    contact_id: UUID
    name: str
    company: str
    position: int
    outcome: Outcome
    reason: str
    message_id: UUID | None
    message_state: MessageState | None
    subject: str
    is_edited: bool
    missing: tuple[str, ...]
    needs_look: str
    planned_at: datetime | None
    due_at: datetime | None
    held_until: datetime | None
    sent_at: datetime | None
    delivery: DeliveryState
    replied_at: datetime | None
    redeemed_at: datetime | None
    revenue_minor: int
    time_zone: str
    version: int | None

    @property
    def waits_for_review(self) -> bool:
        """True while somebody has to look at the draft."""
        return self.message_state in TO_REVIEW or (self.message_state is MessageState.HELD and bool(self.missing))

    @property
    def leaves_at(self) -> datetime | None:
        """When it left or will leave, after what the gate made of the plan."""
        return leaves_at(self)

    @property
    def is_moved(self) -> bool:
        """Whether it leaves later than agreed; `reason` says why."""
        return is_moved(self)


def _wanted(actor: Actor, campaign_id: UUID) -> Select[*tuple[Any, ...]]:
    redemption = and_(
        Redemption.voucher_id == Message.voucher_id, Redemption.undone_at.is_(None), Message.voucher_id.is_not(None)
    )
    return (
        select(Recipient, Contact, Company.name, Message, MessageText, Redemption)
        .join(Contact, Contact.id == Recipient.contact_id)
        .outerjoin(Company, Company.id == Contact.company_id)
        .outerjoin(Message, Message.id == Recipient.message_id)
        .outerjoin(MessageText, MessageText.message_id == Message.id)
        .outerjoin(Redemption, redemption)
        .where(Recipient.campaign_id == campaign_id, visible(actor))
    )


def _line(row: Any) -> RecipientLine:
    recipient, contact, company, message, text, redemption = row
    state = MessageState(message.state) if message else None
    return RecipientLine(
        id=recipient.id,
        contact_id=contact.id,
        name=contact.display_name,
        company=company or "",
        position=recipient.position,
        outcome=outcome(RecipientState(recipient.state), state),
        reason=(message.reason if message else "") or recipient.reason,
        message_id=message.id if message else None,
        message_state=state,
        subject=text.subject if text else "",
        is_edited=bool(text and text.is_edited),
        missing=tuple(text.missing) if text else (),
        needs_look=message.needs_look if message else "",
        planned_at=message.planned_at if message else None,
        due_at=message.due_at if message else None,
        held_until=message.held_until if message else None,
        sent_at=message.sent_at if message else None,
        delivery=DeliveryState(message.delivery) if message else DeliveryState.NONE,
        replied_at=recipient.replied_at,
        redeemed_at=redemption.at if redemption else None,
        revenue_minor=(redemption.purchase_minor or 0) - redemption.discount_minor
        if redemption and redemption.purchase_minor is not None
        else 0,
        time_zone=contact.time_zone,
        version=message.version if message else None,
    )


_CAME_BACK = (DeliveryState.FAILED.value, DeliveryState.BOUNCED.value)


def reacted(reaction: Reaction) -> ColumnElement[bool]:
    """The condition on `Recipient` and its `Message` that the person reacted so; only to what was sent."""
    sent = Message.state == MessageState.SENT
    match reaction:
        case Reaction.DELIVERED:
            # No channel confirms every arrival: what was taken and did not come back counts as delivered.
            return and_(sent, Message.delivery.not_in([DeliveryState.DELAYED.value, *_CAME_BACK]))
        case Reaction.BOUNCED:
            return and_(sent, Message.delivery.in_(_CAME_BACK))
        case Reaction.COMPLAINED:
            return and_(sent, Message.delivery == DeliveryState.COMPLAINED)
        case Reaction.REPLIED:
            return and_(sent, Recipient.replied_at.is_not(None))
        case Reaction.REDEEMED:
            # An alias, because the lists join the table as well and would take this condition as theirs.
            other = aliased(Redemption)
            used = exists().where(other.voucher_id == Message.voucher_id, other.undone_at.is_(None))
            return and_(sent, Message.voucher_id.is_not(None), used)
        case Reaction.OPTED_OUT:
            withdrawn = exists().where(
                ConsentState.contact_id == Recipient.contact_id,
                ConsentState.action == ConsentAction.WITHDRAWN,
                ConsentState.since >= Message.sent_at,
            )
            return and_(sent, withdrawn)


def recipients(
    session: Session,
    actor: Actor,
    *,
    campaign: Campaign,
    outcome: Outcome | None = None,
    reaction: Reaction | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[RecipientLine]:
    """A page of the people in a campaign whom the actor may see, in their order; those behind one number."""
    wanted = _wanted(actor, campaign.id)
    if outcome is not None:
        wanted = wanted.where(outcome_of() == outcome.value)
    if reaction is not None:
        wanted = wanted.where(reacted(reaction))
    if after:
        wanted = wanted.where(tuple_(Recipient.position, Recipient.id) > tuple(decode_cursor(after, int, UUID)))
    wanted = wanted.order_by(Recipient.position, Recipient.id).limit(limit + 1)
    rows = [_line(row) for row in session.execute(wanted)]
    return page_of(rows, limit=limit, key=lambda line: (line.position, line.id))


def queue(session: Session, actor: Actor, *, campaign: Campaign) -> list[RecipientLine]:
    """Everybody with a draft, in the order of review."""
    wanted = _wanted(actor, campaign.id).where(Recipient.message_id.is_not(None))
    return [_line(row) for row in session.execute(wanted.order_by(Recipient.position, Recipient.id))]


def recipient(session: Session, actor: Actor, *, campaign: Campaign, recipient_id: UUID) -> RecipientLine:
    """One person in the campaign; raises `RecipientNotFoundError`."""
    row = session.execute(_wanted(actor, campaign.id).where(Recipient.id == recipient_id)).one_or_none()
    if row is None:
        raise RecipientNotFoundError(N_("There is no such person in this campaign."))
    return _line(row)


def message_ids(
    session: Session, actor: Actor, *, campaign: Campaign, recipient_ids: Sequence[UUID]
) -> Mapping[UUID, UUID]:
    """The drafts of these people by recipient; raises `RecipientNotFoundError` when one of them has none."""
    rows = session.execute(
        select(Recipient.id, Recipient.message_id)
        .join(Contact, Contact.id == Recipient.contact_id)
        .where(
            Recipient.campaign_id == campaign.id,
            Recipient.id.in_(list(recipient_ids)),
            Recipient.message_id.is_not(None),
            visible(actor),
        )
    )
    found = {recipient_id: message_id for recipient_id, message_id in rows if message_id is not None}
    if set(recipient_ids) - found.keys():
        raise RecipientNotFoundError(N_("There is no such person in this campaign."))
    return found


def unchanged(session: Session, actor: Actor, *, campaign: Campaign) -> list[UUID]:
    """The drafts that still read as the template does: nobody edited them, nothing changed underneath, none held."""
    wanted = (
        select(Message.id)
        .join(Recipient, Recipient.message_id == Message.id)
        .join(Contact, Contact.id == Recipient.contact_id)
        .join(MessageText, MessageText.message_id == Message.id)
        .where(
            Recipient.campaign_id == campaign.id,
            Message.state.in_([state.value for state in TO_REVIEW]),
            MessageText.is_edited.is_(False),
            Message.needs_look == "",
            visible(actor),
        )
        .order_by(Recipient.position)
    )
    return list(session.scalars(wanted))

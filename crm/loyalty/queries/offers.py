"""Reads offers with their figures, codes and redemptions."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, Select, case, func, literal_column, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.clock import local_day
from crm.contacts.models import Contact
from crm.contacts.queries import visible
from crm.errors import NotFoundError, worded
from crm.loyalty.kinds import OfferKind, OfferState, VoucherState
from crm.loyalty.models import Offer, Redemption, Voucher
from crm.loyalty.rules.offers import OfferFacts, Refusal, why_not, why_not_offer
from crm.web.paging import Page, decode_cursor, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """An offer as pages show it; money in minor units, days local and inclusive."""

    id: UUID
    name: str
    kind: OfferKind
    percent: int | None
    amount_minor: int | None
    gift: str
    public_text: str
    terms: str
    currency: str
    state: OfferState
    starts_on: date | None
    ends_on: date | None
    limit_total: int | None
    limit_per_person: int
    budget_minor: int | None
    redeemed: int
    spent_minor: int
    created_at: datetime
    withdrawn_at: datetime | None
    why_not: Refusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferReport:
    """What came of an offer: codes by state, people, redemptions, money in minor units."""

    given: int
    allocated: int
    active: int
    redeemed: int
    expired: int
    withdrawn: int
    released: int
    undone: int
    purchases_minor: int
    discount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherView:
    """A person's code with its offer; `refusal` is what the till would say now."""

    id: UUID
    code: str
    state: VoucherState
    allocated_at: datetime
    redeemed_at: datetime | None
    offer: OfferView
    refusal: Refusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedemptionView:
    """One use of a code, with its holder and who stood at the till."""

    id: UUID
    offer_id: UUID
    offer_name: str
    currency: str
    contact_id: UUID | None
    contact_name: str
    purchase_minor: int | None
    discount_minor: int
    at: datetime
    undone_at: datetime | None
    by_name: str


def facts(offer: Offer) -> OfferFacts:
    """The offer as decisions see it."""
    return OfferFacts(
        kind=offer.kind,
        state=offer.state,
        percent=offer.percent,
        amount_minor=offer.amount_minor,
        valid_from=offer.valid_from,
        valid_until=offer.valid_until,
        limit_total=offer.limit_total,
        limit_per_person=offer.limit_per_person,
        budget_minor=offer.budget_minor,
        redeemed=offer.redeemed,
        spent_minor=offer.spent_minor,
    )


def offer_view(offer: Offer, *, now: datetime) -> OfferView:
    """The offer as pages show it."""
    tz = offer.time_zone
    # The stored end is exclusive: a moment before it lies on the last day.
    ends_on = local_day(offer.valid_until - timedelta(microseconds=1), tz=tz) if offer.valid_until else None
    return OfferView(
        id=offer.id,
        name=offer.name,
        kind=OfferKind(offer.kind),
        percent=offer.percent,
        amount_minor=offer.amount_minor,
        gift=offer.gift,
        public_text=offer.public_text,
        terms=offer.terms,
        currency=offer.currency,
        state=OfferState(offer.state),
        starts_on=local_day(offer.valid_from, tz=tz) if offer.valid_from else None,
        ends_on=ends_on,
        limit_total=offer.limit_total,
        limit_per_person=offer.limit_per_person,
        budget_minor=offer.budget_minor,
        redeemed=offer.redeemed,
        spent_minor=offer.spent_minor,
        created_at=offer.created_at,
        withdrawn_at=offer.withdrawn_at,
        why_not=why_not_offer(facts(offer), at=now),
    )


def offer(session: Session, actor: Actor, *, offer_id: UUID, now: datetime) -> OfferView:
    """One offer; raises `NotFoundError`, `ForbiddenError`."""
    actor.require(Permission.VIEW_OWN)
    found = session.get(Offer, offer_id, populate_existing=True)
    if found is None:
        raise NotFoundError(worded("There is no such offer."))
    return offer_view(found, now=now)


def list_offers(
    session: Session, actor: Actor, *, after: str | None = None, limit: int = 50, now: datetime
) -> Page[OfferView]:
    """Offers, newest first, paged by key."""
    actor.require(Permission.VIEW_OWN)
    wanted = select(Offer).order_by(Offer.created_at.desc(), Offer.id.desc()).limit(limit + 1)
    if after:
        at, offer_id = decode_cursor(after, datetime, UUID)
        wanted = wanted.where(tuple_(Offer.created_at, Offer.id) < (at, offer_id))
    rows = [offer_view(row, now=now) for row in session.scalars(wanted)]
    return page_of(rows, limit=limit, key=lambda row: (row.created_at, row.id))


def givable_offers(session: Session, actor: Actor, *, now: datetime) -> list[OfferView]:
    """The offers that could be given to somebody now (also those that start later), by name; at most 100."""
    actor.require(Permission.VIEW_OWN)
    rows = session.scalars(
        select(Offer)
        .where(Offer.state == OfferState.ACTIVE.value, (Offer.valid_until.is_(None)) | (Offer.valid_until > now))
        .order_by(Offer.name, Offer.id)
        .limit(100)
    )
    views = (offer_view(row, now=now) for row in rows)
    return [view for view in views if view.why_not in {None, Refusal.NOT_STARTED}]


def offer_report(session: Session, actor: Actor, *, offer_id: UUID) -> OfferReport:
    """The figures of an offer, counted from its codes and redemptions."""
    actor.require(Permission.VIEW_OWN)
    rows = session.execute(
        select(Voucher.state, func.count().label("codes")).where(Voucher.offer_id == offer_id).group_by(Voucher.state)
    )
    by_state = {row.state: row.codes for row in rows}
    alive = Redemption.undone_at.is_(None)
    undone, purchases, discounts = session.execute(
        select(
            func.count(case((~alive, literal_column("1")))),
            func.coalesce(func.sum(case((alive, Redemption.purchase_minor))), 0),
            func.coalesce(func.sum(case((alive, Redemption.discount_minor))), 0),
        ).where(Redemption.offer_id == offer_id)
    ).one()
    return OfferReport(
        given=sum(by_state.values()) - by_state.get(VoucherState.RELEASED, 0),
        allocated=by_state.get(VoucherState.ALLOCATED, 0),
        active=by_state.get(VoucherState.ACTIVE, 0),
        redeemed=by_state.get(VoucherState.REDEEMED, 0),
        expired=by_state.get(VoucherState.EXPIRED, 0),
        withdrawn=by_state.get(VoucherState.WITHDRAWN, 0),
        released=by_state.get(VoucherState.RELEASED, 0),
        undone=undone,
        purchases_minor=int(purchases),
        discount_minor=int(discounts),
    )


def vouchers_of(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> list[VoucherView]:
    """A person's codes, newest first; at most 50. Nothing for an actor who may not see the person."""
    actor.require(Permission.VIEW_OWN)
    used = (
        select(func.count())
        .where(
            Redemption.offer_id == Voucher.offer_id,
            Redemption.contact_id == Voucher.contact_id,
            Redemption.undone_at.is_(None),
        )
        .correlate(Voucher)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Voucher, Offer, used)
        .join(Offer, Offer.id == Voucher.offer_id)
        .join(Contact, Contact.id == Voucher.contact_id)
        .where(Voucher.contact_id == contact_id, visible(actor))
        .order_by(Voucher.allocated_at.desc(), Voucher.id.desc())
        .limit(50)
    )
    return [voucher_view(voucher, offered, used=count, now=now) for voucher, offered, count in rows]


def voucher_view(voucher: Voucher, offered: Offer, *, used: int, now: datetime) -> VoucherView:
    """A code as pages show it; `used` counts its holder's redemptions of the offer."""
    return VoucherView(
        id=voucher.id,
        code=voucher.code,
        state=VoucherState(voucher.state),
        allocated_at=voucher.allocated_at,
        redeemed_at=voucher.redeemed_at,
        offer=offer_view(offered, now=now),
        refusal=why_not(facts(offered), voucher_state=voucher.state, used_by_holder=used, at=now),
    )


def redemptions_of_offer(session: Session, actor: Actor, *, offer_id: UUID, limit: int = 20) -> list[RedemptionView]:
    """The latest uses of an offer, newest first."""
    actor.require(Permission.VIEW_OWN)
    rows = session.execute(_redemptions().where(Redemption.offer_id == offer_id, visible(actor)).limit(limit))
    return [_redemption_view(row) for row in rows]


def recent_redemptions(session: Session, actor: Actor, *, since: datetime, limit: int = 5) -> list[RedemptionView]:
    """What the actor redeemed lately at the till, newest first."""
    actor.require(Permission.REDEEM)
    rows = session.execute(
        _redemptions().where(Redemption.at >= since, Redemption.user_id == actor.user_id).limit(limit)
    )
    return [_redemption_view(row) for row in rows]


def used_by_holder(session: Session, voucher: Voucher) -> int:
    """How often the voucher's holder redeemed the same offer, without what was undone."""
    if voucher.contact_id is None:
        return 0
    return (
        session.scalar(
            select(func.count())
            .select_from(Redemption)
            .where(
                Redemption.offer_id == voucher.offer_id,
                Redemption.contact_id == voucher.contact_id,
                Redemption.undone_at.is_(None),
            )
        )
        or 0
    )


def redemption_of(session: Session, actor: Actor, *, voucher_id: UUID) -> Redemption | None:
    """The redemption of a code that was not undone, or the last one."""
    actor.require(Permission.REDEEM)
    return session.scalar(
        select(Redemption)
        .where(Redemption.voucher_id == voucher_id)
        .order_by(Redemption.undone_at.is_(None).desc(), Redemption.at.desc(), Redemption.id.desc())
        .limit(1)
    )


def _redemptions() -> Select[Redemption, str, str, str, str]:
    return (
        select(Redemption, Offer.name, Offer.currency, Contact.display_name, User.name)
        .join(Offer, Offer.id == Redemption.offer_id)
        .outerjoin(Contact, Contact.id == Redemption.contact_id)
        .outerjoin(User, User.id == Redemption.user_id)
        .order_by(Redemption.at.desc(), Redemption.id.desc())
    )


def _redemption_view(row: Row[Redemption, str, str, str, str]) -> RedemptionView:
    redemption, name, currency, holder, by_name = row
    return RedemptionView(
        id=redemption.id,
        offer_id=redemption.offer_id,
        offer_name=name,
        currency=currency,
        contact_id=redemption.contact_id,
        contact_name=holder or "",
        purchase_minor=redemption.purchase_minor,
        discount_minor=redemption.discount_minor,
        at=redemption.at,
        undone_at=redemption.undone_at,
        by_name=by_name or "",
    )

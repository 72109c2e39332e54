"""Owns what rules can ask about loyalty: membership, points, offers held and redeemed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import join, or_, select
from sqlalchemy.orm import Session

from crm.contacts.fields import fact
from crm.filters import sources
from crm.filters.catalogue import Ask, Field, Option, RuleContext
from crm.filters.evaluate import count_within
from crm.filters.moments import Interval, Unit, coming
from crm.filters.schema import Op
from crm.filters.values import Choice, FieldType, Span
from crm.loyalty.kinds import OfferState, VoucherState
from crm.loyalty.models import Lot, Member, Offer, Redemption, Voucher
from crm.web.i18n import lazy as _

_UNUSED: Final = (VoucherState.ACTIVE, VoucherState.ON_HOLD)


def load_offers(session: Session, workspace_id: UUID) -> Sequence[Choice]:
    """The offers of the workspace that were ever given out, the newest first."""
    rows = session.execute(
        select(Offer.id, Offer.name)
        .where(Offer.workspace_id == workspace_id, Offer.state != OfferState.DRAFT)
        .order_by(Offer.created_at.desc(), Offer.id)
        .limit(200)
    )
    return [Choice(str(row.id), row.name) for row in rows]


def _expiring(ask: Ask) -> Interval:
    span: Span = ask.options.get("within") or Span(amount=30, unit=Unit.DAYS)
    return coming(ask.context.now, span.amount, span.unit, tz=ask.context.tz)


def _of_offer(column: Any, ask: Ask) -> list[Any]:
    offers = ask.options.get("offer")
    return [column.in_([UUID(offer) for offer in offers])] if offers else []


def _held(ask: Ask) -> list[Any]:
    return [
        Voucher.state.in_(_UNUSED),
        Offer.state == OfferState.ACTIVE,
        or_(Offer.valid_until.is_(None), Offer.valid_until > ask.context.now),
        *_of_offer(Voucher.offer_id, ask),
    ]


_MEMBERS: Final = sources.Rows(
    Member.__table__, Member.contact_id, Member.workspace_id, lambda _ask: [Member.left_at.is_(None)]
)
_LOTS: Final = sources.Rows(
    join(Lot, Member, (Lot.workspace_id == Member.workspace_id) & (Lot.member_id == Member.id)),
    Member.contact_id,
    Member.workspace_id,
    lambda ask: [
        Member.left_at.is_(None),
        Lot.workspace_id == ask.context.workspace_id,
        Lot.remaining > 0,
        Lot.is_pending.is_(False),
        sources.within(Lot.expires_at, _expiring(ask)),
    ],
)
_VOUCHERS: Final = sources.Rows(
    join(Voucher, Offer, (Voucher.workspace_id == Offer.workspace_id) & (Voucher.offer_id == Offer.id)),
    Voucher.contact_id,
    Voucher.workspace_id,
    _held,
)
_REDEMPTIONS: Final = sources.Rows(
    Redemption.__table__,
    Redemption.contact_id,
    Redemption.workspace_id,
    lambda ask: [
        Redemption.undone_at.is_(None),
        sources.within(Redemption.at, sources.window_of(ask)),
        *_of_offer(Redemption.offer_id, ask),
    ],
)


def _expiring_points(facts: Mapping[str, Any], ask: Ask) -> int:
    interval = _expiring(ask)
    return sum(points for points, expires_at in facts["lots"] if expires_at and interval.holds(expires_at))


def _holds(facts: Mapping[str, Any], ask: Ask) -> bool:
    wanted = ask.options.get("offer")
    return any(
        (valid_until is None or valid_until > ask.context.now) and (wanted is None or str(offer_id) in wanted)
        for offer_id, valid_until in facts["vouchers"]
    )


def _redeemed(facts: Mapping[str, Any], ask: Ask) -> int:
    wanted = ask.options.get("offer")
    at = [at for offer_id, at in facts["redemptions"] if wanted is None or str(offer_id) in wanted]
    return count_within(at, sources.window_of(ask))


_LOYALTY: Final = _("Loyalty")
_OFFER: Final = Option(
    "offer", "choice", _("Offer"), load_offers, phrase=_("of %(value)s"), default=_("(of any offer)")
)

FIELDS: Final = (
    Field(
        "member",
        FieldType.BOOLEAN,
        _("Member"),
        _LOYALTY,
        _("who are members"),
        sources.has_row(_MEMBERS),
        fact("member"),
        phrases={
            Op.IS: _("who are in the loyalty programme"),
            Op.IS_NOT: _("who are not in the loyalty programme"),
        },
        icon="gift",
    ),
    Field(
        "points",
        FieldType.NUMBER,
        _("Points"),
        _LOYALTY,
        _("with %(value)s points"),
        sources.any_row(_MEMBERS, Member.balance),
        fact("points"),
        operators=(Op.AT_LEAST, Op.MORE_THAN, Op.LESS_THAN, Op.AT_MOST, Op.IS, Op.IS_NOT, Op.BETWEEN),
        whole=True,
        icon="coins",
    ),
    Field(
        "points_expiring",
        FieldType.COUNT,
        _("Points expiring"),
        _LOYALTY,
        _("with %(value)s points expiring %(within)s"),
        sources.sum_rows(_LOTS, Lot.remaining),
        _expiring_points,
        options=(Option("within", "span", _("within"), required=True),),
        icon="coins",
    ),
    Field(
        "joined",
        FieldType.DATETIME,
        _("Joined the programme"),
        _LOYALTY,
        _("whose entry into the programme"),
        sources.any_row(_MEMBERS, Member.joined_at),
        fact("joined"),
        icon="calendar-plus",
    ),
    Field(
        "holds_offer",
        FieldType.BOOLEAN,
        _("Holds an unused offer"),
        _LOYALTY,
        _("with an unused offer"),
        sources.has_row(_VOUCHERS),
        _holds,
        options=(_OFFER,),
        phrases={Op.IS: _("with an unused offer"), Op.IS_NOT: _("without an unused offer")},
        icon="ticket",
    ),
    Field(
        "redeemed",
        FieldType.COUNT,
        _("Offers redeemed"),
        _LOYALTY,
        _("with %(value)s redeemed offers"),
        sources.count_rows(_REDEMPTIONS),
        _redeemed,
        options=(
            Option("offer", "choice", _("Offer"), load_offers, phrase=_("(%(value)s)")),
            Option("when", "window", _("When")),
        ),
        icon="discount-check",
    ),
)


def load_facts(session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The facts that this module's fields read, by contact id."""
    facts: dict[UUID, dict[str, Any]] = {
        contact_id: {"member": False, "points": [], "joined": [], "lots": [], "vouchers": [], "redemptions": []}
        for contact_id in contact_ids
    }
    _load_members(session, context, facts)
    held = select(Voucher.contact_id, Voucher.offer_id, Offer.valid_until).join(Offer, Offer.id == Voucher.offer_id)
    held = held.where(
        Voucher.workspace_id == context.workspace_id,
        Voucher.contact_id.in_(contact_ids),
        Voucher.state.in_(_UNUSED),
        Offer.state == OfferState.ACTIVE,
    )
    for contact_id, offer_id, valid_until in session.execute(held):
        if contact_id is not None:
            facts[contact_id]["vouchers"].append((offer_id, valid_until))
    redeemed = select(Redemption.contact_id, Redemption.offer_id, Redemption.at).where(
        Redemption.workspace_id == context.workspace_id,
        Redemption.contact_id.in_(contact_ids),
        Redemption.undone_at.is_(None),
    )
    for contact_id, offer_id, at in session.execute(redeemed):
        if contact_id is not None:
            facts[contact_id]["redemptions"].append((offer_id, at))
    return facts


def _load_members(session: Session, context: RuleContext, facts: dict[UUID, dict[str, Any]]) -> None:
    members = session.execute(
        select(Member).where(
            Member.workspace_id == context.workspace_id, Member.contact_id.in_(facts), Member.left_at.is_(None)
        )
    ).scalars()
    contact_of: dict[UUID, UUID] = {}
    for member in members:
        if member.contact_id is not None:
            contact_of[member.id] = member.contact_id
            found = facts[member.contact_id]
            found["member"] = True
            found["points"].append(member.balance)
            found["joined"].append(member.joined_at)
    lots = select(Lot.member_id, Lot.remaining, Lot.expires_at).where(
        Lot.workspace_id == context.workspace_id, Lot.member_id.in_(contact_of), Lot.remaining > 0, ~Lot.is_pending
    )
    for member_id, remaining, expires_at in session.execute(lots):
        facts[contact_of[member_id]]["lots"].append((remaining, expires_at))

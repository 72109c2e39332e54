"""Looks a code up for the person at the till: holder, offer, sum, and the true reason when it is refused."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.contacts.models import Contact
from crm.interactions.kinds import InteractionKind
from crm.loyalty.models import Offer, Voucher
from crm.loyalty.queries.members import may_be_named, points_of_holder
from crm.loyalty.queries.offers import OfferView, facts, offer_view, used_by_holder
from crm.loyalty.queries.points import points_for
from crm.loyalty.rules.codes import read_code
from crm.loyalty.rules.offers import Refusal, discount, why_not, why_not_sum
from crm.loyalty.services.guesses import count_miss, record_refusal, require_patience


@dataclass(frozen=True, slots=True, kw_only=True)
class TillCheck:
    """What the till shows of a code; money in minor units, `None` where it is not known."""

    code: str
    refusal: Refusal | None
    voucher_id: UUID | None = None
    holder_id: UUID | None = None
    holder_name: str = ""
    holder_points: int | None = None
    offer: OfferView | None = None
    purchase_minor: int | None = None
    discount_minor: int = 0
    earns: int = 0

    @property
    def to_pay_minor(self) -> int | None:
        """What is left to pay of the purchase."""
        return None if self.purchase_minor is None else self.purchase_minor - self.discount_minor


def check_code(
    session: Session,
    actor: Actor,
    *,
    code: str,
    purchase_minor: int | None = None,
    now: datetime,
) -> TillCheck:
    """What the till would do with a code now; changes nothing but the counters against guessing.

    Whoever sees people elsewhere reads a holder's name only where they may see that person.

    Raises `TooManyGuessesError`, `ForbiddenError`.
    """
    actor.require(Permission.REDEEM)
    plain = read_code(code)
    if plain is None:
        return TillCheck(code=code.strip(), refusal=Refusal.UNREADABLE)
    require_patience(session, actor, now=now)
    row = session.execute(
        select(Voucher, Offer, Contact)
        .join(Offer, Offer.id == Voucher.offer_id)
        .outerjoin(Contact, Contact.id == Voucher.contact_id)
        .where(Voucher.code == plain)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        count_miss(session, actor, now=now)
        record_refusal(session, actor, reason=Refusal.UNKNOWN, voucher_id=None)
        return TillCheck(code=plain, refusal=Refusal.UNKNOWN)
    voucher, offer, holder = row
    seen = holder is not None and may_be_named(session, actor, contact_id=holder.id)
    terms = facts(offer)
    used = used_by_holder(session, voucher)
    refusal = why_not(terms, voucher_state=voucher.state, used_by_holder=used, at=now)
    if refusal is None and purchase_minor is not None:
        refusal = why_not_sum(terms, purchase_minor=purchase_minor)
    return TillCheck(
        code=plain,
        refusal=refusal,
        voucher_id=voucher.id,
        holder_id=voucher.contact_id if seen else None,
        holder_name=holder.display_name if seen else "",
        holder_points=points_of_holder(session, contact_id=holder.id, now=now) if seen else None,
        offer=offer_view(offer, now=now),
        purchase_minor=purchase_minor,
        discount_minor=discount(terms, purchase_minor),
        earns=points_for(session, contact_id=holder.id, kind=InteractionKind.OFFER_REDEEMED, at=now) if holder else 0,
    )

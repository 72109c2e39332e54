"""Redeems codes and takes redemptions back, each in one transaction under the offer's and the voucher's lock."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor, system_actor
from crm.errors import InvalidInputError, NotFoundError, worded
from crm.events import VoucherRedeemed, publish
from crm.interactions import services as interactions
from crm.interactions.kinds import InteractionKind
from crm.loyalty.errors import KeyReusedError, RefusedError
from crm.loyalty.kinds import OfferState, VoucherState
from crm.loyalty.models import Offer, Redemption, Voucher
from crm.loyalty.queries.offers import facts, used_by_holder
from crm.loyalty.rules.codes import read_code
from crm.loyalty.rules.ledger import request_hash
from crm.loyalty.rules.offers import Refusal, discount, why_not, why_not_sum
from crm.loyalty.services.guesses import count_miss, record_refusal, require_patience
from crm.loyalty.services.offers import MOST_MONEY, lock_offer


def redeem(
    session: Session,
    actor: Actor,
    *,
    code: str,
    idempotency_key: str,
    purchase_minor: int | None = None,
    contact_id: UUID | None = None,
    now: datetime,
) -> Redemption:
    """Redeem a code for its holder; `purchase_minor` is the undiscounted sum in minor units, when it is known.

    `contact_id` is who stands there, where that is known: the code of anybody else is refused.

    The code may be typed carelessly; a wrong check symbol costs no look-up. The same key, code and purchase give the
    same redemption again. What it earns follows from the rules for `offer.redeemed`.

    Raises `RefusedError` with the true reason (for staff), `TooManyGuessesError`, `KeyReusedError`,
    `InvalidInputError`, `ForbiddenError`.
    """
    actor.require(Permission.REDEEM)
    _require_sum(purchase_minor)
    plain = read_code(code)
    if plain is None:
        raise RefusedError(Refusal.UNREADABLE)
    require_patience(session, actor, now=now)
    found = session.execute(select(Voucher.id, Voucher.offer_id).where(Voucher.code == plain)).one_or_none()
    if found is None:
        count_miss(session, actor, now=now)
        record_refusal(session, actor, reason=Refusal.UNKNOWN, voucher_id=None)
        raise RefusedError(Refusal.UNKNOWN)
    offer = lock_offer(session, offer_id=found.offer_id)
    voucher = _lock_voucher(session, found.id)
    request = request_hash({"voucher": voucher.id, "purchase": purchase_minor})
    answered = session.scalar(select(Redemption).where(Redemption.idempotency_key == idempotency_key))
    if answered is not None:
        if answered.request_hash != request:
            raise KeyReusedError(worded("This key was used for another request."))
        return answered
    terms = facts(offer)
    used = used_by_holder(session, voucher)
    reason = Refusal.OTHER_HOLDER if contact_id not in {None, voucher.contact_id} else None
    reason = reason or why_not(terms, voucher_state=voucher.state, used_by_holder=used, at=now)
    reason = reason or why_not_sum(terms, purchase_minor=purchase_minor)
    if reason is not None:
        record_refusal(session, actor, reason=reason, voucher_id=voucher.id)
        raise RefusedError(reason)
    redemption = Redemption(
        voucher_id=voucher.id,
        offer_id=offer.id,
        contact_id=voucher.contact_id,
        idempotency_key=idempotency_key,
        request_hash=request,
        purchase_minor=purchase_minor,
        discount_minor=discount(terms, purchase_minor),
        at=now,
        user_id=actor.user_id,
    )
    session.add(redemption)
    voucher.state, voucher.redeemed_at = VoucherState.REDEEMED.value, now
    offer.redeemed += 1
    offer.spent_minor += redemption.discount_minor
    session.flush()
    _tell(session, actor, redemption=redemption, voucher=voucher, offer=offer, now=now)
    return redemption


def undo_redemption(session: Session, actor: Actor, *, redemption_id: UUID, now: datetime) -> Redemption:
    """Take a redemption back: the code is good again, the offer's counters and what it earned return.

    Undoing again changes nothing. The code of an offer that was withdrawn meanwhile is withdrawn too.
    Raises `NotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.REDEEM)
    known = session.get(Redemption, redemption_id)
    if known is None:
        raise NotFoundError(worded("There is no such redemption."))
    offer = lock_offer(session, offer_id=known.offer_id)
    voucher = _lock_voucher(session, known.voucher_id)
    redemption = session.get_one(Redemption, redemption_id, populate_existing=True)
    if redemption.undone_at is not None:
        return redemption
    redemption.undone_at, redemption.undone_by_id = now, actor.user_id
    offer.redeemed -= 1
    offer.spent_minor -= redemption.discount_minor
    voucher.redeemed_at = None
    if offer.state == OfferState.WITHDRAWN:
        voucher.state, voucher.ended_at = VoucherState.WITHDRAWN.value, now
    else:
        voucher.state = VoucherState.ACTIVE.value
    session.flush()
    if redemption.interaction_id is not None:
        interactions.remove(
            session, system_actor(actor.workspace_id), interaction_id=redemption.interaction_id, now=now
        )
    return redemption


def _lock_voucher(session: Session, voucher_id: UUID) -> Voucher:
    return session.scalars(
        select(Voucher).where(Voucher.id == voucher_id).with_for_update().execution_options(populate_existing=True)
    ).one()


def _require_sum(purchase_minor: int | None) -> None:
    if purchase_minor is None:
        return
    if type(purchase_minor) is not int or not 0 <= purchase_minor <= MOST_MONEY:
        sentence = worded("This sum can't be.")
        raise InvalidInputError(sentence, fields={"purchase_minor": sentence})


def _tell(
    session: Session, actor: Actor, *, redemption: Redemption, voucher: Voucher, offer: Offer, now: datetime
) -> None:
    """Put it on the timeline, where it may earn points, and tell the other domains."""
    if voucher.contact_id is None:
        return
    # As the system: who stands at the till may redeem, not write on people's timelines.
    logged = interactions.log(
        session,
        system_actor(actor.workspace_id),
        kind=InteractionKind.OFFER_REDEEMED,
        contact_id=voucher.contact_id,
        happened_at=now,
        subject=offer.name,
        source_kind="redemption",
        source_id=redemption.id,
        amount_minor=redemption.purchase_minor,
        now=now,
    )
    redemption.interaction_id = logged.id
    session.flush()
    publish(
        session,
        VoucherRedeemed(
            workspace_id=actor.workspace_id,
            now=now,
            voucher_id=voucher.id,
            offer_id=offer.id,
            contact_id=voucher.contact_id,
            message_id=voucher.source_id if voucher.source_kind == "message" else None,
        ),
    )

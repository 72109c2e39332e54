"""Makes single-holder codes and leads them through their life."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, func, insert, literal, select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.db import new_id
from crm.errors import NotFoundError, worded
from crm.interactions import services as interactions
from crm.interactions.kinds import InteractionKind
from crm.loyalty.errors import RefusedError
from crm.loyalty.kinds import VoucherState
from crm.loyalty.models import Offer, Voucher
from crm.loyalty.queries.offers import facts
from crm.loyalty.rules.codes import make_code
from crm.loyalty.rules.offers import Refusal, why_not_offer
from crm.loyalty.services.offers import LIVE

BATCH = 5_000
_LIVE = [state.value for state in LIVE]


def allocate_vouchers(
    session: Session,
    actor: Actor,
    *,
    offer_id: UUID,
    contact_ids: Collection[UUID],
    source_kind: str,
    source_id: UUID | None,
    now: datetime,
) -> dict[UUID, Voucher]:
    """Make one code for each contact: `allocated`, so nothing yet at the till. Any number, in batches.

    A contact who holds a live code from the same source keeps that one; one who had the offer as often as a person may
    is missing from the answer. Raises `NotFoundError`, `RefusedError` when the offer is over, `ForbiddenError`.
    """
    actor.require(Permission.WRITE)
    offer = session.get(Offer, offer_id)
    if offer is None:
        raise NotFoundError(worded("There is no such offer."))
    reason = why_not_offer(facts(offer), at=now)
    if reason is not None and reason is not Refusal.NOT_STARTED:
        raise RefusedError(reason)
    made: dict[UUID, Voucher] = {}
    for batch in _batches(sorted(set(contact_ids))):
        kept, full = _held(session, offer, batch, source_id=source_id)
        made |= kept
        fresh = [contact_id for contact_id in batch if contact_id not in kept and contact_id not in full]
        if fresh:
            made |= _insert(session, actor, offer, fresh, source_kind=source_kind, source_id=source_id, now=now)
    return made


def activate_vouchers(session: Session, *, voucher_ids: Collection[UUID], now: datetime) -> int:
    """Make allocated codes good at the till, in one UPDATE; returns how many changed. Others stay as they are."""
    return _set_state(session, voucher_ids, [VoucherState.ALLOCATED.value], state=VoucherState.ACTIVE, active_at=now)


def release_vouchers(session: Session, *, voucher_ids: Collection[UUID], now: datetime) -> int:
    """Take back codes that never reached their holder, in one UPDATE; returns how many changed. Used ones stay used."""
    return _set_state(session, voucher_ids, _LIVE, state=VoucherState.RELEASED, ended_at=now)


def expire_vouchers(session: Session, *, now: datetime, limit: int = BATCH) -> int:
    """Mark up to `limit` codes of ended offers as expired, dated at the offer's end; returns how many.

    Only tidies up: the till looks at the offer's end, not at this mark.
    """
    due = (
        select(Voucher.id, Offer.valid_until)
        .join(Offer, Offer.id == Voucher.offer_id)
        .where(Offer.valid_until <= now, Voucher.state.in_(_LIVE))
        .order_by(Voucher.id)
        .limit(limit)
        .with_for_update(of=Voucher)
        .cte("due")
    )
    changed = session.execute(
        update(Voucher)
        .where(Voucher.id == due.c.id)
        .values(state=VoucherState.EXPIRED.value, ended_at=due.c.valid_until)
        .returning(Voucher.id)
        .execution_options(synchronize_session=False)
    )
    return len(changed.all())


def give_offer(session: Session, actor: Actor, *, offer_id: UUID, contact_id: UUID, now: datetime) -> Voucher:
    """Give one person an offer by hand: an active code at once, told on the timeline.

    Raises `RefusedError` (`limit_person` when they had it as often as allowed), `NotFoundError`, `ForbiddenError`.
    """
    contacts.contact(session, actor, contact_id=contact_id)
    # Two clicks at once would otherwise both find no code.
    session.execute(select(Offer.id).where(Offer.id == offer_id).with_for_update())
    made = allocate_vouchers(
        session, actor, offer_id=offer_id, contact_ids=[contact_id], source_kind="manual", source_id=None, now=now
    )
    if contact_id not in made:
        raise RefusedError(Refusal.LIMIT_PERSON)
    voucher = made[contact_id]
    activate_vouchers(session, voucher_ids=[voucher.id], now=now)
    session.refresh(voucher)
    interactions.log(
        session,
        actor,
        kind=InteractionKind.OFFER_GIVEN,
        contact_id=contact_id,
        happened_at=now,
        subject=session.get_one(Offer, offer_id).name,
        source_kind="voucher",
        source_id=voucher.id,
        now=now,
    )
    return voucher


def _batches(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _held(
    session: Session, offer: Offer, contact_ids: Sequence[UUID], *, source_id: UUID | None
) -> tuple[dict[UUID, Voucher], set[UUID]]:
    """(live codes from the same source by contact, contacts who had the offer as often as a person may)."""
    rows = session.scalars(
        select(Voucher).where(
            Voucher.offer_id == offer.id,
            Voucher.contact_id == func.any(bindparam("contacts", list(contact_ids), ARRAY(Uuid()))),
            Voucher.state.in_([*_LIVE, VoucherState.REDEEMED.value]),
        )
    ).all()
    kept: dict[UUID, Voucher] = {}
    count: dict[UUID, int] = {}
    for row in rows:
        if row.contact_id is None:
            continue
        count[row.contact_id] = count.get(row.contact_id, 0) + 1
        if source_id is not None and row.source_id == source_id and row.state != VoucherState.REDEEMED:
            kept[row.contact_id] = row
    return kept, {contact_id for contact_id, n in count.items() if n >= offer.limit_per_person} - kept.keys()


def _insert(
    session: Session,
    actor: Actor,
    offer: Offer,
    contact_ids: Sequence[UUID],
    *,
    source_kind: str,
    source_id: UUID | None,
    now: datetime,
) -> dict[UUID, Voucher]:
    """Insert a batch by one statement over arrays: COPY is refused into tables with row-level security."""
    ids = [new_id() for _ in contact_ids]
    rows = (
        func.unnest(
            bindparam("ids", ids, ARRAY(Uuid())),
            bindparam("contacts", list(contact_ids), ARRAY(Uuid())),
            bindparam("codes", [make_code() for _ in contact_ids], ARRAY(Text())),
        )
        .table_valued("id", "contact_id", "code")
        .render_derived("made")
    )
    session.execute(
        insert(Voucher).from_select(
            ["id", "contact_id", "code", "workspace_id", "offer_id", "source_kind", "source_id", "allocated_at"],
            select(
                rows.c.id,
                rows.c.contact_id,
                rows.c.code,
                literal(actor.workspace_id, Uuid()),
                literal(offer.id, Uuid()),
                literal(source_kind),
                literal(source_id, Uuid()),
                literal(now),
            ),
            include_defaults=False,
        )
    )
    made = session.scalars(select(Voucher).where(Voucher.id == func.any(bindparam("ids", ids, ARRAY(Uuid())))))
    return {voucher.contact_id: voucher for voucher in made if voucher.contact_id is not None}


def _set_state(
    session: Session, voucher_ids: Collection[UUID], states: list[str], *, state: VoucherState, **times: datetime
) -> int:
    if not voucher_ids:
        return 0
    # Locked in the order of their ids, so that two statements over the same codes can't wait for each other.
    picked = (
        select(Voucher.id)
        .where(Voucher.id == func.any(bindparam("ids", list(voucher_ids), ARRAY(Uuid()))), Voucher.state.in_(states))
        .order_by(Voucher.id)
        .with_for_update()
        .cte("picked")
    )
    changed = session.execute(
        update(Voucher)
        .where(Voucher.id == picked.c.id)
        .values(state=state.value, **times)
        .returning(Voucher.id)
        .execution_options(synchronize_session=False)
    ).all()
    for voucher_id in changed:
        held = session.identity_map.get(session.identity_key(Voucher, voucher_id[0]))
        if held is not None:
            session.expire(held)
    return len(changed)

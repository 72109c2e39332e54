"""Builders of programmes, members, offers and codes."""

from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from factories.contacts import contact
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.loyalty import services
from crm.loyalty.kinds import OfferKind
from crm.loyalty.models import Member, Offer, Program, Voucher
from crm.loyalty.services import OfferInput, ProgramInput

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)

_keys = count(1)


def key() -> str:
    """An idempotency key of its own."""
    return f"test-{next(_keys)}"


def program(session: Session, actor: Actor, *, now: datetime = NOW, **values: object) -> Program:
    data = ProgramInput.model_validate({"name": "Lanterna Club", "time_zone": "Europe/Rome", **values})
    return services.create_program(session, actor, data=data, now=now)


def member(session: Session, actor: Actor, *, name: str = "Ann Bo", points: int = 0, now: datetime = NOW) -> Member:
    """A new person in the default programme, which is started when there is none; `points` never expire with it."""
    from crm.loyalty.queries import default_program

    if default_program(session, actor) is None:
        program(session, actor, now=now)
    joined = services.join(session, actor, contact_id=contact(session, actor, name=name, now=now).id, now=now)
    if points:
        earn(session, actor, joined.id, points, now=now)
    return joined


def earn(session: Session, actor: Actor, member_id: UUID, points: int, *, now: datetime = NOW, **more: object):
    given = {"reason": "thanks", "idempotency_key": key(), **more}
    return services.earn(session, actor, member_id=member_id, points=points, now=now, **given)  # type: ignore[arg-type]


def spend(session: Session, actor: Actor, member_id: UUID, points: int, *, now: datetime = NOW, **more: object):
    given = {"reason": "gift", "idempotency_key": key(), **more}
    return services.spend(session, actor, member_id=member_id, points=points, now=now, **given)  # type: ignore[arg-type]


def offer(session: Session, actor: Actor, *, now: datetime = NOW, **values: object) -> Offer:
    """Twenty percent, unless said otherwise."""
    given: dict[str, object] = {"name": "20% on ten reports", "kind": OfferKind.PERCENT, **values}
    if given["kind"] == OfferKind.PERCENT:
        given.setdefault("percent", 20)
    return services.create_offer(session, actor, data=OfferInput.model_validate(given), now=now)


def voucher(session: Session, actor: Actor, *, offer_id: UUID, contact_id: UUID, now: datetime = NOW) -> Voucher:
    """An active code, as a message that left would have made it."""
    made = services.allocate_vouchers(
        session, actor, offer_id=offer_id, contact_ids=[contact_id], source_kind="test", source_id=None, now=now
    )[contact_id]
    services.activate_vouchers(session, voucher_ids=[made.id], now=now)
    session.refresh(made)
    return made

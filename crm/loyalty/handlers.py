"""Reacts to what happens elsewhere: points for interactions, and codes that follow their message."""

from sqlalchemy.orm import Session

from crm.accounts.rules import system_actor
from crm.events import InteractionLogged, InteractionRemoved, MessageStateChanged
from crm.loyalty import services
from crm.loyalty.services.earning import NEVER_EARN

# A message in one of these states never reaches its reader, so its code must not work either.
_NEVER_ARRIVES = frozenset({"cancelled", "skipped", "rejected", "failed"})


def award_points(session: Session, event: InteractionLogged) -> None:
    """Give the points that the earning rules grant for it."""
    if event.contact_id is None or event.kind in NEVER_EARN:
        return
    services.award(
        session,
        system_actor(event.workspace_id),
        interaction_id=event.interaction_id,
        contact_id=event.contact_id,
        kind=event.kind,
        channel=event.channel,
        direction=event.direction,
        happened_at=event.happened_at,
        now=event.now,
    )


def take_points_back(session: Session, event: InteractionRemoved) -> None:
    """What a removed interaction earned is void or owed."""
    services.take_back_for_interaction(
        session, system_actor(event.workspace_id), interaction_id=event.interaction_id, now=event.now
    )


def release_voucher(session: Session, event: MessageStateChanged) -> None:
    """The code of a message that never arrives is taken back."""
    if event.voucher_id is not None and event.state in _NEVER_ARRIVES:
        services.release_vouchers(session, voucher_ids=[event.voucher_id], now=event.now)

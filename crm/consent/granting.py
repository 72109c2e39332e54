"""Writes many consents of one source at once, as an import declares them for its people."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose
from crm.consent.models import ConsentEvent, ConsentEvidence, ConsentState
from crm.db import among, insert_rows

#: What a declared basis allows: agreement and soft opt-in carry promotions, the others personal messages only.
PURPOSE_OF: dict[Basis, ConsentPurpose] = {
    Basis.CONSENT: ConsentPurpose.PROMOTIONAL,
    Basis.SOFT_OPT_IN: ConsentPurpose.PROMOTIONAL,
    Basis.CONTRACT: ConsentPurpose.PERSONAL,
    Basis.LEGITIMATE_INTEREST: ConsentPurpose.PERSONAL,
}


def grant_many(
    session: Session,
    actor: Actor,
    *,
    pairs: Sequence[tuple[UUID, ChannelKind]],
    basis: Basis,
    source: str,
    wording: str,
    happened_at: datetime,
) -> int:
    """Record `basis` for each (contact, channel) that has no state yet; returns how many were recorded.

    A pair about which the person (or a colleague) has said anything before is left alone: a file never overrules a
    withdrawal. `Basis.UNKNOWN` records nothing.
    """
    purpose = PURPOSE_OF.get(basis)
    if purpose is None or not pairs:
        return 0
    fresh = _unsaid(session, pairs, purpose)
    owned = {"workspace_id": actor.workspace_id}
    granted = {**owned, "purpose": purpose.value, "action": ConsentAction.GRANTED.value, "basis": basis.value}
    told = {"source": source, "happened_at": happened_at, "user_id": actor.user_id}
    events = insert_rows(session, ConsentEvent, fresh, shared={**granted, **told})
    evidence = [{"event_id": event_id} for event_id in events]
    insert_rows(session, ConsentEvidence, evidence, shared={**owned, "wording": wording})
    key = ("workspace_id", "contact_id", "purpose", "channel")
    insert_rows(session, ConsentState, fresh, shared={**granted, "since": happened_at}, unless=key)
    return len(fresh)


def _unsaid(
    session: Session, pairs: Sequence[tuple[UUID, ChannelKind]], purpose: ConsentPurpose
) -> list[dict[str, str]]:
    """Contact and channel of the consents to write: those without a state of their own or of the person as a whole."""
    texts = {contact_id: str(contact_id) for contact_id, _ in pairs}
    said = select(ConsentState.contact_id, ConsentState.channel).where(
        among(ConsentState.contact_id, texts), ConsentState.purpose == purpose.value
    )
    known = set(session.execute(said).all())
    silent = {contact_id for contact_id, channel in known if channel == ""}
    return [
        {"contact_id": texts[contact_id], "channel": channel}
        for contact_id, channel in dict.fromkeys(pairs)
        if contact_id not in silent and (contact_id, channel) not in known
    ]

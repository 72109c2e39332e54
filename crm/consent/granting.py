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
from crm.db import insert_rows, new_id

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
    said = select(ConsentState.contact_id, ConsentState.channel).where(
        ConsentState.contact_id.in_({contact_id for contact_id, _ in pairs}), ConsentState.purpose == purpose.value
    )
    known = set(session.execute(said).all())
    silent = {contact_id for contact_id, channel in known if channel == ""}
    fresh = [
        (new_id(), contact_id, channel.value)
        for contact_id, channel in dict.fromkeys(pairs)
        if contact_id not in silent and (contact_id, channel.value) not in known
    ]
    if not fresh:
        return 0
    shared = {"workspace_id": actor.workspace_id, "purpose": purpose.value, "action": ConsentAction.GRANTED.value}
    insert_rows(
        session,
        ConsentEvent,
        [
            {
                **shared,
                "id": event_id,
                "contact_id": contact_id,
                "channel": channel,
                "basis": basis.value,
                "source": source,
                "happened_at": happened_at,
                "user_id": actor.user_id,
            }
            for event_id, contact_id, channel in fresh
        ],
    )
    insert_rows(
        session,
        ConsentEvidence,
        [
            {"workspace_id": actor.workspace_id, "id": new_id(), "event_id": event_id, "wording": wording}
            for event_id, _, _ in fresh
        ],
    )
    insert_rows(
        session,
        ConsentState,
        [
            {
                **shared,
                "id": new_id(),
                "contact_id": contact_id,
                "channel": channel,
                "basis": basis.value,
                "since": happened_at,
            }
            for _, contact_id, channel in fresh
        ],
        or_nothing=True,
    )
    return len(fresh)

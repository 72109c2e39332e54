"""Writes many consents of one source at once, as an import declares them for its people."""

from collections.abc import Collection, Sequence
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


def unsaid(
    session: Session, *, pairs: Sequence[tuple[UUID, ChannelKind]], known: Collection[UUID], basis: Basis
) -> list[tuple[UUID, ChannelKind]]:
    """The (contact, channel) for which `basis` is to be recorded: those without a state yet.

    A pair about which the person (or a colleague) has said anything before is left alone: a file never overrules a
    withdrawal. `Basis.UNKNOWN` records nothing. Only people who are `known` can have said something.
    """
    purpose = PURPOSE_OF.get(basis)
    if purpose is None:
        return []
    said: set[tuple[UUID, str]] = set()
    if known:
        states = select(ConsentState.contact_id, ConsentState.channel)
        states = states.where(among(ConsentState.contact_id, known), ConsentState.purpose == purpose.value)
        said = {(contact_id, channel) for contact_id, channel in session.execute(states)}
    # No channel is every channel.
    return [pair for pair in dict.fromkeys(pairs) if pair not in said and (pair[0], "") not in said]


def grant_many(
    session: Session,
    actor: Actor,
    *,
    pairs: Sequence[tuple[UUID, ChannelKind]],
    basis: Basis,
    source: str,
    wording: str,
    happened_at: datetime,
) -> None:
    """Record `basis`, which is not unknown, for each (contact, channel) of `unsaid`; reads nothing (`sent_ahead`)."""
    if not pairs:
        return
    rows = [{"contact_id": str(contact_id), "channel": channel} for contact_id, channel in pairs]
    owned = {"workspace_id": actor.workspace_id}
    purpose = PURPOSE_OF[basis].value
    granted = {**owned, "purpose": purpose, "action": ConsentAction.GRANTED.value, "basis": basis.value}
    told = {"source": source, "happened_at": happened_at, "user_id": actor.user_id}
    events = insert_rows(session, ConsentEvent, rows, shared={**granted, **told})
    evidence = [{"event_id": event_id} for event_id in events]
    insert_rows(session, ConsentEvidence, evidence, shared={**owned, "wording": wording})
    key = ("workspace_id", "contact_id", "purpose", "channel")
    insert_rows(session, ConsentState, rows, shared={**granted, "since": happened_at}, unless=key)

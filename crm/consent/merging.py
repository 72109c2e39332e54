"""Owns what becomes of consents when two records turn out to be one person: the strictest of both wins."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose
from crm.consent.models import ConsentEvent, ConsentState
from crm.consent.rules import Policy, Reason, State, States, latest, verdict
from crm.db import new_id

#: From what allows least to what allows most.
_STRENGTH: Final = (
    Basis.UNKNOWN,
    Basis.LEGITIMATE_INTEREST,
    Basis.CONTRACT,
    Basis.SOFT_OPT_IN,
    Basis.CONSENT,
)
_WRITTEN: Final = (Purpose.PROMOTIONAL, Purpose.PERSONAL)
#: The source of an event that a merge wrote, before the id of its change set.
SOURCE: Final = "merge:"


def strictest(kept: States, other: States, *, now: datetime) -> dict[tuple[ConsentPurpose, str], State]:
    """What holds for one person whose two records say `kept` and `other`.

    Whatever either objected to stays objected to, on every channel, also against a newer agreement on the other
    record; of two agreements the basis that allows less counts.
    """
    found = {**other, **kept}
    for key in kept.keys() & other.keys():
        found[key] = _stricter(kept[key], other[key], now=now)
    channels = {channel for _purpose, channel in found} | {""}
    # A wider objection of one record must outlast a newer agreement of the other one, and the other way round.
    for purpose in ConsentPurpose:
        for channel in sorted(channels):
            for states in (kept, other):
                if objects(states, purpose, channel) and not objects(found, purpose, channel):
                    said = latest(states, purpose, channel)
                    basis = said.basis if said is not None else Basis.UNKNOWN
                    found[purpose, channel] = State(action=ConsentAction.WITHDRAWN, basis=basis, since=now)
    return found


def _stricter(one: State, two: State, *, now: datetime) -> State:
    if one == two:
        return one
    withdrawn = [state for state in (one, two) if state.action is ConsentAction.WITHDRAWN]
    if withdrawn:
        chosen = max(withdrawn, key=lambda state: state.since)
        newest = max(one.since, two.since)
        return chosen if chosen.since == newest else State(action=chosen.action, basis=chosen.basis, since=now)
    weaker = min((one.basis, two.basis), key=_STRENGTH.index)
    return State(action=ConsentAction.GRANTED, basis=weaker, since=max(one.since, two.since))


def objects(states: States, purpose: ConsentPurpose, channel: str) -> bool:
    """Whether these states say no to a purpose on a channel."""
    if purpose is ConsentPurpose.PROFILING:
        held = latest(states, purpose, channel)
        return held is not None and held.action is ConsentAction.WITHDRAWN
    return verdict(Purpose(purpose.value), channel, states, Policy()) is Reason.OPTED_OUT


def newly_allowed(
    before: States, after: States, *, channels: frozenset[str], policy: Policy
) -> list[tuple[Purpose, str]]:
    """(purpose, channel) pairs that `before` kept from a record and `after` would let through."""
    return [
        (purpose, channel)
        for purpose in _WRITTEN
        for channel in sorted(channels)
        if verdict(purpose, channel, before, policy) is not None and verdict(purpose, channel, after, policy) is None
    ]


def write_states(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    changed: Mapping[tuple[ConsentPurpose, str], State],
    change_set_id: UUID,
    now: datetime,
) -> None:
    """Make `changed` hold for a contact, with an event for each that names the merge."""
    if not changed:
        return
    owned = {"workspace_id": actor.workspace_id, "contact_id": contact_id}
    session.execute(
        insert(ConsentEvent),
        [
            {
                **owned,
                "id": new_id(),
                "purpose": purpose.value,
                "channel": channel or None,
                "action": state.action.value,
                "basis": state.basis.value,
                "source": f"{SOURCE}{change_set_id}",
                "happened_at": state.since,
                "recorded_at": now,
                "user_id": actor.user_id,
            }
            for (purpose, channel), state in changed.items()
        ],
    )
    made = upsert(ConsentState).values(
        [
            {
                **owned,
                "id": new_id(),
                "purpose": purpose.value,
                "channel": channel,
                "action": state.action.value,
                "basis": state.basis.value,
                "since": state.since,
            }
            for (purpose, channel), state in changed.items()
        ]
    )
    session.execute(
        made.on_conflict_do_update(
            index_elements=["workspace_id", "contact_id", "purpose", "channel"],
            set_={"action": made.excluded.action, "basis": made.excluded.basis, "since": made.excluded.since},
        )
    )

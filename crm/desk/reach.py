"""Owns how a person can be reached: each address with whether it works, for what, and why not."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent import queries as consent
from crm.consent.kinds import Purpose
from crm.consent.rules import Policy, States, verdict
from crm.contacts import queries as contacts
from crm.contacts.kinds import HandleState
from crm.contacts.models import Handle
from crm.contacts.words import CHANNEL_ICONS, CHANNEL_LABELS, STATE_LABELS
from crm.web.i18n import _


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One channel of a person: `state` is ok or no, `note` the reason or the limit, in words."""

    channel: str
    label: str
    icon: str
    address: str
    handle_id: UUID
    state: str
    note: str

    @property
    def ok(self) -> bool:
        """True when a personal message may go there."""
        return self.state == "ok"


def reach(
    session: Session, actor: Actor, *, contact_ids: Collection[UUID], primary_only: bool = False
) -> dict[UUID, list[Reach]]:
    """The addresses of each visible contact, preferred ones first; a few statements for any number of people."""
    handles = contacts.handles_of(session, actor, contact_ids=contact_ids)
    if primary_only:
        handles = {owner: [row for row in rows if row.is_primary] for owner, rows in handles.items()}
    pairs = {(row.channel, row.address_norm) for rows in handles.values() for row in rows}
    suppressed = consent.suppressed(session, actor, pairs=pairs)
    states = consent.states(session, actor, contact_ids=list(handles))
    policy = consent.policy(session, actor)
    found: dict[UUID, list[Reach]] = {}
    for owner, rows in handles.items():
        for row in rows:
            gone = (row.channel, row.address_norm) in suppressed
            found.setdefault(owner, []).append(_one(row, states[owner], policy, is_suppressed=gone))
    return found


def _one(row: Handle, states: States, policy: Policy, *, is_suppressed: bool) -> Reach:
    state, note = "ok", ""
    if row.state != HandleState.ACTIVE:
        state, note = "no", str(STATE_LABELS[HandleState(row.state)])
    elif is_suppressed:
        state, note = "no", _("gets nothing any more")
    elif verdict(Purpose.PERSONAL, row.channel, states, policy) is not None:
        state, note = "no", _("does not want messages")
    elif verdict(Purpose.PROMOTIONAL, row.channel, states, policy) is not None:
        note = _("personal only")
    return Reach(
        channel=row.channel,
        label=str(CHANNEL_LABELS[row.channel]),
        icon=CHANNEL_ICONS[ChannelKind(row.channel)],
        address=row.address,
        handle_id=row.id,
        state=state,
        note=note,
    )

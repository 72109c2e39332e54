"""Owns how a person can be reached: each address with whether it works, why not, and what to do about it.

Header, list and composer read the same answer here; hours, budgets and pace are the gate's, which is asked at sending.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from flask import url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent import queries as consent
from crm.consent.kinds import Purpose
from crm.consent.rules import Policy, States, verdict
from crm.contacts import queries as contacts
from crm.contacts.kinds import HandleState
from crm.contacts.models import Company, Handle
from crm.contacts.words import CHANNEL_ICONS, CHANNEL_LABELS, STATE_LABELS
from crm.db import among
from crm.desk.rules import OPEN, REPLY_WINDOWS, STARTED_BY_PERSON, Address, ReachReason, reach_reason
from crm.outreach import queries as outreach
from crm.outreach.models import Conversation
from crm.web.i18n import lazy

_NOTES: Final[dict[ReachReason, Any]] = {
    ReachReason.BOUNCED: STATE_LABELS[HandleState.BOUNCED],
    ReachReason.BLOCKED: STATE_LABELS[HandleState.BLOCKED],
    ReachReason.GONE: STATE_LABELS[HandleState.GONE],
    ReachReason.SUPPRESSED: lazy("gets nothing any more"),
    ReachReason.NO_CONSENT: lazy("does not want messages"),
    ReachReason.MUST_START: lazy("must write to us first"),
    ReachReason.WINDOW_CLOSED: lazy("window closed"),
    ReachReason.PERSONAL_ONLY: lazy("personal only"),
    ReachReason.BY_HAND: "",
    ReachReason.USABLE: "",
}
_TODO: Final[dict[ReachReason, Any]] = {
    ReachReason.BOUNCED: lazy("Ask for the right address, or correct it."),
    ReachReason.BLOCKED: lazy("Leave this channel alone and use another one."),
    ReachReason.GONE: lazy("Ask for the new address, or remove this one."),
    ReachReason.SUPPRESSED: lazy("Nobody may write here. Only the person can take that back."),
    ReachReason.NO_CONSENT: lazy("Record a consent when the person gives one."),
    ReachReason.MUST_START: lazy("Ask the person, elsewhere, to start the bot."),
    ReachReason.WINDOW_CLOSED: lazy("Wait until the person writes, or use another channel."),
    ReachReason.PERSONAL_ONLY: lazy("For promotions record a consent."),
    ReachReason.BY_HAND: lazy("You send it by hand."),
    ReachReason.USABLE: "",
}
_ADDRESS: Final = frozenset({ReachReason.BOUNCED, ReachReason.GONE})
_CONSENT: Final = frozenset({ReachReason.NO_CONSENT, ReachReason.PERSONAL_ONLY, ReachReason.SUPPRESSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One address of a person: `state` is ok or no, `note` the reason or the limit, `todo` what helps, in words.

    `todo_url` is the page on which that can be done, or None.
    """

    channel: str
    label: str
    icon: str
    address: str
    handle_id: UUID
    reason: ReachReason
    note: str
    todo: str
    todo_url: str | None

    @property
    def ok(self) -> bool:
        """True when a personal message may go there."""
        return self.reason in OPEN

    @property
    def state(self) -> str:
        """The state of a chip."""
        return "ok" if self.ok else "no"


def reach(
    session: Session, actor: Actor, *, contact_ids: Collection[UUID], primary_only: bool = False, now: datetime
) -> dict[UUID, list[Reach]]:
    """The addresses of each visible contact, preferred ones first; a few statements for any number of people."""
    handles = contacts.handles_of(session, actor, contact_ids=contact_ids)
    if primary_only:
        handles = {owner: [row for row in rows if row.is_primary] for owner, rows in handles.items()}
    return reached(session, actor, handles=handles, now=now)[0]


def reached(
    session: Session, actor: Actor, *, handles: Mapping[UUID, Sequence[Handle]], now: datetime
) -> tuple[dict[UUID, list[Reach]], Mapping[UUID, States]]:
    """The same for addresses that were read already, by their people, and the consents of those people."""
    pairs = {(row.channel, row.address_norm) for rows in handles.values() for row in rows}
    states, suppressed = consent.standing(session, actor, contact_ids=list(handles), pairs=pairs)
    policy = consent.policy(session, actor)
    served = {account.channel for account in outreach.accounts(session, actor)}
    written = _last_inbound(session, owners=list(handles), channels={channel for channel, _norm in pairs} & served)
    found: dict[UUID, list[Reach]] = {}
    for owner, rows in handles.items():
        for row in rows:
            address = _address(
                row,
                states[owner],
                policy,
                is_suppressed=(row.channel, row.address_norm) in suppressed,
                is_served=row.channel in served,
                last_inbound=written.get((owner, row.channel)),
            )
            found.setdefault(owner, []).append(_worded(row, owner, reach_reason(address, now=now)))
    return found, states


def _last_inbound(
    session: Session, *, owners: list[UUID], channels: Collection[str]
) -> dict[tuple[UUID, str], datetime]:
    """When each person last wrote, on those channels where it decides."""
    asked = [channel for channel in channels if channel in REPLY_WINDOWS or channel in STARTED_BY_PERSON]
    if not asked or not owners:
        return {}
    wanted = (
        select(Conversation.contact_id, Conversation.channel, func.max(Conversation.last_inbound_at))
        .where(among(Conversation.contact_id, owners), Conversation.channel.in_(asked))
        .group_by(Conversation.contact_id, Conversation.channel)
    )
    return {(owner, channel): at for owner, channel, at in session.execute(wanted) if owner and at}


def _address(
    row: Handle,
    states: States,
    policy: Policy,
    *,
    is_suppressed: bool,
    is_served: bool,
    last_inbound: datetime | None,
) -> Address:
    return Address(
        channel=ChannelKind(row.channel),
        state=HandleState(row.state),
        is_suppressed=is_suppressed,
        takes_personal=verdict(Purpose.PERSONAL, row.channel, states, policy) is None,
        takes_promotional=verdict(Purpose.PROMOTIONAL, row.channel, states, policy) is None,
        is_served=is_served,
        last_inbound=last_inbound,
    )


def _worded(row: Handle, owner: UUID, reason: ReachReason) -> Reach:
    url = None
    if reason in _ADDRESS:
        url = url_for("contacts.edit_handle", handle_id=row.id)
    elif reason in _CONSENT:
        url = url_for("consent.consents", contact_id=owner)
    return Reach(
        channel=row.channel,
        label=str(CHANNEL_LABELS[row.channel]),
        icon=CHANNEL_ICONS[ChannelKind(row.channel)],
        address=row.address,
        handle_id=row.id,
        reason=reason,
        note=str(_NOTES[reason]),
        todo=str(_TODO[reason]),
        todo_url=url,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """An address of a person's company, by which they are reached too."""

    icon: str
    address: str
    company: str


def reached_via(company: Company, handles: Sequence[Handle]) -> list[Via]:
    """Those of a company's addresses that work."""
    return [
        Via(icon=CHANNEL_ICONS[ChannelKind(row.channel)], address=row.address, company=company.name)
        for row in handles
        if row.state == HandleState.ACTIVE
    ]

"""Owns the decision how a person can be reached at one address, and why not, as a pure function."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from crm.channels.base import ChannelKind
from crm.contacts.kinds import HandleState


class ReachReason(StrEnum):
    """What holds for one address; the first that applies, the worst first."""

    BOUNCED = "bounced"
    BLOCKED = "blocked"
    GONE = "gone"
    SUPPRESSED = "suppressed"
    NO_CONSENT = "no_consent"
    MUST_START = "must_start"
    WINDOW_CLOSED = "window_closed"
    PERSONAL_ONLY = "personal_only"
    BY_HAND = "by_hand"
    USABLE = "usable"


#: Here a message may go; everywhere else it may not.
OPEN: Final = frozenset({ReachReason.PERSONAL_ONLY, ReachReason.BY_HAND, ReachReason.USABLE})
#: Channels on which a firm may write freely only so long after the person did (Meta's messaging policies).
REPLY_WINDOWS: Final = {
    ChannelKind.WHATSAPP: timedelta(hours=24),
    ChannelKind.MESSENGER: timedelta(hours=24),
    ChannelKind.INSTAGRAM: timedelta(hours=24),
}
#: Channels on which a bot can't begin (Telegram Bot API, sendMessage).
STARTED_BY_PERSON: Final = frozenset({ChannelKind.TELEGRAM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What is known of one address.

    `is_served`: a sender account of ours writes there by itself; else somebody writes by hand, in the app of the
    channel, where its rules for programs do not hold. `last_inbound`: when the person last wrote there.
    """

    channel: ChannelKind
    state: HandleState = HandleState.ACTIVE
    is_suppressed: bool = False
    takes_personal: bool = True
    takes_promotional: bool = True
    is_served: bool = True
    last_inbound: datetime | None = None


_STATES: Final = {
    HandleState.BOUNCED: ReachReason.BOUNCED,
    HandleState.BLOCKED: ReachReason.BLOCKED,
    HandleState.GONE: ReachReason.GONE,
}


def reach_reason(address: Address, *, now: datetime) -> ReachReason:  # noqa: PLR0911 - one line for each reason.
    """How the person can be reached there at `now`."""
    if address.state in _STATES:
        return _STATES[address.state]
    if address.is_suppressed:
        return ReachReason.SUPPRESSED
    if not address.takes_personal:
        return ReachReason.NO_CONSENT
    if address.is_served and address.channel in STARTED_BY_PERSON and address.last_inbound is None:
        return ReachReason.MUST_START
    window = REPLY_WINDOWS.get(address.channel) if address.is_served else None
    if window is not None and (address.last_inbound is None or now - address.last_inbound > window):
        return ReachReason.WINDOW_CLOSED
    if not address.takes_promotional:
        return ReachReason.PERSONAL_ONLY
    return ReachReason.USABLE if address.is_served else ReachReason.BY_HAND

"""The words of campaigns in the reader's language: states, outcomes, reactions, reasons, steps."""

from typing import Any, Final

from flask import Flask

from crm.accounts.places import Words, add_words
from crm.campaigns.kinds import CampaignState, LeaverPolicy, Outcome, Reaction, ScheduleKind
from crm.campaigns.services.preparing import OFFER_LIMIT
from crm.campaigns.services.running import LEFT_SEGMENT
from crm.consent.kinds import Basis
from crm.outreach.words import reason_text
from crm.web.i18n import _, lazy, lazy_p, pgettext

STATES: Final[dict[CampaignState, tuple[Any, str]]] = {
    CampaignState.DRAFT: (lazy("draft"), "plain"),
    CampaignState.REVIEW: (lazy("to review"), "accent"),
    CampaignState.SCHEDULED: (lazy("scheduled"), "plain"),
    CampaignState.RUNNING: (lazy("running"), "accent"),
    CampaignState.PAUSED: (lazy("paused"), "wait"),
    CampaignState.FINISHED: (lazy("finished"), "ok"),
    CampaignState.CANCELLED: (lazy_p("campaign", "cancelled"), "plain"),
}

#: In the order of the bar: what left, what may still leave, what never will.
OUTCOMES: Final[dict[Outcome, tuple[Any, str]]] = {
    Outcome.SENT: (lazy("Sent"), "accent"),
    Outcome.WAITING: (lazy("Waiting for their hour"), "soft"),
    Outcome.HOLDOUT: (lazy("Held out to compare"), "grey"),
    Outcome.SKIPPED: (lazy("Skipped"), "pale"),
    Outcome.REJECTED: (lazy("Rejected in review"), "pale"),
    Outcome.CANCELLED: (lazy_p("messages", "Cancelled"), "pale"),
    Outcome.HELD: (lazy("Held, needs you"), "amber"),
    Outcome.UNCERTAIN: (lazy("Uncertain"), "amber"),
    Outcome.FAILED: (lazy_p("messages", "Failed"), "red"),
}

#: The same told of one person.
OUTCOMES_OF_ONE: Final[dict[Outcome, Any]] = {
    Outcome.SENT: lazy("sent"),
    Outcome.WAITING: lazy("planned"),
    Outcome.HOLDOUT: lazy("held out to compare"),
    Outcome.SKIPPED: lazy("skipped"),
    Outcome.REJECTED: lazy("rejected in review"),
    Outcome.CANCELLED: lazy("cancelled"),
    Outcome.HELD: lazy("held, needs you"),
    Outcome.UNCERTAIN: lazy("uncertain"),
    Outcome.FAILED: lazy("refused"),
}

REACTIONS: Final[dict[Reaction, Any]] = {
    Reaction.DELIVERED: lazy("Delivered"),
    Reaction.REPLIED: lazy("Replied"),
    Reaction.REDEEMED: lazy("Redeemed"),
    Reaction.OPTED_OUT: lazy("Asked not to be written to"),
    Reaction.BOUNCED: lazy("Bounced addresses"),
    Reaction.COMPLAINED: lazy("Complaints"),
}

LEAVERS: Final = {
    LeaverPolicy.STAY: lazy("They still get it"),
    LeaverPolicy.STOP: lazy("They are not written to any more"),
}

SCHEDULES: Final = {
    ScheduleKind.NOW: lazy("Now"),
    ScheduleKind.AT: lazy("At a time"),
    ScheduleKind.SPREAD: lazy("Spread over a window"),
}

BASES: Final = {
    Basis.CONSENT: lazy("Consent"),
    Basis.SOFT_OPT_IN: lazy("Customer of similar products"),
    Basis.CONTRACT: lazy("Contract"),
    Basis.LEGITIMATE_INTEREST: lazy("Legitimate interest"),
    Basis.UNKNOWN: lazy("No basis written down"),
}

_REASONS: Final = {
    OFFER_LIMIT: lazy("This person has had the offer as often as anybody may."),
    LEFT_SEGMENT: lazy("This person has left the segment."),
}

_REFUSALS: Final = {
    "own": lazy("Somebody else must approve what you prepared."),
    "missing_values": lazy("A value is missing: edit the text first."),
    "no_handle": lazy("There is no address on this channel."),
    "no_account": lazy("There is no sender account for this channel."),
    "other_state": lazy("This draft has gone on meanwhile."),
}


def reason(code: str) -> str:
    """Why somebody got nothing, as a sentence; a colleague's own words stand as they are."""
    return str(_REASONS[code]) if code in _REASONS else str(reason_text(code))


def refusal(code: str) -> str:
    """Why a draft could not be approved."""
    return str(_REFUSALS.get(code, code))


def steps() -> list[str]:
    """The five steps."""
    return [_("People"), _("Offer"), _("Message"), pgettext("step", "Review"), _("Schedule")]


def init_app(app: Flask) -> None:
    """Tell bell and audit how campaigns are told."""
    add_words(
        app,
        {
            "campaign.finished": Words(lazy("%(name)s has ended: %(sent)s sent"), "send"),
            "campaign.scheduled": Words(lazy("Campaign scheduled"), "send"),
            "campaign.paused": Words(lazy("Campaign paused"), "player-pause"),
            "campaign.resumed": Words(lazy("Campaign resumed"), "player-play"),
            "campaign.cancelled": Words(lazy("Campaign cancelled"), "x"),
            "campaign.removed": Words(lazy("Campaign removed"), "trash"),
        },
    )

"""Owns reading campaigns, whom they would write to, their drafts and what came of them."""

from crm.campaigns.queries.origin import ORIGIN_WITHIN, Origin, WonDeals, last_before, origin_of, origins, won_deals
from crm.campaigns.queries.people import Candidate, Obstacle, People, audience, people, picks, taken_out
from crm.campaigns.queries.recipients import (
    RecipientLine,
    RecipientNotFoundError,
    message_ids,
    queue,
    recipient,
    recipients,
    unchanged,
)
from crm.campaigns.queries.report import COUNTS_FOR, Report, report
from crm.campaigns.queries.saved import (
    CampaignLine,
    CampaignNotFoundError,
    campaign,
    campaigns,
    line,
    lines,
    texts,
)
from crm.campaigns.queries.why import WhyLine, reasons, worded

__all__ = [
    "COUNTS_FOR",
    "ORIGIN_WITHIN",
    "CampaignLine",
    "CampaignNotFoundError",
    "Candidate",
    "Obstacle",
    "Origin",
    "People",
    "RecipientLine",
    "RecipientNotFoundError",
    "Report",
    "WhyLine",
    "WonDeals",
    "audience",
    "campaign",
    "campaigns",
    "last_before",
    "line",
    "lines",
    "message_ids",
    "origin_of",
    "origins",
    "people",
    "picks",
    "queue",
    "reasons",
    "recipient",
    "recipients",
    "report",
    "taken_out",
    "texts",
    "unchanged",
    "won_deals",
    "worded",
]

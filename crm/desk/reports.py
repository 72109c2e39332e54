"""The page of reports: twelve weeks in figures, each chart with its table, and the way to every campaign's report."""

from typing import Any, Final

from flask import Blueprint, render_template, url_for

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.campaigns import queries as campaigns
from crm.campaigns.kinds import CampaignState
from crm.desk.figures import figures
from crm.loyalty import queries as loyalty
from crm.outreach.kinds import MessageState
from crm.outreach.words import STATES
from crm.web.formats import day
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("reports", __name__)

CAMPAIGNS: Final = 20
#: Tones of the bar of states; what is not named here is grey.
TONES: Final = {
    MessageState.SENT: "accent",
    MessageState.HELD: "amber",
    MessageState.UNCERTAIN: "amber",
    MessageState.FAILED: "red",
    MessageState.SCHEDULED: "soft",
}


@blueprint.get("/reports")
@requires(Permission.VIEW_OWN)
def index() -> str:
    """The overview."""
    session, actor, now = current_session(), current_actor(), request_now()
    found = figures(session, actor, now=now)
    program = loyalty.default_program(session, actor)
    return render_template(
        "desk/reports.html",
        figures=found,
        weeks=[day(week) for week in found.weeks],
        exchanges=[
            _series(_("Messages sent"), found.sent, "accent"),
            _series(_("Answers and messages received"), found.received, "soft"),
            _series(_("Calls"), found.calls, "grey"),
        ],
        points=[_series(_("Points given"), found.issued, "accent"), _series(_("Points spent"), found.spent, "soft")],
        redemptions=[_series(_("Vouchers redeemed"), found.redeemed, "accent")],
        states=[
            {"label": STATES[state][0], "count": count, "tone": TONES.get(state, "grey")}
            for state, count in sorted(found.states.items(), key=lambda item: (item[0] not in TONES, -item[1]))
        ],
        total=sum(found.states.values()),
        program=program,
        currency=program.currency if program else "EUR",
        campaigns=[
            (line, _address(line)) for line in campaigns.campaigns(session, actor, limit=CAMPAIGNS, now=now).items
        ],
    )


def _series(label: str, values: tuple[int, ...], tone: str) -> dict[str, Any]:
    return {"label": label, "values": list(values), "tone": tone}


def _address(line: campaigns.CampaignLine) -> str:
    """The report of a campaign that has one, else the page where it goes on."""
    begun = line.state not in {CampaignState.DRAFT, CampaignState.REVIEW}
    return url_for("campaigns.report" if begun else "campaigns.show", campaign_id=line.campaign.id)

"""The blueprint of campaigns and what all its pages show: the head with its five steps."""

from typing import Any, cast
from uuid import UUID

from flask import Blueprint, Flask, url_for
from flask.blueprints import BlueprintSetupState

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.campaigns import queries, words
from crm.campaigns.kinds import CampaignStage
from crm.campaigns.queries import CampaignLine
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("campaigns", __name__)
may_look = requires(Permission.VIEW_OWN)
may_write = requires(Permission.WRITE)
may_approve = requires(Permission.APPROVE)

PAGES = ("people", "offer", "message", "review", "schedule")


@blueprint.record_once
def _add(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    words.init_app(app)
    app.jinja_env.globals["campaign_words"] = words


def load(campaign_id: UUID) -> CampaignLine:
    """The campaign with its state; 404 for another workspace's."""
    return queries.line(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())


def head(line: CampaignLine) -> dict[str, Any]:
    """What every page of one campaign needs: the campaign, its state, and the steps with their addresses."""
    campaign = line.campaign
    is_draft = campaign.stage == CampaignStage.DRAFT
    open_pages = PAGES[:3] if is_draft else PAGES
    steps = [
        {
            "label": label,
            "url": url_for(f".{page}", campaign_id=campaign.id) if page in open_pages else None,
        }
        for page, label in zip(PAGES, words.steps(), strict=True)
    ]
    return {
        "campaign": campaign,
        "line": line,
        "state": line.state,
        "steps": steps,
        "is_draft": is_draft,
        "may_write": current_actor().may(Permission.WRITE),
        "may_approve": current_actor().may(Permission.APPROVE),
    }

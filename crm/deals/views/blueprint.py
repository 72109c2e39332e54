"""The blueprint of the pages of deals, its page under Settings, its words, and its part of the search."""

from typing import cast

from flask import Blueprint, Flask, request, url_for
from flask.blueprints import BlueprintSetupState

from crm.accounts import places
from crm.accounts.guards import current_actor
from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.deals import queries, words
from crm.web.i18n import lazy
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("deals", "crm.deals")
places.tell(blueprint, words.TOLD)


@blueprint.record_once
def _add(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    app.jinja_env.globals.update(deal_words=words)
    places.add_settings_page(
        app,
        places.SettingsPage(
            key="pipelines",
            label=lazy("Pipelines"),
            text=lazy("The stages that your deals go through, and why deals are lost."),
            icon="briefcase",
            endpoint="deals.pipelines",
            needs=Permission.MANAGE_PIPELINES,
            order=40,
        ),
    )
    places.add_finder(app, "deals", places.Finder(lazy("Deals"), _find))


def _find(text: str, limit: int) -> list[places.Found]:
    cards = queries.search(current_session(), current_actor(), words=text, limit=limit, now=request_now())
    return [
        places.Found(
            name=card.title,
            url=url_for("deal_page.show", deal_id=card.id),
            icon="briefcase",
            sub=", ".join(part for part in (card.contact_name or card.company_name, card.stage_name) if part),
        )
        for card in cards
    ]


def is_partial() -> bool:
    """True when a script asks for a part of the page and not for the page."""
    return "HX-Request" in request.headers


def house() -> Workspace:
    """The workspace of this request."""
    return current_session().get_one(Workspace, current_actor().workspace_id)

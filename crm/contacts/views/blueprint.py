"""The blueprint of the pages of people and companies."""

from typing import cast

from flask import Blueprint, Flask, request
from flask.blueprints import BlueprintSetupState

from crm.accounts import places
from crm.accounts.kinds import Permission
from crm.contacts import words
from crm.web.i18n import lazy

blueprint = Blueprint("contacts", "crm.contacts")
places.tell(blueprint, words.TOLD)


@blueprint.record_once
def _add(state: BlueprintSetupState) -> None:
    places.add_settings_page(
        cast("Flask", state.app),
        places.SettingsPage(
            key="fields",
            label=lazy("Own fields"),
            text=lazy("What else you want to know of people and companies."),
            icon="forms",
            endpoint="contacts.custom_fields",
            needs=Permission.MANAGE_WORKSPACE,
            order=40,
        ),
    )


def is_partial() -> bool:
    """True when htmx asks for a part of the page and not for the page."""
    return "HX-Request" in request.headers

"""The blueprint of accounts' pages and what they add to the application's tables."""

from typing import cast

from flask import Blueprint, Flask, g, request
from flask.blueprints import BlueprintSetupState

from crm.accounts import places, words
from crm.accounts.kinds import Permission
from crm.accounts.places import SettingsGroup, SettingsPage
from crm.web.i18n import lazy

blueprint = Blueprint("accounts", __name__)

PAGES = (
    SettingsPage(
        key="profile",
        label=lazy("Profile"),
        text=lazy("Your name, language, time zone and appearance."),
        icon="user",
        endpoint="accounts.profile",
        group=SettingsGroup.YOU,
        order=10,
    ),
    SettingsPage(
        key="access",
        label=lazy("Sign-in and security"),
        text=lazy("Password, second factor, and where you are signed in."),
        icon="lock",
        endpoint="accounts.access",
        group=SettingsGroup.YOU,
        order=20,
    ),
    SettingsPage(
        key="workspace",
        label=lazy("Workspace"),
        text=lazy("Name, hours for messages, limits, approval."),
        icon="building",
        endpoint="accounts.workspace",
        needs=Permission.VIEW_OWN,
        order=10,
    ),
    SettingsPage(
        key="people",
        label=lazy("People and roles"),
        text=lazy("Who works here, and who may do what."),
        icon="users",
        endpoint="accounts.people",
        needs=Permission.VIEW_OWN,
        order=20,
    ),
    SettingsPage(
        key="tokens",
        label=lazy("API tokens"),
        text=lazy("Keys for other programs."),
        icon="key",
        endpoint="accounts.tokens",
        needs=Permission.MANAGE_USERS,
        order=30,
    ),
    SettingsPage(
        key="audit",
        label=lazy("Audit log"),
        text=lazy("Who did what, and when."),
        icon="list-search",
        endpoint="accounts.audit",
        needs=Permission.SEE_AUDIT,
        order=90,
    ),
)


@blueprint.record_once
def _add(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    words.init_app(app)
    for page in PAGES:
        places.add_settings_page(app, page)


@blueprint.app_context_processor
def _settings_pages() -> dict[str, object]:
    actor = g.get("actor")
    if actor is None:
        return {}
    pages = places.settings_pages(actor)
    # Some pages of settings have an address of their own.
    if not request.path.startswith("/settings") and request.endpoint not in {page.endpoint for page in pages}:
        return {}
    return {"settings_pages": pages, "settings_groups": GROUPS}


GROUPS = {
    SettingsGroup.YOU: lazy("You"),
    SettingsGroup.WORKSPACE: lazy("Workspace"),
    SettingsGroup.CHANNELS: lazy("Channels and sources"),
}

"""The blueprint of outreach, its words for templates, and the pages it adds to Settings."""

from typing import cast

from flask import Blueprint, Flask, current_app
from flask.blueprints import BlueprintSetupState

from crm.accounts.kinds import Permission
from crm.accounts.places import SettingsGroup, SettingsPage, add_settings_page
from crm.db import after_commit
from crm.outreach import words
from crm.outreach.models import Message
from crm.web.i18n import lazy
from crm.web.sessions import current_session

blueprint = Blueprint("outreach", __name__)


@blueprint.record_once
def _settings(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    app.jinja_env.filters["reason"] = words.reason_text
    app.jinja_env.globals["outreach_words"] = words
    add_settings_page(
        app,
        SettingsPage(
            key="channels",
            label=lazy("Sender accounts"),
            text=lazy("From where you write: mailboxes, their pace and health."),
            icon="mail",
            endpoint="outreach.accounts",
            group=SettingsGroup.CHANNELS,
            needs=Permission.MANAGE_CHANNELS,
            order=10,
        ),
    )
    add_settings_page(
        app,
        SettingsPage(
            key="templates",
            label=lazy("Texts"),
            text=lazy("Texts to start from, with the person’s own data."),
            icon="template",
            endpoint="outreach.templates",
            group=SettingsGroup.CHANNELS,
            needs=Permission.WRITE,
            order=20,
        ),
    )


def wake(message: Message) -> None:
    """Ring for the sender of this message's account once the request is committed; the clock finds it anyway."""
    account_id, workspace_id, jobs = message.account_id, message.workspace_id, current_app.extensions["crm_jobs"]
    if account_id is not None:
        after_commit(current_session(), lambda: jobs.wake(account_id, workspace_id=workspace_id))

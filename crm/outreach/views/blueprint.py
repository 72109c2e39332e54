"""The blueprint of outreach, its words for templates, and the pages it adds to Settings."""

from typing import Final, cast

from flask import Blueprint, Flask, url_for
from flask.blueprints import BlueprintSetupState

from crm.accounts.guards import current_actor
from crm.accounts.kinds import Permission
from crm.accounts.places import (
    Choice,
    Finder,
    Found,
    SettingsGroup,
    SettingsPage,
    Step,
    Words,
    add_choice,
    add_finder,
    add_settings_page,
    add_words,
)
from crm.outreach import troubles, words
from crm.outreach.queries.finding import find_threads
from crm.web.i18n import lazy
from crm.web.sessions import current_session

blueprint = Blueprint("outreach", __name__)

_ALERTS = {
    troubles.ACCOUNT: Words(lazy("“%(name)s” can’t send: the account needs you"), "alert-circle"),
    troubles.UNCERTAIN: Words(lazy("It isn’t certain that some messages arrived: decide about them"), "help-circle"),
    troubles.STALLED: Words(lazy("Messages of “%(name)s” are due and nobody sends them"), "clock-pause"),
    troubles.WORKER: Words(
        lazy("No sender is running: messages wait until whoever runs the server starts one"), "send"
    ),
    troubles.QUEUE: Words(lazy("The server that wakes the senders is away: messages wait until it is back"), "send"),
    troubles.CLOCK: Words(
        lazy("The clock has stopped: what is planned waits until whoever runs the server starts it"), "clock-pause"
    ),
}

_BELL = {"inbox.key_answered": Words(lazy("%(name)s has answered"), "star")}

_AUDIT = {
    "sender.created": Words(lazy("Added a sender account"), "mail"),
    "sender.changed": Words(lazy("Changed a sender account"), "mail"),
    "sender.credentials_changed": Words(lazy("Gave a sender account new credentials"), "lock"),
    "sender.paused": Words(lazy("Paused a sender account"), "player-pause"),
    "sender.resumed": Words(lazy("Let a sender account go on"), "player-play"),
    "sender.deleted": Words(lazy("Removed a sender account"), "trash"),
    "mailbox.started": Words(lazy("Let a mailbox be read"), "inbox"),
    "mailbox.stopped": Words(lazy("Let a mailbox be read no further"), "player-pause"),
    "mailbox.forgotten": Words(lazy("Threw away what a mailbox had brought in"), "trash"),
}


def _threads(text: str, limit: int) -> list[Found]:
    hits = find_threads(current_session(), current_actor(), text=text, limit=limit)
    return [
        Found(name=hit.subject, url=url_for("outreach.conversation", conversation_id=hit.id), icon="mail", sub=hit.name)
        for hit in hits
    ]


_PAGES: Final = (
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
    SettingsPage(
        key="canned",
        label=lazy("Canned replies"),
        text=lazy("Answers you give often, one key away in the inbox."),
        icon="message",
        endpoint="outreach.canned",
        group=SettingsGroup.CHANNELS,
        needs=Permission.WRITE,
        order=30,
    ),
    SettingsPage(
        key="inbox-mail",
        label=lazy("Mail about the inbox"),
        text=lazy("A digest each morning, and a mail when a key person answers."),
        icon="sun",
        endpoint="outreach.notices",
        group=SettingsGroup.YOU,
        needs=Permission.WRITE,
        order=35,
    ),
    SettingsPage(
        key="history-address",
        label=lazy("Copies of your mail"),
        text=lazy("Your own address for blind copies: what you write elsewhere lands on the timelines."),
        icon="inbox",
        endpoint="outreach.history_address",
        group=SettingsGroup.YOU,
        needs=Permission.EDIT,
        order=40,
    ),
)
_CHOICES: Final = (
    Choice(
        step=Step.SENDER,
        key="mailbox",
        label=lazy("Connect my mailbox"),
        text=lazy("Server, user and password of the address you write from."),
        icon="mail",
        endpoint="outreach.new_account",
        values={"setup": "1"},
        order=10,
    ),
    Choice(
        step=Step.SENDER,
        key="sandbox",
        label=lazy("Try with the sandbox"),
        text=lazy("Nothing leaves this machine, and you can answer as each person."),
        icon="flask",
        endpoint="outreach.create_sandbox",
        post=True,
        primary=True,
        order=20,
    ),
)


@blueprint.record_once
def _settings(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    app.jinja_env.filters["reason"] = words.reason_text
    app.jinja_env.globals["outreach_words"] = words
    add_finder(app, "messages", Finder(lazy("Messages"), _threads))
    add_words(app, _ALERTS)
    add_words(app, _BELL)
    add_words(app, _AUDIT)
    for page in _PAGES:
        add_settings_page(app, page)
    for choice in _CHOICES:
        add_choice(app, choice)

"""Setting up a channel: which ones there are, what each needs and from where, checked at once."""

import re
from typing import Any, Final
from uuid import UUID

from flask import abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import PasswordField, StringField

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.assisted import ASSISTED_CHANNELS, RULES
from crm.channels.base import ChannelKind
from crm.channels.registry import SETUPS
from crm.channels.setup import ChannelSetup
from crm.errors import AppError
from crm.outreach import queries, services
from crm.outreach.models import SenderAccount
from crm.outreach.views.accounts import checked, webhook_of
from crm.outreach.views.blueprint import blueprint
from crm.outreach.views.receiving import let_it_call
from crm.outreach.words import CHANNEL_NOTES, CHANNELS, ICONS, reason_text
from crm.web.forms import Form
from crm.web.i18n import lazy, translated
from crm.web.sessions import current_session, request_now

manages = requires(Permission.MANAGE_CHANNELS)
#: Codes that speak of the credentials belong beside the first of them.
_CREDENTIALS: Final = re.compile(r"auth|token|signature|secret|401|403")


@blueprint.get("/settings/channels/add")
@manages
def add_account() -> str:
    """Every channel as a card: what it can, what it needs, what the law and the network say."""
    return render_template(
        "outreach/channels.html",
        served=[kind for kind in ChannelKind if kind in SETUPS],
        by_hand=[kind for kind in ChannelKind if kind in ASSISTED_CHANNELS],
        notes=CHANNEL_NOTES,
        channels=CHANNELS,
        icons=ICONS,
    )


@blueprint.get("/settings/channels/new/<channel>")
@manages
def new_channel(channel: str) -> ResponseReturnValue:
    """The blank form of a channel; of one that is served by hand, how that works."""
    kind = _kind(channel)
    if kind is ChannelKind.EMAIL:
        return redirect(url_for(".new_account"), code=303)
    setup = SETUPS.get(kind)
    if setup is None:
        return render_template(
            "outreach/channel_by_hand.html", kind=kind, rules=RULES.get(kind, ()), notes=CHANNEL_NOTES
        )
    data = {one.name: one.default for one in setup.settings if not one.is_secret}
    return _page(setup, form_of(setup)(formdata=None, data={**data, "name": str(CHANNELS[kind])}), None)


@blueprint.post("/settings/channels/new/<channel>")
@manages
def create_channel(channel: str) -> ResponseReturnValue:
    """Save the account, and check it at once."""
    setup = SETUPS.get(_kind(channel))
    if setup is None:
        abort(404)
    return _saved(setup, None)


@blueprint.get("/settings/channels/<uuid:account_id>/channel")
@manages
def edit_channel(account_id: UUID) -> ResponseReturnValue:
    """The settings of an account that is no mailbox, with what the last check found beside its field."""
    row = queries.account(current_session(), current_actor(), account_id=account_id)
    setup = SETUPS.get(ChannelKind(row.channel))
    if setup is None:
        return redirect(url_for(".edit_account", account_id=account_id), code=303)
    form = form_of(setup)(formdata=None, data={**row.config, "name": row.name, "address": row.address})
    if row.hold_reason:
        _blame(form, setup, row.hold_reason)
    return _page(setup, form, row)


@blueprint.post("/settings/channels/<uuid:account_id>/channel")
@manages
def update_channel(account_id: UUID) -> ResponseReturnValue:
    """Change the account, and check it at once."""
    row = queries.account(current_session(), current_actor(), account_id=account_id)
    setup = SETUPS.get(ChannelKind(row.channel))
    if setup is None:
        abort(404)
    return _saved(setup, row)


def form_of(setup: ChannelSetup) -> type[Form]:
    """The form that a channel describes: its name, its address, and a field for each setting."""
    fields: dict[str, Any] = {
        "name": StringField(lazy("Name"), description=lazy("For you and your colleagues.")),
    }
    if setup.address_label:
        where = translated(setup.address_where)
        fields["address"] = StringField(translated(setup.address_label), description=where)
    for one in setup.settings:
        kind = PasswordField if one.is_secret else StringField
        fields[one.name] = kind(translated(one.label), description=translated(one.where))
    return type("ChannelForm", (Form,), fields)


def _kind(channel: str) -> ChannelKind:
    if channel not in set(ChannelKind):
        abort(404)
    return ChannelKind(channel)


def _saved(setup: ChannelSetup, row: SenderAccount | None) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), request_now()
    form = form_of(setup)()
    if not form.validate_on_submit():
        return _page(setup, form, row), 422
    given = {one.name: str(form._fields[one.name].data or "") for one in setup.settings}
    try:
        saved = services.save_channel_account(
            session,
            actor,
            channel=setup.channel,
            account_id=row.id if row else None,
            name=str(form.data.get("name") or ""),
            address=str(form.data.get("address") or ""),
            settings=given,
            now=now,
        )
    except AppError as error:
        form.absorb(error)
        return _page(setup, form, row), 422
    if not checked(saved, is_new=row is None):
        return redirect(url_for(".edit_channel", account_id=saved.id), code=303)
    if setup.channel is ChannelKind.TELEGRAM:
        let_it_call(saved.id, webhook_of(saved))
    return redirect(url_for(".account", account_id=saved.id), code=303)


def _blame(form: Form, setup: ChannelSetup, code: str) -> None:
    """Put what the check found beside the credential it speaks of, else on top."""
    secret = next((one.name for one in setup.settings if one.is_secret), None)
    if secret is not None and _CREDENTIALS.search(code):
        field = form._fields[secret]
        field.errors = [*field.errors, reason_text(code)]
    else:
        form.form_errors = [*form.form_errors, reason_text(code)]


def _page(setup: ChannelSetup, form: Form, row: SenderAccount | None) -> str:
    return render_template(
        "outreach/channel_form.html",
        setup=setup,
        form=form,
        account=row,
        asked=[form._fields[one.name] for one in setup.settings],
        steps=[translated(step) for step in setup.steps],
        webhook=webhook_of(row) if row else "",
    )

"""Sender accounts under Settings: make, check, pause, and see their pace and health."""

from uuid import UUID

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.forms import ZONES
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.queries import workspace
from crm.channels.base import ChannelKind
from crm.channels.presets import PROVIDERS
from crm.channels.registry import SETUPS
from crm.contacts.services import parsed
from crm.errors import AppError
from crm.outreach import queries, services, telling
from crm.outreach.forms import AccountForm
from crm.outreach.models import SenderAccount
from crm.outreach.queries import CalendarFilter
from crm.outreach.setup import links
from crm.outreach.tokens import ensure_fresh
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import reason_text
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

manages = requires(Permission.MANAGE_CHANNELS)
#: Values of the form that are not part of the account's input.
APART = ("password", "imap_password", "csrf_token", "provider")
#: What the adapter is told, as the form shows it.
SERVER = (
    "host",
    "port",
    "security",
    "username",
    "imap_host",
    "imap_port",
    "imap_security",
    "imap_username",
    "imap_folder",
    "files_sent",
)


@blueprint.get("/settings/channels")
@manages
def accounts() -> str:
    """All sender accounts with their health."""
    session, actor, now = current_session(), current_actor(), request_now()
    rows = queries.accounts(session, actor)
    health = {row.id: queries.account_health(session, actor, account_id=row.id, now=now) for row in rows}
    return render_template("outreach/accounts.html", accounts=rows, health=health)


@blueprint.get("/settings/channels/new")
@manages
def new_account() -> str:
    """A blank account, in the zone of the workspace."""
    house = workspace(current_session(), current_actor())
    form = AccountForm(data={"time_zone": house.time_zone})
    return _blank(form)


@blueprint.post("/settings/channels/new")
@manages
def create_account() -> ResponseReturnValue:
    """Make an account; its password is kept encrypted."""
    form = AccountForm()
    form.fill_in()
    account = _saved(form, None)
    if account is None:
        return _blank(form), 422
    if "check" in request.form:
        if not checked(account, is_new=True):
            return redirect(url_for(".edit_account", account_id=account.id, setup=_setup()), code=303)
    else:
        flash(_("The account is ready. Check the connection before the first message."), "success")
    return redirect(url_for(".account", account_id=account.id, setup=_setup()), code=303)


def _setup() -> str | None:
    """`1` on the way through the first run, which goes on from the page of the account."""
    return "1" if request.args.get("setup") == "1" else None


def _blank(form: AccountForm) -> str:
    return render_template(
        "outreach/account_form.html", form=form, account=None, setup=_setup(), providers=PROVIDERS.values()
    )


@blueprint.post("/settings/channels/sandbox")
@manages
def create_sandbox() -> ResponseReturnValue:
    """An account whose messages stay on this machine, for the first run; one is enough."""
    session, actor = current_session(), current_actor()
    if not any(row.is_sandbox for row in queries.accounts(session, actor)):
        house = workspace(session, actor)
        data = services.AccountInput(
            name=_("Sandbox"), address=f"{house.slug}@sandbox.example", display_name=house.name, is_sandbox=True
        )
        services.create_account(session, actor, data=data, now=request_now())
    flash(_("The sandbox is ready: write to anybody, nothing leaves this machine."), "success")
    return redirect(url_for("accounts.setup_people"), code=303)


@blueprint.get("/settings/channels/<uuid:account_id>")
@manages
def account(account_id: UUID) -> str:
    """One account: health, pace, last errors, and what is queued on it."""
    session, actor, now = current_session(), current_actor(), request_now()
    row = queries.account(session, actor, account_id=account_id)
    return render_template(
        "outreach/account.html",
        account=row,
        health=queries.account_health(session, actor, account_id=account_id, now=now),
        waiting=queries.leaving(session, actor, wanted=CalendarFilter(account_id=account_id), limit=10).items,
        errors=queries.account_errors(session, actor, account_id=account_id, now=now),
        slow=queries.slow_domains(session, actor, account=row, now=now),
        telling=telling,
        setup=_setup(),
        ends_soon=telling.password_ends(row),
        webhook=webhook_of(row),
        polls=polls(row),
        network_templates=queries.network_templates(session, account_id=account_id),
        last_call=queries.last_call(session, actor, account_id=account_id) if webhook_of(row) else None,
    )


@blueprint.get("/settings/channels/<uuid:account_id>/edit")
@manages
def edit_account(account_id: UUID) -> ResponseReturnValue:
    """The account's data, with what the last check found beside its field; the password is never shown."""
    row = queries.account(current_session(), current_actor(), account_id=account_id)
    if row.channel != ChannelKind.EMAIL:
        return redirect(url_for(".edit_channel", account_id=account_id), code=303)
    form = _filled(row)
    if row.hold_reason:
        form.blame(row.hold_reason, reason_text(row.hold_reason))
    return _edited(form, row)


@blueprint.post("/settings/channels/<uuid:account_id>/edit")
@manages
def update_account(account_id: UUID) -> ResponseReturnValue:
    """Change an account."""
    renew_token(account_id)
    row = queries.account(current_session(), current_actor(), account_id=account_id)
    form = _with_zone(AccountForm(), row)
    form.fill_in()
    if _saved(form, row) is None:
        return _edited(form, row), 422
    if "check" not in request.form:
        flash(_("Saved."), "success")
    elif not checked(row, is_new=False):
        return redirect(url_for(".edit_account", account_id=account_id, setup=_setup()), code=303)
    return redirect(url_for(".account", account_id=account_id), code=303)


@blueprint.post("/settings/channels/<uuid:account_id>/<any(check, pause, resume, delete):action>")
@manages
def change_account(account_id: UUID, action: str) -> ResponseReturnValue:
    """Check the connection, pause, resume, or retire the account."""
    session, actor, now = current_session(), current_actor(), request_now()
    if action == "check":
        renew_token(account_id)
        result = services.check_account(session, actor, account_id=account_id)
        if result.ok and result.detail:
            flash(_("The server let us in, and sent mail is read in “%(folder)s”.", folder=result.detail), "success")
        elif result.ok:
            flash(_("The server answered and let us in."), "success")
        else:
            flash(_("It did not work: %(reason)s", reason=reason_text(result.code)), "error")
    elif action == "pause":
        services.pause_account(session, actor, account_id=account_id)
        flash(_("Nothing leaves from this account until you resume it."), "success")
    elif action == "resume":
        services.resume_account(session, actor, account_id=account_id)
        flash(_("The account works again."), "success")
    else:
        waiting = services.delete_account(session, actor, account_id=account_id, now=now)
        flash(_("The account is gone; %(num)s messages wait for another one.", num=waiting), "success")
        return redirect(url_for(".accounts"), code=303)
    return redirect(url_for(".account", account_id=account_id, setup=_setup()), code=303)


def renew_token(account_id: UUID) -> None:
    """Fetch a fresh token where the account signs in by one, before anything is changed or tried."""
    row = queries.account(current_session(), current_actor(), account_id=account_id)
    if row.config.get("oauth_provider"):
        database = current_app.extensions["crm_database"]
        ensure_fresh(database, workspace_id=row.workspace_id, account_id=account_id)
        current_session().refresh(row)


def checked(account: SenderAccount, *, is_new: bool) -> bool:
    """Check the connection of an account that was saved just now, and tell what came of it.

    One that can't sign in is held, so that nothing is tried with it; so is a new one whatever is wrong. An older one
    goes on where only its server is away for the moment.
    """
    session, actor, now = current_session(), current_actor(), request_now()
    session.flush()
    result = services.check_account(session, actor, account_id=account.id)
    if result.ok:
        flash(_("It works: the server let us in."), "success")
        return True
    if is_new or "auth" in result.code or result.code.startswith("config"):
        services.hold_account(session, account_id=account.id, code=result.code, now=now)
        return False
    flash(_("Saved. The check did not work: %(reason)s", reason=reason_text(result.code)), "warning")
    return True


def _edited(form: AccountForm, row: SenderAccount) -> str:
    known = [provider for provider in PROVIDERS.values() if provider.host == row.config.get("host")]
    return render_template("outreach/account_form.html", form=form, account=row, setup=_setup(), providers=known)


def webhook_of(account: SenderAccount) -> str:
    """The address that the platform of an account calls; '' where none does."""
    setup = SETUPS.get(ChannelKind(account.channel))
    if setup is None or not setup.has_webhook:
        return ""
    return f"{links().base_url}/hooks/{account.channel}/{account.public_id}"


def polls(account: SenderAccount) -> bool:
    """Whether we can ask the platform of an account ourselves."""
    setup = SETUPS.get(ChannelKind(account.channel))
    return setup is not None and setup.polls


def _filled(row: SenderAccount) -> AccountForm:
    config = {name: row.config[name] for name in SERVER if name in row.config}
    own = {name: getattr(row, name) for name in ("name", "address", "display_name", "is_sandbox", "signature")}
    pace = {name: getattr(row, name) for name in ("per_minute", "per_hour", "per_day", "per_domain", "time_zone")}
    return _with_zone(AccountForm(data={**own, **pace, **config}), row)


def _with_zone(form: AccountForm, row: SenderAccount) -> AccountForm:
    """Offer the account's own zone as well: the API takes more names than the list has."""
    if row.time_zone not in dict(ZONES):
        form.time_zone.choices = [(row.time_zone, row.time_zone), *ZONES]
    return form


def _saved(form: AccountForm, row: SenderAccount | None) -> SenderAccount | None:
    """The account as saved, None when something in the form is wrong (the form then says what)."""
    if not form.validate_on_submit():
        return None
    session, actor = current_session(), current_actor()
    given = {name: value for name, value in form.data.items() if name not in APART and value is not None}
    try:
        if row is None:
            data = parsed(services.AccountInput, given)
            saved = services.create_account(session, actor, data=data, now=request_now())
        else:
            kept = {name: row.config[name] for name in ("plus_address", "mechanism") if name in row.config}
            data = parsed(services.AccountInput, {**given, **kept, "owner_id": row.owner_id})
            saved = services.update_account(session, actor, account_id=row.id, data=data, expected_version=None)
        typed = {"secret": form.password.data, "imap_secret": form.imap_password.data}
        if any(typed.values()):
            secret = {name: value for name, value in typed.items() if value}
            services.set_secret(session, actor, account_id=saved.id, secret=secret)
    except AppError as error:
        form.absorb(error)
        return None
    return saved

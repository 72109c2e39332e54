"""The page with one's own address for copies of mail, and the strangers in them."""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.base import ChannelKind
from crm.interactions.services import copies
from crm.outreach import queries
from crm.outreach.views.blueprint import blueprint
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/settings/history-address")
@requires(Permission.EDIT)
def history_address() -> str:
    """The addresses, one for each mailbox that is read here."""
    session, actor = current_session(), current_actor()
    token = copies.history_token(session, actor)
    found = queries.accounts(session, actor, channel=ChannelKind.EMAIL)
    mailboxes = list(dict.fromkeys(row.address for row in found if "@" in row.address))
    domains = dict.fromkeys(mailbox.rpartition("@")[2] for mailbox in mailboxes)
    return render_template(
        "outreach/history_address.html",
        mailboxes=mailboxes,
        addresses=[(_address(mailbox, token), mailbox) for mailbox in mailboxes] if token else [],
        plain=[f"history+{token}@{domain}" for domain in domains] if token else [],
        unknown=copies.unknown_correspondents(session, actor),
    )


def _address(mailbox: str, token: str) -> str:
    local, _at, domain = mailbox.rpartition("@")
    return f"{local.partition('+')[0]}+{token}@{domain}"


@blueprint.post("/settings/history-address/renew")
@requires(Permission.EDIT)
def renew_history_address() -> ResponseReturnValue:
    """Another address; the old one takes no copies any more."""
    copies.renew_history_token(current_session(), current_actor(), now=request_now())
    flash(_("This is your new address; the old one takes no copies any more."), "ok")
    return redirect(url_for(".history_address"), code=303)


@blueprint.post("/settings/history-address/forget")
@requires(Permission.EDIT)
def forget_unknown() -> ResponseReturnValue:
    """Empty the list of strangers."""
    copies.forget_unknown(current_session(), current_actor())
    return redirect(url_for(".history_address"), code=303)

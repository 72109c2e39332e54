"""The mailbox of an account: which folders are read, how far back, what stays out, and how far it is."""

from datetime import timedelta
from math import ceil
from typing import Any
from uuid import UUID

from flask import Response, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.base import OutcomeKind
from crm.channels.email import ConfigError
from crm.channels.imap_names import Folder
from crm.channels.imap_session import ImapError
from crm.db import after_commit
from crm.errors import AppError
from crm.jobs import JobName
from crm.outreach import telling
from crm.outreach.adapters import connect_mailbox, spec_of
from crm.outreach.kinds import MailboxReach
from crm.outreach.mailbox_forms import ExclusionForm, MailboxForm
from crm.outreach.models import SenderAccount
from crm.outreach.queries.mailboxes import MailboxView, mailbox_view
from crm.outreach.secrets import SecretError
from crm.outreach.services import mailbox_forgetting, mailboxes
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import MAILBOXES, reason_text
from crm.web.i18n import _, ngettext
from crm.web.sessions import current_session, request_now

may_write = requires(Permission.WRITE)


@blueprint.get("/settings/channels/<uuid:account_id>/mailbox")
@may_write
def mailbox(account_id: UUID) -> str:
    """How the mailbox is read."""
    return _page(mailboxes.managed(current_session(), current_actor(), account_id=account_id))


@blueprint.get("/settings/channels/<uuid:account_id>/mailbox/progress")
@may_write
def mailbox_progress(account_id: UUID) -> str | Response:
    """How far it is, alone; at the end the browser loads the page with the result."""
    account = mailboxes.managed(current_session(), current_actor(), account_id=account_id)
    view = mailbox_view(current_session(), account_id=account_id, now=request_now())
    html = render_template("outreach/_mailbox_progress.html", account=account, view=view, left=_left(view))
    return html if view and view.is_bringing else Response(html, headers={"HX-Refresh": "true"})


@blueprint.post("/settings/channels/<uuid:account_id>/mailbox/folders")
@may_write
def look_at_folders(account_id: UUID) -> ResponseReturnValue:
    """Ask the server which folders there are."""
    session, actor = current_session(), current_actor()
    account = mailboxes.managed(session, actor, account_id=account_id)
    try:
        folders = _ask(account)
    except ImapError as error:
        flash(_("It did not work: %(reason)s", reason=reason_text(error.code)), "bad")
    else:
        mailboxes.keep_folders(session, actor, account_id=account_id, folders=folders, now=request_now())
    return _back(account_id)


def _ask(account: SenderAccount) -> list[Folder]:
    try:
        box = connect_mailbox(spec_of(account))
    except (ConfigError, SecretError) as error:
        raise ImapError("imap_config", OutcomeKind.AUTH) from error
    if box is None:
        raise ImapError("imap_config", OutcomeKind.AUTH)
    try:
        return box.folders()
    finally:
        box.close()


@blueprint.post("/settings/channels/<uuid:account_id>/mailbox")
@may_write
def start_mailbox(account_id: UUID) -> ResponseReturnValue:
    """Read it from now on, or go on with other wishes."""
    session, actor = current_session(), current_actor()
    account = mailboxes.managed(session, actor, account_id=account_id)
    view = mailbox_view(session, account_id=account_id, now=request_now())
    form = MailboxForm()
    form.offer(view.folders if view else ())
    if form.validate_on_submit():
        data = mailboxes.MailboxInput(
            folder_ids=[UUID(value) for value in form.folder_ids.data or ()],
            reach=MailboxReach(form.reach.data),
            keeps_strangers=form.keeps.data == MailboxForm.EVERYBODY,
        )
        try:
            box = mailboxes.switch_on(session, actor, account_id=account_id, data=data, now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            _wake(box.workspace_id, box.id)
            flash(_("The mailbox is read from now on, about every minute."), "ok")
            return _back(account_id)
    return _page(account, form=form), 422


@blueprint.post("/settings/channels/<uuid:account_id>/mailbox/<any(stop, resume, forget):action>")
@may_write
def change_mailbox(account_id: UUID, action: str) -> ResponseReturnValue:
    """Stop, go on, or throw away what was brought in."""
    session, actor, now = current_session(), current_actor(), request_now()
    if action == "stop":
        mailboxes.stop(session, actor, account_id=account_id)
        flash(_("The mailbox is read no further. What is here stays."), "ok")
    elif action == "resume":
        box = mailboxes.resume(session, actor, account_id=account_id, now=now)
        _wake(box.workspace_id, box.id)
        flash(_("The mailbox is read again."), "ok")
    else:
        left = mailbox_forgetting.forget_history(session, actor, account_id=account_id, now=now)
        if left:
            text = ngettext("One entry is left: press again.", "%(num)s entries are left: press again.", left)
            flash(text, "wait")
        else:
            flash(_("What was brought in is gone from the timelines. In the mailbox nothing has changed."), "ok")
    return _back(account_id)


@blueprint.post("/settings/channels/<uuid:account_id>/mailbox/exclusions")
@may_write
def exclude_address(account_id: UUID) -> ResponseReturnValue:
    """Keep an address or a domain out, and say what of it is here already."""
    session, actor = current_session(), current_actor()
    account = mailboxes.managed(session, actor, account_id=account_id)
    form = ExclusionForm()
    if form.validate_on_submit():
        typed = form.pattern.data or ""
        try:
            made = mailboxes.exclude(session, actor, account_id=account_id, pattern=typed, now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            found = mailbox_forgetting.kept_of(session, actor, account_id=account_id, patterns=[made.pattern])
            if not found:
                flash(_("Mail of %(who)s stays out from now on.", who=made.pattern), "ok")
            return redirect(url_for(".mailbox", account_id=account_id, asked=made.id if found else None), code=303)
    return _page(account, exclusion=form), 422


@blueprint.post(
    "/settings/channels/<uuid:account_id>/mailbox/exclusions/<uuid:exclusion_id>/<any(remove, allow):action>"
)
@may_write
def change_exclusion(account_id: UUID, exclusion_id: UUID, action: str) -> ResponseReturnValue:
    """Throw away what is here of it, or let its mail in again."""
    session, actor, now = current_session(), current_actor(), request_now()
    row = mailboxes.exclusion(session, actor, account_id=account_id, exclusion_id=exclusion_id)
    if action == "allow":
        mailboxes.allow(session, actor, account_id=account_id, exclusion_id=exclusion_id)
        flash(_("New mail of %(who)s comes in again.", who=row.pattern), "ok")
    else:
        gone = mailbox_forgetting.forget_of(session, actor, account_id=account_id, patterns=[row.pattern], now=now)
        text = ngettext("One mail was thrown away.", "%(num)s mails were thrown away.", gone)
        flash(text, "ok")
    return _back(account_id)


def _page(account: SenderAccount, *, form: MailboxForm | None = None, exclusion: ExclusionForm | None = None) -> str:
    session, now = current_session(), request_now()
    view = mailbox_view(session, account_id=account.id, now=now)
    if form is None and view is not None:
        form = MailboxForm(formdata=None, data=_filled(view))
        form.offer(view.folders)
    return render_template(
        "outreach/mailbox.html",
        account=account,
        view=view,
        form=form,
        exclusion=exclusion or ExclusionForm(formdata=None),
        asked=_asked(account, view),
        brought=mailbox_forgetting.brought_in(session, mailbox_id=view.box.id) if view else 0,
        may_see_account=current_actor().may(Permission.MANAGE_CHANNELS),
        states=MAILBOXES,
        left=_left(view),
        advice=telling.advice,
    )


def _asked(account: SenderAccount, view: MailboxView | None) -> dict[str, Any] | None:
    """The exclusion that was just made, and how much of it is here."""
    wanted = request.args.get("asked", "")
    found = next((one for one in (view.exclusions if view else ()) if str(one.id) == wanted), None)
    if found is None:
        return None
    number = mailbox_forgetting.kept_of(
        current_session(), current_actor(), account_id=account.id, patterns=[found.pattern]
    )
    return {"id": found.id, "pattern": found.pattern, "number": number} if number else None


def _filled(view: MailboxView) -> dict[str, Any]:
    return {
        "folder_ids": [str(folder.id) for folder in view.chosen],
        "reach": view.box.reach,
        "keeps": MailboxForm.EVERYBODY if view.box.keeps_strangers else MailboxForm.KNOWN,
    }


def _left(view: MailboxView | None) -> str:
    """How long the rest takes, in words; '' when nothing can be said."""
    if view is None or view.left is None:
        return ""
    minutes = ceil(view.left / timedelta(minutes=1))
    if minutes <= 1:
        return _("less than a minute left")
    return _("about %(number)s minutes left", number=minutes)


def _wake(workspace_id: UUID, mailbox_id: UUID) -> None:
    jobs = current_app.extensions["crm_jobs"]
    after_commit(
        current_session(),
        lambda: jobs.enqueue(
            JobName.READ_MAILBOX, id=f"mailbox:{mailbox_id}", workspace_id=workspace_id, mailbox_id=mailbox_id
        ),
    )


def _back(account_id: UUID) -> ResponseReturnValue:
    return redirect(url_for(".mailbox", account_id=account_id), code=303)

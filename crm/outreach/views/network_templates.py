"""Templates that a network approved: read from the page of their account, and sent as an answer."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.errors import AppError, InvalidInputError
from crm.outreach import queries, services
from crm.outreach.forms import ReplyTemplateForm
from crm.outreach.queries import ConversationLine
from crm.outreach.views.blueprint import blueprint
from crm.outreach.views.messages import tell_leaving
from crm.outreach.waking import wake
from crm.web.i18n import _, ngettext, translated
from crm.web.sessions import current_session, request_now


@blueprint.post("/settings/channels/<uuid:account_id>/templates")
@requires(Permission.MANAGE_CHANNELS)
def read_network_templates(account_id: UUID) -> ResponseReturnValue:
    """Ask the network what it has approved, and keep that."""
    session, actor = current_session(), current_actor()
    queries.account(session, actor, account_id=account_id)
    try:
        count = services.read_templates(session, actor, account_id=account_id, now=request_now())
    except InvalidInputError as error:
        flash(translated(error.message), "error")
    else:
        flash(ngettext("One template was read.", "%(number)s templates were read.", count, number=count), "success")
    return redirect(url_for(".account", account_id=account_id), code=303)


@blueprint.get("/inbox/<uuid:conversation_id>/template")
@requires(Permission.WRITE)
def choose_template(conversation_id: UUID) -> str:
    """What the network approved for an answer here, and the gaps of the chosen one."""
    opened = queries.conversation(current_session(), current_actor(), conversation_id=conversation_id)
    return _page(opened, _form(opened, ReplyTemplateForm(request.args)))


@blueprint.post("/inbox/<uuid:conversation_id>/template")
@requires(Permission.WRITE)
def reply_with_template(conversation_id: UUID) -> ResponseReturnValue:
    """Answer in words that the network approved."""
    session, actor = current_session(), current_actor()
    opened = queries.conversation(session, actor, conversation_id=conversation_id)
    form = _form(opened, ReplyTemplateForm())
    if form.chosen is None or not form.validate_on_submit():
        return _page(opened, form), 422
    try:
        message = services.reply(
            session,
            actor,
            conversation_id=conversation_id,
            body="",
            send_at=form.moment(tz=actor.time_zone),
            chosen=form.chosen,
            now=request_now(),
        )
    except AppError as error:
        form.absorb(error)
        return _page(opened, form), 422
    wake(message)
    tell_leaving(message)
    return redirect(url_for(".conversation", conversation_id=conversation_id), code=303)


def _form(opened: ConversationLine, form: ReplyTemplateForm) -> ReplyTemplateForm:
    found = []
    if opened.account_id is not None:
        found = queries.sendable_templates(current_session(), account_id=opened.account_id)
    form.offer_approved(found, or_else=_("Choose a template…"))
    return form


def _page(opened: ConversationLine, form: ReplyTemplateForm) -> str:
    return render_template("outreach/reply_template.html", opened=opened, form=form)

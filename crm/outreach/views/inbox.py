"""The inbox: conversations, one of them open, and the answer."""

from datetime import timedelta
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.contacts import queries as contacts
from crm.errors import AppError, NotFoundError
from crm.outreach import queries, services
from crm.outreach.forms import ReplyForm
from crm.outreach.kinds import ConversationState
from crm.outreach.views.blueprint import blueprint
from crm.outreach.views.messages import tell_leaving
from crm.outreach.waking import wake
from crm.outreach.words import CONVERSATIONS
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

SNOOZE_DAYS = 1


@blueprint.get("/inbox")
@requires(Permission.VIEW_OWN)
def inbox() -> str:
    """The conversations of one state; none is open yet."""
    return _page(None, ReplyForm())


@blueprint.get("/inbox/<uuid:conversation_id>")
@requires(Permission.VIEW_OWN)
def conversation(conversation_id: UUID) -> str:
    """One conversation beside the list."""
    return _page(conversation_id, ReplyForm())


@blueprint.post("/inbox/<uuid:conversation_id>/reply")
@requires(Permission.WRITE)
def reply(conversation_id: UUID) -> ResponseReturnValue:
    """Answer on the same channel."""
    queries.conversation(current_session(), current_actor(), conversation_id=conversation_id)
    form = ReplyForm()
    if not form.validate_on_submit():
        return _page(conversation_id, form), 422
    actor = current_actor()
    try:
        message = services.reply(
            current_session(),
            actor,
            conversation_id=conversation_id,
            body=form.body.data or "",
            send_at=form.moment(tz=actor.time_zone),
            now=request_now(),
        )
    except AppError as error:
        form.absorb(error)
        return _page(conversation_id, form), 422
    wake(message)
    tell_leaving(message)
    return _back(url_for(".conversation", conversation_id=conversation_id))


@blueprint.post("/inbox/<uuid:conversation_id>/<any(close, reopen, snooze):action>")
@requires(Permission.WRITE)
def change(conversation_id: UUID, action: str) -> ResponseReturnValue:
    """Close, open again, or put off until tomorrow."""
    session, actor, now = current_session(), current_actor(), request_now()
    queries.conversation(session, actor, conversation_id=conversation_id)
    if action == "close":
        services.close(session, actor, conversation_id=conversation_id)
        undo = url_for(".change", conversation_id=conversation_id, action="reopen")
        flash({"text": _("Closed."), "undo_url": undo, "undo_label": _("Undo")}, "success")  # pyright: ignore[reportArgumentType]
        return _back(url_for(".inbox"))
    if action == "reopen":
        services.reopen(session, actor, conversation_id=conversation_id, now=now)
        return redirect(url_for(".conversation", conversation_id=conversation_id), code=303)
    until = now + timedelta(days=SNOOZE_DAYS)
    services.snooze(session, actor, conversation_id=conversation_id, until=until, now=now)
    flash(_("It comes back tomorrow at this time."), "success")
    return _back(url_for(".inbox"))


def _back(default: str) -> ResponseReturnValue:
    """To the page that sent the form, when it is one of ours."""
    return redirect(local_or(request.form.get("back"), default), code=303)


@blueprint.post("/inbox/<uuid:conversation_id>/assign")
@requires(Permission.WRITE)
def assign(conversation_id: UUID) -> ResponseReturnValue:
    """Hand the conversation to a colleague, or to nobody."""
    session, actor = current_session(), current_actor()
    queries.conversation(session, actor, conversation_id=conversation_id)
    chosen = request.form.get("assignee_id", "")
    colleague = next((key for key in contacts.colleagues(session, actor) if str(key) == chosen), None)
    if chosen and colleague is None:
        raise NotFoundError(_("This is nobody of the workspace."), code="unknown_colleague")
    services.assign(session, actor, conversation_id=conversation_id, assignee_id=colleague)
    return redirect(url_for(".conversation", conversation_id=conversation_id), code=303)


def _page(conversation_id: UUID | None, form: ReplyForm) -> str:
    session, actor, now = current_session(), current_actor(), request_now()
    opened = queries.conversation(session, actor, conversation_id=conversation_id) if conversation_id else None
    wanted = request.args.get("state") or (opened.state if opened else ConversationState.OPEN)
    state = ConversationState(wanted) if wanted in set(ConversationState) else ConversationState.OPEN
    person = None
    if opened is not None and opened.contact_id is not None:
        person = contacts.contacts(session, actor, contact_ids=[opened.contact_id]).get(opened.contact_id)
    return render_template(
        "outreach/inbox.html",
        states=[(kind, label) for kind, label in CONVERSATIONS.items()],
        state=state,
        page=queries.conversations(session, actor, state=state, after=request.args.get("after"), limit=30),
        opened=opened,
        thread=queries.thread(session, actor, conversation_id=opened.id) if opened else [],
        person=person,
        colleagues=contacts.colleagues(session, actor) if opened else {},
        planned=queries.planned_for(session, actor, contact_ids=[person.id])[person.id] if person else [],
        form=form,
        now=now,
    )

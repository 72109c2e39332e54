"""What is done in the inbox: answering, notes, closing, putting off, handing over, strangers, several at once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from datetime import time as wall_time
from typing import Any
from uuid import UUID

from flask import flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.channels.sentences import N_
from crm.clock import local_day, local_instant
from crm.contacts import queries as contacts
from crm.errors import AppError, InvalidInputError, NotFoundError
from crm.outreach import queries, services
from crm.outreach.forms import ReplyForm
from crm.outreach.kinds import ReplyMode
from crm.outreach.queries import ConversationLine
from crm.outreach.services.private import reply_privately
from crm.outreach.views.blueprint import blueprint
from crm.outreach.views.inbox import Written, conflict_of, keep_draft, mode_of, page
from crm.outreach.views.letters import folder
from crm.outreach.views.messages import tell_leaving
from crm.outreach.waking import wake
from crm.web.formats import moment
from crm.web.i18n import _, ngettext
from crm.web.sessions import current_session, request_now

#: "Later today" is so many hours ahead; a day begins for snoozes when offices open.
LATER = timedelta(hours=3)
MORNING = wall_time(9)


def _opened(conversation_id: UUID) -> ConversationLine:
    return queries.conversation(current_session(), current_actor(), conversation_id=conversation_id)


def _back(default: str) -> ResponseReturnValue:
    """To the page that sent the form, when it is one of ours."""
    return redirect(local_or(request.form.get("back"), default), code=303)


@blueprint.post("/inbox/<uuid:conversation_id>/reply")
@requires(Permission.WRITE)
def reply(conversation_id: UUID) -> ResponseReturnValue:
    """Answer on the same channel, in private below a public post, or leave a note; typed words are never lost."""
    opened, form = _opened(conversation_id), ReplyForm()
    mode = mode_of(request.form.get("mode")) or ReplyMode.REPLY
    if not form.validate_on_submit():
        return page(opened, Written(form=form, mode=mode)), 422
    session, actor, now = current_session(), current_actor(), request_now()
    conflict = conflict_of(opened, request.form.get("known", "")) if mode is not ReplyMode.NOTE else None
    if conflict is not None and not request.form.get("anyway"):
        keep_draft(conversation_id, now=now)
        return page(opened, Written(form=form, mode=mode, conflict=conflict)), 409
    try:
        if mode is ReplyMode.NOTE:
            services.add_note(session, actor, conversation_id=conversation_id, body=form.body.data or "", now=now)
        else:
            _send(conversation_id, form, mode, now=now)
    except AppError as error:
        form.absorb(error)
        return page(opened, Written(form=form, mode=mode)), 422
    services.drop_draft(session, actor, conversation_id=conversation_id)
    services.mark_seen(session, actor, conversation_id=conversation_id, now=now)
    if request.form.get("then") == "close":
        services.close(session, actor, conversation_id=conversation_id)
        return _back(local_or(request.form.get("onward"), url_for(".inbox")))
    return _back(url_for(".conversation", conversation_id=conversation_id))


def _send(conversation_id: UUID, form: ReplyForm, mode: ReplyMode, *, now: datetime) -> None:
    session, actor = current_session(), current_actor()
    write: Callable[..., Any] = reply_privately if mode is ReplyMode.PRIVATE else services.reply
    given: dict[str, Any] = {}
    if mode is not ReplyMode.PRIVATE:
        given["files"] = services.keep_uploads(session, actor, uploads=form.uploads(), folder=folder())
    message = write(
        session,
        actor,
        conversation_id=conversation_id,
        body=form.body.data or "",
        send_at=form.moment(tz=actor.time_zone),
        now=now,
        **given,
    )
    wake(message)
    tell_leaving(message)


@blueprint.post("/inbox/<uuid:conversation_id>/<any(close, reopen, snooze, unread, ignore):action>")
@requires(Permission.WRITE)
def change(conversation_id: UUID, action: str) -> ResponseReturnValue:
    """Close, open again, put off, take for unread, or ignore somebody unknown."""
    session, actor, now = current_session(), current_actor(), request_now()
    _opened(conversation_id)
    here = url_for(".conversation", conversation_id=conversation_id)
    if action == "close":
        services.close(session, actor, conversation_id=conversation_id)
        undo = url_for(".change", conversation_id=conversation_id, action="reopen")
        flash({"text": _("Closed."), "undo_url": undo, "undo_label": _("Undo")}, "success")  # pyright: ignore[reportArgumentType]
        return _back(url_for(".inbox"))
    if action == "reopen":
        services.reopen(session, actor, conversation_id=conversation_id, now=now)
        return redirect(here, code=303)
    if action == "unread":
        services.mark_unread(session, actor, conversation_id=conversation_id)
        flash(_("Unread again."), "success")
        return _back(url_for(".inbox"))
    if action == "ignore":
        services.ignore_stranger(session, actor, conversation_id=conversation_id, now=now)
        undo = url_for(".change", conversation_id=conversation_id, action="reopen")
        flash({"text": _("Ignored. If they write again, they come back."), "undo_url": undo}, "success")  # pyright: ignore[reportArgumentType]
        return _back(url_for(".inbox"))
    until = _until(request.values.get("until", "tomorrow"), now=now)
    services.snooze(session, actor, conversation_id=conversation_id, until=until, now=now)
    undo = url_for(".change", conversation_id=conversation_id, action="reopen")
    text = _("It comes back %(time)s.", time=moment(until))
    flash({"text": text, "undo_url": undo, "undo_label": _("Undo")}, "success")  # pyright: ignore[reportArgumentType]
    return _back(url_for(".inbox"))


def _until(wanted: str, *, now: datetime) -> datetime:
    """When a conversation comes back: later today, tomorrow, next Monday, or the morning of a given day."""
    tz = current_actor().time_zone
    today = local_day(now, tz=tz)
    if wanted == "later":
        return now + LATER
    if wanted == "week":
        return local_instant(today + timedelta(days=7 - today.weekday()), MORNING, tz=tz)
    if wanted == "date":
        form = ReplyForm()
        if form.on.data is None:
            raise InvalidInputError(N_("Choose the day."), fields={"on": N_("Choose the day.")})
        return local_instant(form.on.data, form.at.data or MORNING, tz=tz)
    return local_instant(today + timedelta(days=1), MORNING, tz=tz)


@blueprint.post("/inbox/<uuid:conversation_id>/assign")
@requires(Permission.WRITE)
def assign(conversation_id: UUID) -> ResponseReturnValue:
    """Hand the conversation to a colleague, to oneself ("me"), or to nobody."""
    _opened(conversation_id)
    services.assign(current_session(), current_actor(), conversation_id=conversation_id, assignee_id=_colleague())
    return _back(url_for(".conversation", conversation_id=conversation_id))


def _colleague() -> UUID | None:
    session, actor = current_session(), current_actor()
    chosen = request.form.get("assignee_id", "")
    if chosen == "me":
        return actor.user_id
    colleague = next((key for key in contacts.colleagues(session, actor) if str(key) == chosen), None)
    if chosen and colleague is None:
        raise NotFoundError(_("This is nobody of the workspace."), code="unknown_colleague")
    return colleague


@blueprint.post("/inbox/several")
@requires(Permission.WRITE)
def several() -> ResponseReturnValue:
    """Close or hand over the chosen conversations."""
    session, actor = current_session(), current_actor()
    ids = [key for value in request.form.getlist("ids") if (key := _uuid(value)) is not None]
    if not ids:
        flash(_("Choose at least one conversation."), "warning")
        return _back(url_for(".inbox"))
    if request.form.get("action") == "close":
        count = services.close_several(session, actor, conversation_ids=ids)
        flash(ngettext("%(num)d conversation closed.", "%(num)d conversations closed.", count), "success")
    else:
        count = services.assign_several(session, actor, conversation_ids=ids, assignee_id=_colleague())
        flash(ngettext("%(num)d conversation handed over.", "%(num)d conversations handed over.", count), "success")
    return _back(url_for(".inbox"))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@blueprint.get("/inbox/<uuid:conversation_id>/link")
@requires(Permission.EDIT)
def link_search(conversation_id: UUID) -> ResponseReturnValue:
    """People whose name begins so, for the field that says who a stranger is."""
    _opened(conversation_id)
    session, actor = current_session(), current_actor()
    found = contacts.search_contacts(session, actor, text=request.args.get("q", "")[:100], limit=10)
    people = contacts.contacts(session, actor, contact_ids=list(found))
    shown = [people[key] for key in found if key in people]
    return jsonify([{"value": str(row.id), "text": row.display_name, "sub": row.email} for row in shown])


@blueprint.post("/inbox/<uuid:conversation_id>/link")
@requires(Permission.EDIT)
def link(conversation_id: UUID) -> ResponseReturnValue:
    """Say that a stranger is somebody of the contacts: the whole thread becomes theirs."""
    _opened(conversation_id)
    chosen = _uuid(request.form.get("contact_id", ""))
    if chosen is None:
        flash(_("Choose a person."), "warning")
        return _back(url_for(".conversation", conversation_id=conversation_id))
    session, actor = current_session(), current_actor()
    person = contacts.contact(session, actor, contact_id=chosen)
    services.link_stranger(session, actor, conversation_id=conversation_id, contact_id=person.id, now=request_now())
    flash(_("The conversation is with %(name)s now.", name=person.display_name), "success")
    return redirect(url_for(".conversation", conversation_id=conversation_id), code=303)


@blueprint.post("/inbox/<uuid:conversation_id>/<any(merge, unmerge):action>")
@requires(Permission.WRITE)
def merge(conversation_id: UUID, action: str) -> ResponseReturnValue:
    """Bring another thread of the same person in here, or take it out again."""
    other_id = _uuid(request.values.get("other_id", ""))
    if other_id is None:
        raise NotFound
    _opened(conversation_id)
    _opened(other_id)
    session, actor, now = current_session(), current_actor(), request_now()
    if action == "merge":
        services.merge_threads(session, actor, kept_id=conversation_id, gone_id=other_id, now=now)
        undo = url_for(".merge", conversation_id=conversation_id, action="unmerge", other_id=other_id)
        text = _("The two threads are one now.")
        flash({"text": text, "undo_url": undo, "undo_label": _("Undo")}, "success")  # pyright: ignore[reportArgumentType]
    else:
        services.unmerge_threads(session, actor, kept_id=conversation_id, gone_id=other_id, now=now)
        flash(_("The two threads are apart again."), "success")
    return redirect(url_for(".conversation", conversation_id=conversation_id), code=303)

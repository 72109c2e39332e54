"""The inbox: conversations with their filters, one of them open, and who else is looking at it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from flask import Flask, current_app, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.base import ChannelKind
from crm.contacts import queries as contacts
from crm.errors import AppError
from crm.interactions.queries import open_complaints
from crm.outreach import queries, services
from crm.outreach.forms import ReplyForm
from crm.outreach.kinds import ConversationState, ReplyMode
from crm.outreach.lengths import text_limit
from crm.outreach.presence import Presence
from crm.outreach.queries import ConversationLine, InboxFilter
from crm.outreach.services.private import private_way
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import CONVERSATIONS
from crm.settings import Settings
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

PAGE = 30
#: Switches in the address of the inbox, and the part of the filter each of them sets.
SWITCHES = {"mine": "is_mine", "unassigned": "is_unassigned", "unread": "is_unread", "public": "is_public",
            "negative": "is_negative"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conflict:
    """What happened in the conversation while somebody typed."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What is in the composer."""

    form: ReplyForm = field(default_factory=lambda: ReplyForm(formdata=None))
    mode: ReplyMode | None = None
    conflict: Conflict | None = None


@blueprint.record_once
def _presence(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    settings: Settings = app.extensions["crm_settings"]
    app.extensions["crm_presence"] = Presence(settings.redis_url)


def asked() -> tuple[InboxFilter, dict[str, str]]:
    """What the address narrows the inbox to, and the same as parts of an address."""
    given = request.args
    state = given.get("state", "")
    channel = given.get("channel", "")
    chosen = {name: "1" for name in SWITCHES if given.get(name)}
    narrow: dict[str, Any] = {SWITCHES[name]: True for name in chosen}
    if channel in set(ChannelKind):
        narrow["channel"], chosen["channel"] = ChannelKind(channel), channel
    text = given.get("q", "").strip()[:200]
    if text:
        narrow["text"], chosen["q"] = text, text
    if state in set(ConversationState):
        narrow["state"], chosen["state"] = ConversationState(state), state
    return InboxFilter(**narrow), chosen


@blueprint.get("/inbox")
@requires(Permission.VIEW_OWN)
def inbox() -> str:
    """The conversations of one state; none is open yet. For htmx the list alone, as it stands now."""
    if request.headers.get("HX-Request"):
        return render_template("outreach/_inbox_list.html", **listed(None), opened=None)
    return page(None, Written())


@blueprint.get("/inbox/<uuid:conversation_id>")
@requires(Permission.VIEW_OWN)
def conversation(conversation_id: UUID) -> ResponseReturnValue:
    """One conversation beside the list; opening it marks it as read by the reader."""
    session, actor = current_session(), current_actor()
    opened = queries.conversation(session, actor, conversation_id=conversation_id)
    if request.headers.get("HX-Request"):
        return render_template("outreach/_inbox_list.html", **listed(opened), opened=opened)
    if opened.merged_into_id is not None:
        return redirect(url_for(".conversation", conversation_id=opened.merged_into_id), code=303)
    if opened.is_unread:
        services.mark_seen(session, actor, conversation_id=conversation_id, now=request_now())
    return page(opened, _begun(opened))


@blueprint.get("/inbox/<uuid:conversation_id>/earlier")
@requires(Permission.VIEW_OWN)
def earlier(conversation_id: UUID) -> str:
    """The messages before those that are shown, for htmx; without script a page of their own."""
    session, actor = current_session(), current_actor()
    opened = queries.conversation(session, actor, conversation_id=conversation_id)
    found = queries.thread(session, actor, conversation_id=conversation_id, before=request.args.get("before"))
    template = "outreach/_earlier.html" if request.headers.get("HX-Request") else "outreach/earlier.html"
    return render_template(template, opened=opened, thread=found)


@blueprint.post("/inbox/<uuid:conversation_id>/pulse")
@requires(Permission.WRITE)
def pulse(conversation_id: UUID) -> str:
    """Says that the reader is here, keeps their draft, and answers who else is and what has happened meanwhile."""
    session, actor, now = current_session(), current_actor(), request_now()
    opened = queries.conversation(session, actor, conversation_id=conversation_id)
    if "body" in request.form:
        keep_draft(conversation_id, now=now)
    presence: Presence = current_app.extensions["crm_presence"]
    typing = request.form.get("typing") == "1"
    found = presence.here(actor, conversation_id=conversation_id, is_typing=typing, at=now.timestamp())
    names = contacts.colleagues(session, actor) if found else {}
    present = [(one, names[one.user_id]) for one in found if one.user_id in names]
    conflict = conflict_of(opened, request.form.get("known", ""))
    return render_template("outreach/_pulse.html", present=present, conflict=conflict, opened=opened)


def keep_draft(conversation_id: UUID, *, now: datetime) -> None:
    """Keep what the form holds as the reader's draft; what is too long is not kept, the page still has it."""
    try:
        services.keep_draft(
            current_session(),
            current_actor(),
            conversation_id=conversation_id,
            mode=mode_of(request.form.get("mode")) or ReplyMode.REPLY,
            body=request.form.get("body", ""),
            now=now,
        )
    except AppError:
        return


def mode_of(given: str | None) -> ReplyMode | None:
    """The kind of answer a form names; None for none we know."""
    return ReplyMode(given) if given in set(ReplyMode) else None


def conflict_of(opened: ConversationLine, known: str) -> Conflict | None:
    """What was said since the page with the newest message `known` was made; None when nothing was."""
    if not known:
        return None
    newest = queries.newest_message(current_session(), conversation_id=opened.id)
    if newest is None or str(newest[0]) == known:
        return None
    if newest[1] == "inbound":
        return Conflict(_("%(name)s has written again.", name=opened.name or opened.address))
    return Conflict(_("%(name)s has answered meanwhile.", name=newest[2] or _("Somebody")))


def _begun(opened: ConversationLine) -> Written:
    """The reader's draft, or a canned reply behind it."""
    draft = services.draft_of(current_session(), current_actor(), conversation_id=opened.id)
    body, mode = (draft.body, ReplyMode(draft.mode)) if draft else ("", None)
    chosen = request.args.get("canned", "")
    if chosen:
        rows = queries.canned_replies(current_session(), current_actor())
        found = next((row.id for row in rows if str(row.id) == chosen), None)
        if found is not None:
            text = services.canned_for(current_session(), current_actor(), canned_id=found, conversation_id=opened.id)
            body = f"{body.rstrip()}\n\n{text}" if body.strip() else text
    asked_mode = mode_of(request.args.get("mode"))
    return Written(form=ReplyForm(formdata=None, data={"body": body}), mode=asked_mode or mode)


def listed(opened: ConversationLine | None) -> Mapping[str, Any]:
    """The left column: tabs with their counts, filters, and a page of conversations."""
    session, actor = current_session(), current_actor()
    where, chosen = asked()
    state = where.state
    if state is None and not where.text:
        state = opened.state if opened else ConversationState.OPEN
    counts = queries.counts_by_state(session, actor, where=where)
    found = queries.conversations(
        session, actor, where=replace(where, state=state), after=request.args.get("after"), limit=PAGE
    )
    others = {name: value for name, value in chosen.items() if name != "state"}
    tabs = [
        {
            "label": label,
            "url": f"{url_for('.inbox')}?{urlencode({**others, 'state': kind.value})}",
            "active": kind is state,
            "count": "99+" if counts[kind] >= queries.MOST_COUNTED else counts[kind] or None,
        }
        for kind, label in CONVERSATIONS.items()
    ]
    at = next((place for place, line in enumerate(found.items) if opened and line.id == opened.id), None)
    following = found.items[at + 1 : at + 2] if at is not None else found.items[:1] if opened else []
    return {
        "tabs": tabs,
        "state": state,
        "page": found,
        "where": where,
        "chosen": chosen,
        "following": following[0] if following else None,
        "actor": actor,
        "is_narrowed": bool(others),
    }


def page(opened: ConversationLine | None, written: Written) -> str:
    """The whole page."""
    session, actor, now = current_session(), current_actor(), request_now()
    shown: dict[str, Any] = {}
    if opened is not None:
        shown = _opened(opened)
    return render_template(
        "outreach/inbox.html",
        **listed(opened),
        opened=opened,
        form=written.form,
        mode=written.mode,
        conflict=written.conflict,
        colleagues=contacts.colleagues(session, actor) if opened else {},
        now=now,
        **shown,
    )


def _opened(opened: ConversationLine) -> dict[str, Any]:
    session, actor = current_session(), current_actor()
    thread = queries.thread(session, actor, conversation_id=opened.id)
    newest = queries.newest_message(session, conversation_id=opened.id)
    complaint = None
    if opened.contact_id is not None:
        complaint = open_complaints(session, actor, contact_ids=[opened.contact_id]).get(opened.contact_id)
    account = None
    if opened.account_id is not None:
        account = next((row for row in queries.accounts(session, actor) if row.id == opened.account_id), None)
    return {
        "thread": thread,
        "known": newest[0] if newest else "",
        "complaint_since": complaint,
        "account": account,
        "others": queries.others_of(session, actor, line=opened),
        "private_way": private_way(session, actor, line=opened) if opened.visibility == "public" else None,
        "needs_template": queries.needs_template(session, conversation_id=opened.id, now=request_now()),
        "limit": text_limit(opened.channel, is_public=opened.visibility == "public"),
    }

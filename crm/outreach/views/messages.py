"""Writing one message, its page with everything that happened to it, and what can be decided about it."""

from collections.abc import Mapping
from uuid import UUID

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.channels.assisted import AssistedStep
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.errors import AppError, ConflictError
from crm.outreach import queries, services, telling
from crm.outreach.forms import MessageForm
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message
from crm.outreach.rules import Verdict
from crm.outreach.views.blueprint import blueprint
from crm.outreach.views.letters import folder
from crm.outreach.waking import wake
from crm.outreach.words import CHANNELS, ICONS, reason_text
from crm.web.formats import moment
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

#: A message due within this many seconds was sent "now": the toast offers the way back.
UNDO_SHOWN_SECONDS = 60

#: Which lists the outbox offers, and the states in each.
BOXES = {
    "planned": (MessageState.SCHEDULED, MessageState.APPROVED, MessageState.CLAIMED, MessageState.SENDING),
    "held": (MessageState.HELD,),
    "uncertain": (MessageState.UNCERTAIN,),
    "sent": (MessageState.SENT,),
    "refused": (MessageState.FAILED, MessageState.SKIPPED, MessageState.CANCELLED, MessageState.REJECTED),
}


@blueprint.get("/messages")
@requires(Permission.VIEW_OWN)
def messages() -> str:
    """The outbox: what is planned, waits, is uncertain, left, or will not leave."""
    box = request.args.get("box", "planned")
    if box not in BOXES:
        abort(404)
    session, actor = current_session(), current_actor()
    page = queries.messages(session, actor, states=BOXES[box], after=request.args.get("after"), limit=50)
    return render_template("outreach/messages.html", page=page, box=box, boxes=BOXES)


@blueprint.get("/contacts/<uuid:contact_id>/write")
@requires(Permission.WRITE)
def compose(contact_id: UUID) -> str:
    """A blank message to one person, with what may be written to them and how."""
    form = MessageForm(channel=request.args.get("channel"), purpose=request.args.get("purpose", Purpose.PERSONAL.value))
    return _compose(contact_id, form)


@blueprint.post("/contacts/<uuid:contact_id>/write")
@requires(Permission.WRITE)
def write(contact_id: UUID) -> ResponseReturnValue:
    """Write the message: it leaves in some seconds, at its time, or waits to be sent by hand."""
    form = MessageForm()
    session, actor = current_session(), current_actor()
    form.channel.choices = _channels(contact_id)
    form.account_id.choices = account_choices(form.channel.data)
    if not form.validate_on_submit():
        return _compose(contact_id, form), 422
    try:
        message = services.write(
            session,
            actor,
            contact_id=contact_id,
            channel=ChannelKind(form.channel.data),
            subject=form.subject.data or "",
            body=form.body.data or "",
            purpose=Purpose(form.purpose.data),
            send_at=form.moment(tz=actor.time_zone),
            account_id=UUID(form.account_id.data) if form.account_id.data else None,
            files=services.keep_uploads(session, actor, uploads=form.uploads(), folder=folder()),
            now=request_now(),
        )
    except AppError as error:
        form.absorb(error)
        return _compose(contact_id, form), 422
    if message.is_assisted:
        return redirect(url_for(".message", message_id=message.id), code=303)
    wake(message)
    tell_leaving(message)
    return redirect(f"/contacts/{contact_id}", code=303)


@blueprint.get("/messages/<uuid:message_id>")
@requires(Permission.VIEW_OWN)
def message(message_id: UUID) -> str:
    """One message: its words, its life, and the decisions it waits for."""
    return _shown(message_id, verdict=None, assisted=None)


@blueprint.post(
    "/messages/<uuid:message_id>/<any(cancel, release, hold, arrived, again, take_back, approve, reject):action>"
)
@requires(Permission.WRITE)
def decide(message_id: UUID, action: str) -> ResponseReturnValue:
    """Take back, cancel, hold, let go on, settle an uncertain one, or decide about a draft."""
    session, actor, now = current_session(), current_actor(), request_now()
    queries.message(session, actor, message_id=message_id)
    if action == "take_back":
        taken = services.take_back(session, actor, message_id=message_id, now=now)
        flash(_("Taken back: it did not leave."), "success")
        return redirect(local_or(request.args.get("back"), url_for(".message", message_id=taken.id)), code=303)
    if action in {"arrived", "again"}:
        decision = services.Decision.ARRIVED if action == "arrived" else services.Decision.SEND_AGAIN
        settled = services.resolve_uncertain(session, actor, message_id=message_id, decision=decision, now=now)
        wake(settled)
        text = _("Noted as arrived.") if action == "arrived" else _("It is sent once more.")
        flash(text, "success")
    elif action in {"approve", "reject"}:
        _review(message_id, approved=action == "approve")
    else:
        change = {"cancel": services.cancel, "release": services.release, "hold": services.hold}[action]
        _tell_change(change(session, actor, message_ids=[message_id], now=now).refused)
    return redirect(local_or(request.form.get("back"), url_for(".message", message_id=message_id)), code=303)


@blueprint.post("/messages/<uuid:message_id>/by-hand")
@requires(Permission.WRITE)
def open_by_hand(message_id: UUID) -> ResponseReturnValue:
    """Open a message that a person sends: the gate is asked once more, then the text and the link are shown."""
    session, actor = current_session(), current_actor()
    task = services.open_assisted(session, actor, message_id=message_id, now=request_now())
    return _shown(message_id, verdict=task.verdict, assisted=task.step)


def _shown(message_id: UUID, *, verdict: Verdict | None, assisted: AssistedStep | None) -> str:
    """The page of a message with its life; without a given verdict the gate is asked where it matters."""
    session, actor = current_session(), current_actor()
    view = queries.message(session, actor, message_id=message_id)
    return render_template(
        "outreach/message.html",
        view=view,
        line=view.line,
        life=queries.life(session, actor, message_id=message_id),
        telling=telling,
        verdict=verdict or _verdict(view.line.state, message_id),
        assisted=assisted,
        movable=services.MOVABLE,
    )


@blueprint.post("/messages/<uuid:message_id>/by-hand/<any(done, not_done, unsure):answer>")
@requires(Permission.WRITE)
def settle_by_hand(message_id: UUID, answer: str) -> ResponseReturnValue:
    """Say what became of a message that was sent by hand."""
    settled = services.settle_assisted(
        current_session(),
        current_actor(),
        message_id=message_id,
        answer=services.AssistedAnswer(answer),
        now=request_now(),
    )
    if settled.contact_id is None:
        return redirect(url_for(".message", message_id=message_id), code=303)
    return redirect(f"/contacts/{settled.contact_id}", code=303)


def _review(message_id: UUID, *, approved: bool) -> None:
    """Let a draft outside campaigns leave, or not."""
    session, actor, now = current_session(), current_actor(), request_now()
    if queries.message(session, actor, message_id=message_id).line.batch_id is not None:
        raise ConflictError(N_("This draft belongs to a campaign: decide about it there."), code="in_campaign")
    if not approved:
        _tell_change(services.reject(session, actor, message_ids=[message_id], now=now).refused)
        return
    refused = services.approve(session, actor, message_ids=[message_id], now=now).refused
    if refused:
        _tell_change(refused)
        return
    services.schedule(session, actor, message_ids=[message_id], now=now)
    sent = session.get_one(Message, message_id, populate_existing=True)
    wake(sent)
    tell_leaving(sent)


def tell_leaving(message: Message, *, back: str | None = None) -> None:
    """A toast that says when the message leaves, with the way back while there is one; `back` is where that leads."""
    if message.state == MessageState.HELD:
        flash(_("Kept, but it waits: %(reason)s", reason=reason_text(message.reason)), "warning")
        return
    soon = message.due_at is not None and (message.due_at - request_now()).total_seconds() <= UNDO_SHOWN_SECONDS
    if soon:
        undo = {"undo_url": url_for("outreach.decide", message_id=message.id, action="take_back", back=back)}
        flash({"text": _("It leaves in some seconds."), "undo_label": _("Take back"), **undo}, "success")  # pyright: ignore[reportArgumentType]
    else:
        flash(_("Planned for %(time)s.", time=moment(message.due_at)), "success")


def _tell_change(refused: Mapping[UUID, str]) -> None:
    reasons = list(refused.values())
    if reasons:
        flash(reason_text(reasons[0]), "warning")
    else:
        flash(_("Done."), "success")


def _verdict(state: MessageState, message_id: UUID):  # noqa: ANN202 - the gate's Verdict or None.
    if state not in {MessageState.SCHEDULED, MessageState.HELD, MessageState.APPROVED, MessageState.IN_REVIEW}:
        return None
    session, actor = current_session(), current_actor()
    return queries.message_verdicts(session, actor, message_ids=[message_id], now=request_now()).get(message_id)


def _channels(contact_id: UUID) -> list[tuple[str, str]]:
    handles = contacts.handles_of(current_session(), current_actor(), contact_ids=[contact_id]).get(contact_id, [])
    kinds = dict.fromkeys(ChannelKind(handle.channel) for handle in handles)
    return [(kind.value, str(CHANNELS[kind])) for kind in kinds]


def account_choices(channel: str | None) -> list[tuple[str, str]]:
    """The accounts of a channel to choose from: the usual one first, without a name."""
    usual = [("", _("as usual"))]
    if channel not in set(ChannelKind):
        return usual
    found = queries.accounts(current_session(), current_actor(), channel=ChannelKind(channel))
    return [*usual, *((str(row.id), row.name or row.address) for row in found)]


def _compose(contact_id: UUID, form: MessageForm) -> str:
    session, actor, now = current_session(), current_actor(), request_now()
    person = contacts.contact(session, actor, contact_id=contact_id)
    form.channel.choices = _channels(contact_id)
    known = {value for value, _label in form.channel.choices}
    chosen = form.channel.data if form.channel.data in known else next(iter(known), None)
    form.channel.data = chosen
    form.account_id.choices = account_choices(chosen)
    purpose = form.purpose.data if form.purpose.data in set(Purpose) else Purpose.PERSONAL
    verdict = None
    if chosen:
        verdict = queries.verdict(
            session,
            actor,
            contact_id=contact_id,
            purpose=Purpose(purpose),
            channel=ChannelKind(chosen),
            now=now,
        )
    return render_template(
        "outreach/compose.html",
        person=person,
        form=form,
        verdict=verdict,
        templates=queries.templates(session, actor),
        planned=queries.planned_for(session, actor, contact_ids=[contact_id])[contact_id],
        icons=ICONS,
    )

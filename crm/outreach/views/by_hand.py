"""The queue of texts that people send by hand: one card after the other, and what became of each."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.base import ChannelKind
from crm.clock import start_of_day
from crm.errors import AppError
from crm.interactions import queries as interactions
from crm.outreach import queries, services
from crm.outreach.forms import RewordForm
from crm.outreach.kinds import MessageState, NotSent
from crm.outreach.models import Message
from crm.outreach.queries import ByHand
from crm.outreach.services import AssistedAnswer
from crm.outreach.services.by_hand import IN_HAND, step_of
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import NOT_SENT, reason_text
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

TEAM: Final = "team"
#: Links that the telephone itself opens need no page of their own.
TELEPHONE: Final = (ChannelKind.PHONE, ChannelKind.SMS)


@blueprint.get("/by-hand")
@requires(Permission.WRITE)
def by_hand() -> ResponseReturnValue:
    """The first text that waits, or that nothing does."""
    queue = _queue()
    first = _free(queue)
    return _page(first.line.id if first else None, queue=queue)


@blueprint.get("/by-hand/<uuid:message_id>")
@requires(Permission.WRITE)
def by_hand_card(message_id: UUID) -> ResponseReturnValue:
    """One text: for whom, why now, and how it is sent. Whoever comes late is shown the message."""
    return _page(message_id)


@blueprint.get("/by-hand/<uuid:message_id>/now")
@requires(Permission.WRITE)
def by_hand_now(message_id: UUID) -> ResponseReturnValue:
    """What an open card must say anew: nothing as long as it may still be sent."""
    session, actor = current_session(), current_actor()
    card = queries.by_hand_card(session, actor, message_id=message_id)
    if card is None:
        queries.message(session, actor, message_id=message_id)
        return render_template("outreach/_by_hand_way.html", card=None, scope=_scope())
    shown = _shown(card)
    if shown["step"] is not None:
        return "", 204
    return render_template("outreach/_by_hand_way.html", scope=_scope(), telephone=TELEPHONE, **shown)


@blueprint.post("/by-hand/<uuid:message_id>/open")
@requires(Permission.WRITE)
def open_card(message_id: UUID) -> ResponseReturnValue:
    """Take the text in hand: the gate is asked, and colleagues see who is writing it."""
    _open(message_id)
    return _to(message_id)


@blueprint.post("/by-hand/<uuid:message_id>/<any(done, unsure):answer>")
@requires(Permission.WRITE)
def settle_card(message_id: UUID, answer: str) -> ResponseReturnValue:
    """Say that it is done, or that nobody can tell, and go on with the next one."""
    session, actor, now = current_session(), current_actor(), request_now()
    following = _following(message_id)
    try:
        services.settle_assisted(session, actor, message_id=message_id, answer=AssistedAnswer(answer), now=now)
    except services.NotWaitingError:
        flash(_("This one is settled already: nothing was noted twice."), "info")
    else:
        if answer == AssistedAnswer.UNSURE:
            flash(_("It stands among the uncertain ones: nobody sends it again before you decide."), "wait")
    return _on(following)


@blueprint.post("/by-hand/<uuid:message_id>/not-done")
@requires(Permission.WRITE)
def not_done(message_id: UUID) -> ResponseReturnValue:
    """It did not go, for one of the reasons that are asked for; go on with the next one."""
    queries.message(current_session(), current_actor(), message_id=message_id)
    given = request.form.get("why", "")
    if given not in set(NotSent):
        flash(_("Say why it was not sent."), "wait")
        return _to(message_id)
    following = _following(message_id)
    why = NotSent(given)
    try:
        services.not_sent(current_session(), current_actor(), message_id=message_id, why=why, now=request_now())
    except (services.NotWaitingError, services.InOtherHandsError):
        flash(_("This one is settled already: nothing was noted twice."), "info")
    else:
        flash(NOT_SENT[why].told, "ok")
    return _on(following)


@blueprint.post("/by-hand/<uuid:message_id>/aside")
@requires(Permission.WRITE)
def set_aside_card(message_id: UUID) -> ResponseReturnValue:
    """Leave a text that may not go now to what the gate says about it, and go on with the next one."""
    following = _following(message_id)
    verdict = services.set_aside(current_session(), current_actor(), message_id=message_id, now=request_now())
    if verdict.allowed:
        return _to(message_id)
    flash(reason_text(verdict.reason.value if verdict.reason else ""), "info")
    return _on(following)


@blueprint.post("/by-hand/<uuid:message_id>/words")
@requires(Permission.WRITE)
def reword_card(message_id: UUID) -> ResponseReturnValue:
    """Other words for this person; they are approved anew."""
    form = RewordForm()
    if not form.validate_on_submit():
        return _page(message_id, form=form, status=422)
    session, actor, now = current_session(), current_actor(), request_now()
    try:
        changed = services.reword(
            session,
            actor,
            message_id=message_id,
            body=form.body.data or "",
            expected_version=form.version.data,
            now=now,
        )
    except AppError as error:
        form.absorb(error)
        return _page(message_id, form=form, status=422)
    if changed.state == MessageState.IN_REVIEW:
        flash(_("Your words are kept. A colleague approves them first."), "wait")
        return _on(_following(message_id))
    flash(_("Changed. This is what you send."), "ok")
    _open(message_id)
    return _to(message_id)


def _scope() -> str | None:
    """`team` where the queue of everybody is worked through."""
    return TEAM if request.args.get("scope") == TEAM else None


def _queue() -> list[ByHand]:
    return queries.by_hand(current_session(), current_actor(), is_mine=_scope() is None, now=request_now())


def _others(card: ByHand, now: datetime) -> bool:
    """Whether a colleague is writing it just now."""
    if not card.is_opened or card.opened_by_id in {None, current_actor().user_id}:
        return False
    return card.opened_at is not None and card.opened_at > now - IN_HAND


def _free(queue: list[ByHand]) -> ByHand | None:
    """The first card that no colleague has in hand, else the first of all."""
    now = request_now()
    return next((card for card in queue if not _others(card, now)), next(iter(queue), None))


def _following(message_id: UUID) -> UUID | None:
    """The card to go on with after this one: the next free one of the queue, then from its beginning."""
    queue = _queue()
    at = next((number for number, card in enumerate(queue) if card.line.id == message_id), -1)
    found = _free([card for card in [*queue[at + 1 :], *queue[: max(at, 0)]] if card.line.id != message_id])
    return found.line.id if found else None


def _to(message_id: UUID) -> ResponseReturnValue:
    return redirect(url_for(".by_hand_card", message_id=message_id, scope=_scope()), code=303)


def _on(message_id: UUID | None) -> ResponseReturnValue:
    """The next card, in hand at once where the gate has nothing against it."""
    if message_id is None:
        return redirect(url_for(".by_hand", scope=_scope()), code=303)
    _open(message_id)
    return _to(message_id)


def _open(message_id: UUID) -> None:
    """Take a text in hand; where that can't be, its card says why."""
    session, actor = current_session(), current_actor()
    try:
        services.open_assisted(session, actor, message_id=message_id, now=request_now())
    except (services.BlockedError, services.InOtherHandsError):
        return


def _page(
    message_id: UUID | None, *, queue: list[ByHand] | None = None, form: RewordForm | None = None, status: int = 200
) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), request_now()
    queue = _queue() if queue is None else queue
    since = start_of_day(now, tz=actor.time_zone)
    done = queries.dealt_with(session, actor, since=since) if actor.user_id else 0
    if message_id is None:
        return render_template("outreach/by_hand.html", queue=queue, scope=_scope(), card=None)
    card = queries.by_hand_card(session, actor, message_id=message_id)
    if card is None:
        queries.message(session, actor, message_id=message_id)
        return redirect(url_for(".message", message_id=message_id), code=303)
    position = next((number for number, one in enumerate(queue) if one.line.id == message_id), 0)
    page = render_template(
        "outreach/by_hand.html",
        queue=queue,
        scope=_scope(),
        total=done + max(len(queue), 1),
        number=done + position + 1,
        before=queue[position - 1].line.id if position > 0 else None,
        after=queue[position + 1].line.id if position + 1 < len(queue) else None,
        form=form or RewordForm(formdata=None, data={"body": card.words, "version": card.line.version}),
        not_sent=NOT_SENT,
        telephone=TELEPHONE,
        **_shown(card),
    )
    return page, status


def _shown(card: ByHand) -> dict[str, Any]:
    """What a card says and offers now: the way to send it only while it is in the reader's hands and may go."""
    session, actor, now = current_session(), current_actor(), request_now()
    message_id, contact_id = card.line.id, card.line.contact_id
    verdict = queries.message_verdicts(session, actor, message_ids=[message_id], now=now)[message_id]
    in_hand = card.is_opened and card.opened_by_id in {None, actor.user_id}
    may_send = in_hand and verdict.allowed
    last = interactions.last_exchanges(session, actor, contact_ids=[contact_id]) if contact_id else {}
    return {
        "card": card,
        "verdict": verdict,
        "in_hand": in_hand,
        "in_others": _others(card, now),
        "step": step_of(session, session.get_one(Message, message_id)) if may_send else None,
        "last": last.get(contact_id) if contact_id else None,
    }

"""The review: one draft at a time, why this person, and approve, edit or skip by one key."""

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor
from crm.accounts.models import User, Workspace
from crm.campaigns import queries, services, words
from crm.campaigns.forms import DraftForm, ReasonForm
from crm.campaigns.letters import compare, marked, shown
from crm.campaigns.models import Campaign
from crm.campaigns.queries import CampaignLine, RecipientLine
from crm.campaigns.variables import offer_values
from crm.campaigns.views.blueprint import blueprint, head, load, may_approve, may_look, may_write
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.errors import AppError
from crm.interactions import queries as interactions
from crm.interactions import words as interaction_words
from crm.loyalty import queries as loyalty
from crm.loyalty.models import Voucher
from crm.outreach import queries as outreach
from crm.outreach.models import SenderAccount
from crm.outreach.queries import MessageView
from crm.outreach.rules import PURPOSES
from crm.outreach.services import Changed
from crm.outreach.services.compose import RICH, language_of, recipients, values_of
from crm.web.i18n import ngettext
from crm.web.sessions import current_session, request_now


@blueprint.get("/campaigns/<uuid:campaign_id>/review")
@may_look
def review(campaign_id: UUID) -> ResponseReturnValue:
    """The draft that waits, or the chosen one."""
    line = load(campaign_id)
    if head(line)["is_draft"]:
        return redirect(url_for(".message", campaign_id=campaign_id), code=303)
    queue = queries.queue(current_session(), current_actor(), campaign=line.campaign)
    chosen = _chosen(queue, request.args.get("at", ""))
    return _page(line, queue, chosen, asking=request.args.get("ask", ""))


def _chosen(queue: list[RecipientLine], wanted: str) -> RecipientLine | None:
    by_id = {str(person.id): person for person in queue}
    waiting = (person for person in queue if person.waits_for_review)
    return by_id.get(wanted) or next(waiting, queue[0] if queue else None)


def _page(
    line: CampaignLine,
    queue: list[RecipientLine],
    chosen: RecipientLine | None,
    *,
    editing: DraftForm | None = None,
    asking: str = "",
) -> str:
    place = queue.index(chosen) if chosen in queue else 0
    return render_template(
        "campaigns/review.html",
        queue=queue,
        chosen=chosen,
        before=queue[place - 1] if place > 0 else None,
        behind=queue[place + 1] if place + 1 < len(queue) else None,
        reviewed=sum(not person.waits_for_review for person in queue),
        unchanged=len(queries.unchanged(current_session(), current_actor(), campaign=line.campaign)),
        editing=editing,
        asking=asking,
        reason_form=ReasonForm(),
        **(_letter(line.campaign, chosen) if chosen else {}),
        **head(line),
    )


def _letter(campaign: Campaign, chosen: RecipientLine) -> dict[str, Any]:
    """The draft of one person, and everything that its reviewer should know about them now."""
    session, actor, now = current_session(), current_actor(), request_now()
    if chosen.message_id is None:
        return {}
    view = outreach.message(session, actor, message_id=chosen.message_id)
    person = contacts.contact(session, actor, contact_id=chosen.contact_id)
    account = session.get(SenderAccount, view.message.account_id) if view.message.account_id else None
    verdict = outreach.message_verdicts(session, actor, message_ids=[chosen.message_id], now=now)[chosen.message_id]
    planned = outreach.planned_for(session, actor, contact_ids=[person.id])[person.id]
    last = interactions.timeline(session, actor, contact_id=person.id, limit=5).items
    return {
        "view": view,
        "person": person,
        "account": account,
        "letter": _annotated(campaign, view, account),
        "verdict": verdict,
        "needs": PURPOSES[Purpose(campaign.purpose)],
        "budget": outreach.budgets(session, actor, contact_ids=[person.id], now=now)[person.id],
        "why": queries.worded(session, actor, why=view.why),
        "last": [(entry, interaction_words.line(entry, viewer_id=actor.user_id)) for entry in last],
        "planned": [other for other in planned if other.id != chosen.message_id],
        "house": session.get_one(Workspace, actor.workspace_id),
        "author": session.get(User, view.message.created_by_id) if view.message.created_by_id else None,
    }


def _annotated(campaign: Campaign, view: MessageView, account: SenderAccount | None) -> Any:
    """The words of the draft, with what came from the record and what stands only here."""
    session, actor, now = current_session(), current_actor(), request_now()
    channel = ChannelKind(campaign.channel)
    is_rich = channel in RICH
    person = recipients(session, contact_ids=[view.line.contact_id] if view.line.contact_id else []).get(
        view.line.contact_id  # type: ignore[arg-type]
    )
    if person is None:
        return shown(view.body, is_rich=is_rich)
    house = session.get_one(Workspace, actor.workspace_id)
    language = language_of(person.contact, house)
    texts = queries.texts(session, campaign)
    text = texts.get(language) or texts.get("")
    offer = loyalty.offer(session, actor, offer_id=campaign.offer_id, now=now) if campaign.offer_id else None
    voucher = session.get(Voucher, view.message.voucher_id) if view.message.voucher_id else None
    extra = offer_values(
        offer,
        code=voucher.code if voucher else "",
        company=person.company.name if person.company else "",
        language=language,
    )
    values = values_of(session, actor, person, account=account, extra=extra)
    template = marked(text.body, values, as_markdown=is_rich) if text else ""
    return shown(compare(template, view.body), is_rich=is_rich)


@blueprint.get("/campaigns/<uuid:campaign_id>/review/<uuid:recipient_id>/edit")
@may_write
def edit(campaign_id: UUID, recipient_id: UUID) -> str:
    """The draft as a text to change."""
    line = load(campaign_id)
    session, actor = current_session(), current_actor()
    chosen = queries.recipient(session, actor, campaign=line.campaign, recipient_id=recipient_id)
    queue = queries.queue(session, actor, campaign=line.campaign)
    if chosen.message_id is None:
        return _page(line, queue, _chosen(queue, ""))
    view = outreach.message(session, actor, message_id=chosen.message_id)
    form = DraftForm(subject=view.subject, body=view.body, version=view.message.version)
    return _page(line, queue, chosen, editing=form)


@blueprint.post("/campaigns/<uuid:campaign_id>/review/<uuid:recipient_id>/edit")
@may_write
def save(campaign_id: UUID, recipient_id: UUID) -> ResponseReturnValue:
    """Keep one person's words."""
    line = load(campaign_id)
    session, actor, now = current_session(), current_actor(), request_now()
    form = DraftForm()
    if form.validate_on_submit():
        try:
            services.edit(
                session,
                actor,
                campaign_id=campaign_id,
                recipient_id=recipient_id,
                subject=form.subject.data or "",
                body=form.body.data or "",
                expected_version=form.version.data,
                now=now,
            )
            return redirect(url_for(".review", campaign_id=campaign_id, at=recipient_id), code=303)
        except AppError as error:
            if error.status == 404:  # noqa: PLR2004 - another campaign's draft has no page to go back to.
                raise
            form.absorb(error)
    queue = queries.queue(session, actor, campaign=line.campaign)
    return _page(line, queue, _chosen(queue, str(recipient_id)), editing=form), 422


@blueprint.post("/campaigns/<uuid:campaign_id>/review/<uuid:recipient_id>/approve")
@may_approve
def approve(campaign_id: UUID, recipient_id: UUID) -> ResponseReturnValue:
    """Approve and go on with the next one."""
    changed = services.approve(
        current_session(), current_actor(), campaign_id=campaign_id, recipient_ids=[recipient_id], now=request_now()
    )
    if changed.refused:
        _tell_refused(changed)
        return redirect(url_for(".review", campaign_id=campaign_id, at=recipient_id), code=303)
    return _next(campaign_id, recipient_id)


@blueprint.post("/campaigns/<uuid:campaign_id>/review/<uuid:recipient_id>/<any(skip, reject):decision>")
@may_write
def decide(campaign_id: UUID, recipient_id: UUID, decision: str) -> ResponseReturnValue:
    """Leave one person out, with the reason, and go on with the next one."""
    service = services.skip if decision == "skip" else services.reject
    changed = service(
        current_session(),
        current_actor(),
        campaign_id=campaign_id,
        recipient_ids=[recipient_id],
        reason=request.form.get("reason", ""),
        now=request_now(),
    )
    if changed.refused:
        _tell_refused(changed)
    return _next(campaign_id, recipient_id)


@blueprint.post("/campaigns/<uuid:campaign_id>/approve")
@may_approve
def approve_all(campaign_id: UUID) -> ResponseReturnValue:
    """Approve all that nobody changed."""
    changed = services.approve(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    if changed.done:
        flash(ngettext("%(num)s draft approved.", "%(num)s drafts approved.", len(changed.done)), "ok")
    if changed.refused:
        _tell_refused(changed)
    return _next(campaign_id, None)


def _tell_refused(changed: Changed) -> None:
    for code in sorted(set(changed.refused.values())):
        flash(words.refusal(code), "wait")


def _next(campaign_id: UUID, recipient_id: UUID | None) -> ResponseReturnValue:
    """To the next draft that waits; without one to the schedule, when something is approved."""
    line = load(campaign_id)
    queue = queries.queue(current_session(), current_actor(), campaign=line.campaign)
    place = next((index for index, person in enumerate(queue) if person.id == recipient_id), -1)
    waiting = [person for person in (*queue[place + 1 :], *queue[: place + 1]) if person.waits_for_review]
    if waiting:
        return redirect(url_for(".review", campaign_id=campaign_id, at=waiting[0].id), code=303)
    if any(person.message_state == "approved" for person in queue):
        return redirect(url_for(".schedule", campaign_id=campaign_id), code=303)
    return redirect(url_for(".review", campaign_id=campaign_id), code=303)

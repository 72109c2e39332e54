"""Pages of the run: schedule, what leaves, pause and resume, the report and the lists behind its numbers."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor
from crm.accounts.models import Workspace
from crm.campaigns import queries, services, words
from crm.campaigns.forms import ScheduleForm
from crm.campaigns.kinds import CampaignState, Outcome, Reaction
from crm.campaigns.models import Campaign
from crm.campaigns.queries import CampaignLine, RecipientLine, Report
from crm.campaigns.views.blueprint import blueprint, head, load, may_look, may_write
from crm.channels.base import ChannelKind
from crm.clock import local_day, zone
from crm.consent.kinds import Purpose
from crm.errors import AppError
from crm.web.formats import local, money
from crm.web.i18n import _, ngettext
from crm.web.sessions import current_session, request_now

#: States in which pages look again by themselves.
MOVING = (CampaignState.SCHEDULED, CampaignState.RUNNING)
SHOWN = 8
#: The hour that is proposed: inside everybody's sending hours, and people are at their desks.
USUAL = time(10)


def _house() -> Workspace:
    return current_session().get_one(Workspace, current_actor().workspace_id)


@blueprint.get("/campaigns/<uuid:campaign_id>/schedule")
@may_look
def schedule(campaign_id: UUID) -> ResponseReturnValue:
    """When the approved ones leave."""
    line = load(campaign_id)
    if head(line)["is_draft"]:
        return redirect(url_for(".message", campaign_id=campaign_id), code=303)
    tz = _house().time_zone
    tomorrow = local_day(request_now(), tz=tz) + timedelta(days=1)
    form = ScheduleForm(on=tomorrow, at=USUAL)
    starts_at = line.campaign.starts_at
    if starts_at is not None and starts_at > request_now():
        there = starts_at.astimezone(zone(tz))
        form = ScheduleForm(kind=line.campaign.schedule, on=there.date(), at=there.time())
    return _schedule(line, form)


def _is_nameless(campaign: Campaign) -> bool:
    """True when the promotions would end without the postal address that the law asks for."""
    is_letter = campaign.channel == ChannelKind.EMAIL and campaign.purpose == Purpose.PROMOTIONAL
    return is_letter and not _house().postal_address.strip()


def _schedule(line: CampaignLine, form: ScheduleForm) -> str:
    queue = queries.queue(current_session(), current_actor(), campaign=line.campaign)
    return render_template(
        "campaigns/schedule.html",
        form=form,
        approved=[person for person in queue if person.message_state in {"approved", "scheduled"}],
        waiting=sum(person.waits_for_review for person in queue),
        house=_house(),
        nameless=_is_nameless(line.campaign),
        abroad=sum(person.time_zone not in {"", _house().time_zone} for person in queue),
        **head(line),
    )


@blueprint.post("/campaigns/<uuid:campaign_id>/schedule")
@may_write
def set_schedule(campaign_id: UUID) -> ResponseReturnValue:
    """Agree on it."""
    line = load(campaign_id)
    form = ScheduleForm()
    if form.validate_on_submit():
        try:
            done = services.schedule(
                current_session(),
                current_actor(),
                campaign_id=campaign_id,
                data=form.data_of(tz=_house().time_zone),
                now=request_now(),
            )
            flash(ngettext("%(num)s message will leave.", "%(num)s messages will leave.", done.scheduled), "ok")
            return redirect(url_for(".run", campaign_id=campaign_id), code=303)
        except AppError as error:
            form.absorb(error)
    return _schedule(line, form), 422


@blueprint.get("/campaigns/<uuid:campaign_id>/run")
@may_look
def run(campaign_id: UUID) -> ResponseReturnValue:
    """What has left, what leaves next, and what needs a person."""
    line = load(campaign_id)
    if line.state in {CampaignState.DRAFT, CampaignState.REVIEW}:
        return redirect(url_for(".show", campaign_id=campaign_id), code=303)
    session, actor, campaign = current_session(), current_actor(), line.campaign
    queue = queries.queue(session, actor, campaign=campaign)
    due = sorted(
        (person for person in queue if person.message_state in {"scheduled", "claimed", "sending"}),
        key=lambda person: (_moment(person), person.position),
    )
    gone = sorted((person for person in queue if person.sent_at is not None), key=_moment)
    return render_template(
        "campaigns/run.html",
        days=_by_day([*gone[-3:], *due[:SHOWN]]),
        leaving=due,
        more=max(len(due) - SHOWN, 0),
        attention=[person for person in queue if person.outcome in {Outcome.HELD, Outcome.UNCERTAIN, Outcome.FAILED}],
        waiting=sum(person.waits_for_review for person in queue),
        approved=sum(person.message_state == "approved" for person in queue),
        moving=line.state in MOVING,
        **head(line),
    )


def _moment(person: RecipientLine) -> datetime:
    """When it left, else when it will; people without a time come last."""
    return person.leaves_at or datetime.max.replace(tzinfo=UTC)


def _by_day(people: list[RecipientLine]) -> list[tuple[datetime, list[tuple[datetime, RecipientLine]]]]:
    """People in the order of their moments, under the day (in the reader's zone) on which they stand."""
    days: list[tuple[datetime, list[tuple[datetime, RecipientLine]]]] = []
    for person in people:
        at = _moment(person)
        if not days or local(days[-1][0]).date() != local(at).date():
            days.append((at, []))
        days[-1][1].append((at, person))
    return days


@blueprint.get("/campaigns/<uuid:campaign_id>/progress")
@may_look
def progress(campaign_id: UUID) -> str | Response:
    """The progress bar alone; when nothing moves any more the browser loads the page that says so."""
    line = load(campaign_id)
    html = render_template("campaigns/_progress.html", moving=line.state in MOVING, **head(line))
    return html if line.state in MOVING else Response(html, headers={"HX-Refresh": "true"})


@blueprint.post("/campaigns/<uuid:campaign_id>/<any(pause, resume, cancel):action>")
@may_write
def control(campaign_id: UUID, action: str) -> ResponseReturnValue:
    """Pause, resume or cancel."""
    session, actor, now = current_session(), current_actor(), request_now()
    match action:
        case "pause":
            services.pause(session, actor, campaign_id=campaign_id, now=now)
            flash(_("Paused: nothing more leaves until you resume."), "ok")
        case "resume":
            moved = services.resume(session, actor, campaign_id=campaign_id, now=now)
            flash(
                ngettext(
                    "It goes on. %(num)s message was late and leaves at its distance from the others.",
                    "It goes on. %(num)s messages were late and leave at their distances, without a burst.",
                    moved,
                )
                if moved
                else _("It goes on."),
                "ok",
            )
        case _:
            count = services.cancel(session, actor, campaign_id=campaign_id, now=now)
            flash(ngettext("%(num)s message cancelled.", "%(num)s messages cancelled.", count), "ok")
    return redirect(url_for(".show", campaign_id=campaign_id), code=303)


def _behind(opened: str) -> dict[str, Any] | None:
    """The number that `opened` names, as arguments for the list of people behind it."""
    if opened in set(Outcome):
        return {"outcome": Outcome(opened)}
    if opened in set(Reaction):
        return {"reaction": Reaction(opened)}
    return None


@blueprint.get("/campaigns/<uuid:campaign_id>/report")
@may_look
def report(campaign_id: UUID) -> ResponseReturnValue:
    """What became of everybody, and what they did; `open` shows the people behind one number."""
    line = load(campaign_id)
    if line.state in {CampaignState.DRAFT, CampaignState.REVIEW}:
        return redirect(url_for(".show", campaign_id=campaign_id), code=303)
    session, actor, campaign = current_session(), current_actor(), line.campaign
    found = queries.report(session, actor, campaign=campaign)
    opened = request.args.get("open", "")
    behind = _behind(opened)
    listed = queries.recipients(session, actor, campaign=campaign, limit=SHOWN, **behind) if behind else None
    return render_template(
        "campaigns/report.html",
        report=found,
        opened=opened if behind else "",
        listed=listed,
        states=_states(campaign, found),
        rows=_funnel(campaign, found, opened, currency=_house().currency),
        house=_house(),
        days=queries.COUNTS_FOR.days,
        won=queries.won_deals(session, actor, campaign_id=campaign_id),
        **head(line),
    )


def _states(campaign: Campaign, found: Report) -> list[dict[str, Any]]:
    """The parts of the bar, each with the address of the people behind it."""
    return [
        {
            "label": label,
            "count": found.outcomes[kind],
            "tone": tone,
            "url": url_for(".report", campaign_id=campaign.id, open=kind.value),
        }
        for kind, (label, tone) in words.OUTCOMES.items()
    ]


def _funnel(campaign: Campaign, found: Report, opened: str, *, currency: str) -> list[dict[str, Any]]:
    """The rows of the funnel: sent, what they did, and the revenue where there was an offer."""
    sent = found.outcomes[Outcome.SENT]
    names = [Reaction.DELIVERED, Reaction.REPLIED, *([Reaction.REDEEMED] if campaign.offer_id else [])]
    rows: list[dict[str, Any]] = [{"label": words.OUTCOMES[Outcome.SENT][0], "count": sent, "name": "sent"}]
    for name in names:
        count = found.reactions[name]
        share = _("%(share)s%% of sent", share=round(100 * count / sent)) if sent else ""
        rows.append({"label": words.REACTIONS[name], "count": count, "share": share, "name": name.value})
    for row in rows:
        row |= {
            "of": sent,
            "url": url_for(".report", campaign_id=campaign.id, open=row["name"]),
            "active": row["name"] == opened,
        }
    if campaign.offer_id is not None:
        purchases = ngettext(
            "from %(num)s purchase with the code", "from %(num)s purchases with the code", found.purchases
        )
        revenue = money(found.revenue_minor, currency)
        rows.append({"label": _("Revenue"), "count": None, "value": revenue, "share": purchases})
    return rows


@blueprint.get("/campaigns/<uuid:campaign_id>/recipients")
@may_look
def recipients(campaign_id: UUID) -> str:
    """Everybody in the campaign, or those behind one number."""
    line = load(campaign_id)
    opened = request.args.get("open", "")
    behind = _behind(opened) or {}
    page = queries.recipients(
        current_session(), current_actor(), campaign=line.campaign, after=request.args.get("after"), **behind
    )
    return render_template(
        "campaigns/recipients.html", page=page, opened=opened if behind else "", house=_house(), **head(line)
    )

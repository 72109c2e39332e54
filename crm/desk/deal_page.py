"""The page of one deal: its facts, who takes part, its stages, what happened with its people, where it came from."""

from typing import Any, Final
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from crm.accounts.guards import current_actor
from crm.accounts.kinds import Permission
from crm.campaigns import queries as campaigns
from crm.clock import local_day
from crm.contacts import queries as contacts
from crm.deals import queries
from crm.deals.forms import PARTS
from crm.deals.kinds import StageKind
from crm.deals.queries import DealCard
from crm.desk.contact_page import lines_by_day
from crm.interactions import queries as interactions
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("deal_page", __name__)

PAGE: Final = 30


@blueprint.get("/deals/<uuid:deal_id>")
def show(deal_id: UUID) -> str:
    """The whole page."""
    session, actor, now = current_session(), current_actor(), request_now()
    deal = queries.deal(session, actor, deal_id=deal_id)
    card = queries.cards(session, actor, deals=[deal], now=now)[0]
    stays = queries.stays(session, actor, deal_id=deal_id, now=now)
    reason = None
    if deal.lost_reason_id is not None:
        reason = queries.lost_reason(session, actor, reason_id=deal.lost_reason_id, removed=True)
    return render_template(
        "desk/deal.html",
        deal=deal,
        card=card,
        parts=PARTS,
        reason=reason,
        people=queries.people_of(session, actor, deal_id=deal_id),
        companies=queries.companies_of(session, actor, deal_id=deal_id),
        stays=stays,
        stage_names=queries.stage_names(session, actor, stage_ids={stay.stage_id for stay in stays}),
        names=contacts.colleagues(session, actor),
        steps=_steps(card),
        origin=campaigns.origin_of(session, actor, deal_id=deal_id, contact_id=card.contact_id),
        origin_days=campaigns.ORIGIN_WITHIN.days,
        **_tasks(card),
        today=local_day(now, tz=actor.time_zone),
        now=now,
        may_edit=actor.may(Permission.EDIT),
        **_story(card),
    )


def _steps(card: DealCard) -> list[dict[str, Any]]:
    """The stages that a deal goes through, up to the one that wins it; each leads to moving there."""
    session, actor = current_session(), current_actor()
    rows = queries.stages(session, actor, pipeline_id=card.pipeline_id)
    may_edit = actor.may(Permission.EDIT)
    return [
        {
            "id": row.id,
            "label": row.name,
            "url": url_for("deals.move_page", deal_id=card.id, to=row.id) if may_edit else None,
        }
        for row in rows
        if row.kind != StageKind.LOST
    ]


def _tasks(card: DealCard) -> dict[str, Any]:
    """What is to do about the deal, and what else about its main person."""
    session, actor = current_session(), current_actor()
    own = queries.tasks_of(session, actor, deal_id=card.id)
    known = {task.id for task in own}
    of_person = interactions.tasks_of(session, actor, contact_id=card.contact_id) if card.contact_id else []
    return {"tasks": own, "other_tasks": [task for task in of_person if task.id not in known]}


def _story(card: DealCard) -> dict[str, Any]:
    """What happened with the main person, of which the deal is a part."""
    if card.contact_id is None:
        return {"days": [], "more": None}
    page = interactions.timeline(
        current_session(), current_actor(), contact_id=card.contact_id, after=request.args.get("after"), limit=PAGE
    )
    more = url_for(".show", deal_id=card.id, after=page.next, _anchor="timeline") if page.next else None
    return {"days": lines_by_day(page.items), "more": more}

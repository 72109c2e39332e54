"""The page of one company: what is known of it, its people, and their whole history."""

from typing import Final
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from crm.accounts.guards import current_actor
from crm.accounts.kinds import Permission
from crm.clock import local_day
from crm.contacts import queries as contacts
from crm.contacts import words
from crm.contacts.kinds import CustomSubject
from crm.deals import queries as deals
from crm.desk.contact_page import lines_by_day, narrowed
from crm.desk.own_fields import own_rows
from crm.desk.planned import planned
from crm.interactions import queries as interactions
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("company_page", __name__)

PAGE: Final = 30
LEFT: Final = (
    "kind",
    "website",
    "vat_number",
    "phone",
    "street",
    "city",
    "country",
    "industry",
    "staff",
    "description",
    "parent_id",
    "owner_id",
)


@blueprint.get("/companies/<uuid:company_id>")
def show(company_id: UUID) -> str:
    """The whole page."""
    session, actor, now = current_session(), current_actor(), request_now()
    company = contacts.company(session, actor, company_id=company_id)
    parent = contacts.company(session, actor, company_id=company.parent_id) if company.parent_id else None
    current, suggested = contacts.facts_of(session, actor, company_id=company_id)
    names = words.names_of(contacts.colleagues(session, actor), parent)
    people = contacts.people_of(session, actor, company_id=company_id)
    narrow = narrowed(request.args, [(person.id, person.display_name) for person in people])
    page = interactions.timeline(
        session, actor, company_id=company_id, where=narrow.where(), after=request.args.get("after"), limit=PAGE
    )
    return render_template(
        "desk/company.html",
        company=company,
        kind=words.COMPANY_KIND_LABELS,
        facts=[row for row in words.fact_rows(company, LEFT, current, names=names) if not row.is_empty],
        own=own_rows(session, actor, subject=CustomSubject.COMPANY, owner_id=company_id, facts=current),
        suggestions=len(suggested),
        people=people,
        places=contacts.places_in(session, actor, company_id=company_id),
        subsidiaries=contacts.subsidiaries(session, actor, company_id=company_id),
        domains=contacts.domains_of(session, actor, company_ids=[company_id]).get(company_id, []),
        planned=planned(session, actor, contact_ids=[person.id for person in people]),
        handles=contacts.handles_of(session, actor, company_id=company_id).get(company_id, []),
        channel_labels=words.CHANNEL_LABELS,
        channel_icons=words.CHANNEL_ICONS,
        tags=contacts.company_tags_of(session, actor, company_id=company_id),
        deals=deals.deals_of(session, actor, company_id=company_id, now=now),
        tasks=interactions.tasks_of(session, actor, company_id=company_id),
        days=lines_by_day(page.items, about_people=True),
        more=url_for(".show", company_id=company_id, **narrow.chosen(), after=page.next, _anchor="timeline")
        if page.next
        else None,
        narrow=narrow,
        narrow_url=url_for(".show", company_id=company_id, _anchor="timeline"),
        today=local_day(now, tz=actor.time_zone),
        now=now,
        may_edit=actor.may(Permission.EDIT),
    )

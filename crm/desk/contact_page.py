"""The page of one person: facts, composer, timeline, and everything else that other domains know about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from crm.accounts.guards import current_actor
from crm.accounts.kinds import Permission
from crm.clock import local_day
from crm.consent import queries as consent
from crm.consent import words as consent_words
from crm.consent.kinds import ConsentPurpose
from crm.consent.rules import States, latest
from crm.consent.services import SOURCE_KIND
from crm.contacts import queries as contacts
from crm.contacts import words as contact_words
from crm.contacts.kinds import CustomSubject
from crm.contacts.models import Contact
from crm.deals import queries as deals
from crm.desk.keeping import keeping
from crm.desk.own_fields import own_rows
from crm.desk.planned import planned
from crm.desk.reach import Reach, reached, reached_via
from crm.interactions import queries as interactions
from crm.interactions import words as timeline_words
from crm.interactions.forms import LogForm, NarrowForm
from crm.interactions.queries import TimelineEntry, Word
from crm.loyalty import queries as loyalty
from crm.outreach import queries as outreach
from crm.segments import queries as segments
from crm.web.formats import day, local
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("contact_page", __name__)

PAGE: Final = 30
LEFT: Final = (
    "title",
    "company_id",
    "birthday",
    "language",
    "city",
    "interests",
    "came_from",
    "lifecycle",
    "importance",
    "owner_id",
)
#: Shown only when they are known.
RARER: Final = ("street", "country", "time_zone")
COMPANY_LEFT: Final = ("vat_number", "staff", "website", "city")


@blueprint.get("/contacts/<uuid:contact_id>")
def show(contact_id: UUID) -> str:
    """The whole page."""
    person = contacts.contact(current_session(), current_actor(), contact_id=contact_id)
    return page(person, mode=request.args.get("mode", "note"))


@blueprint.get("/contacts/<uuid:contact_id>/story")
def story(contact_id: UUID) -> str:
    """What is planned and what happened, as it stands now, for htmx; without script the whole page."""
    person = contacts.contact(current_session(), current_actor(), contact_id=contact_id)
    if "HX-Request" in request.headers:
        return render_template("desk/_story.html", waits=False, **parts(person))
    return page(person, mode="note")


def page(person: Contact, **composer: Any) -> str:
    """The page with its composer as given (see `crm.desk.composer`)."""
    session, actor, now = current_session(), current_actor(), request_now()
    contact_id = person.id
    access = contacts.access_of(session, actor, person=person)
    colleagues = {line.user_id: line.name for line in access}
    (current, suggested), (of_company, _also) = contacts.facts_with_company(session, actor, person=person)
    meant = [UUID(fact.value) for fact in suggested if fact.field == "company_id" and fact.value]
    names = contact_words.names_of(colleagues, person.company)
    names |= contacts.company_names(session, actor, company_ids=meant)
    handles = contacts.handles_of(session, actor, contact_ids=[contact_id], company_id=person.company_id)
    ways, states = reached(session, actor, handles={contact_id: handles.get(contact_id, [])}, now=now)
    circle = contacts.circle_of(session, actor, contact_id=contact_id)
    kept = keeping(session, actor, contact_id=contact_id, now=now)
    return render_template(
        "desk/contact.html",
        owner=colleagues.get(person.owner_id) if person.owner_id else None,
        reach=ways.get(contact_id, []),
        via=reached_via(person.company, handles.get(person.company.id, [])) if person.company else [],
        deals=deals.deals_of(session, actor, contact_id=contact_id, now=now),
        card=loyalty.contact_card(session, actor, contact_id=contact_id, now=now),
        facts=[
            row
            for row in contact_words.fact_rows(person, (*LEFT, *RARER), current, names=names)
            if row.field not in RARER or not row.is_empty
        ],
        own=own_rows(session, actor, subject=CustomSubject.CONTACT, owner_id=contact_id, facts=current),
        suggestions=_suggestions(suggested, names),
        company_facts=_company_facts(person, of_company, names),
        tags=circle.tags,
        places=circle.places,
        links=circle.links,
        link_labels=contact_words.LINK_LABELS,
        consents=consent_lines(states[contact_id], ways.get(contact_id, [])),
        access=access,
        access_reasons=contact_words.ACCESS_REASONS,
        me=actor.user_id,
        start_bot=outreach.bot_to_start(session, contact_id=contact_id),
        segments=segments.segments_of(session, actor, contact_id=contact_id),
        lifecycles=contact_words.LIFECYCLE_LABELS,
        keeping=kept,
        last=kept.last,
        exchange_text=timeline_words.exchange_text,
        today=local_day(now, tz=actor.time_zone),
        now=now,
        **parts(person),
        **composer,
    )


def parts(person: Contact, *, with_story: bool = True) -> dict[str, Any]:
    """What the composer shows of a person, and with the story what is planned and what happened."""
    session, actor = current_session(), current_actor()
    tasks = interactions.tasks_of(session, actor, contact_id=person.id)
    words = interactions.vocabulary(session, actor)
    shown: dict[str, Any] = {
        "person": person,
        "tasks": tasks,
        "promises": sum(task.is_promise for task in tasks),
        "log_form": LogForm(formdata=None).offer([word for word in words[0] if not word.is_archived]),
        "may_edit": actor.may(Permission.EDIT),
        "may_write": actor.may(Permission.WRITE),
    }
    if not with_story:
        return shown
    agreed = planned(session, actor, contact_ids=[person.id]).get(person.id, [])
    return {**shown, "planned": agreed, **_timeline(person, words)}


@blueprint.get("/contacts/<uuid:contact_id>/timeline")
def timeline(contact_id: UUID) -> str:
    """The next part of the timeline, for htmx; without script it is a page of its own."""
    person = contacts.contact(current_session(), current_actor(), contact_id=contact_id)
    template = "desk/_timeline.html" if "HX-Request" in request.headers else "desk/timeline.html"
    words = interactions.vocabulary(current_session(), current_actor())
    shown = _timeline(person, words)
    return render_template(template, person=person, may_edit=current_actor().may(Permission.EDIT), **shown)


def _timeline(person: Contact, words: tuple[list[Word], list[Word]]) -> dict[str, Any]:
    session, actor = current_session(), current_actor()
    shown = request.args.get("show", "")
    kinds = next((kinds for name, _label, kinds in timeline_words.TIMELINE_FILTERS if name == shown), ())
    narrow = NarrowForm(request.args).offer(*words)
    where = narrow.where(kinds)
    page = interactions.timeline(
        session, actor, contact_id=person.id, where=where, after=request.args.get("after"), limit=PAGE
    )
    chosen: dict[str, Any] = {**narrow.chosen(), **({"show": shown} if shown else {})}
    more = url_for(".timeline", contact_id=person.id, **chosen, after=page.next) if page.next else None
    filters = [
        {
            "label": label,
            "url": url_for(".show", contact_id=person.id, show=name or None, _anchor="timeline"),
            "active": name == shown,
        }
        for name, label, _kinds in timeline_words.TIMELINE_FILTERS
    ]
    at = url_for(".show", contact_id=person.id, _anchor="timeline")
    days = lines_by_day(page.items)
    return {"days": days, "more": more, "filters": filters, "narrow": narrow, "narrow_url": at, "shown": shown}


def narrowed(given: MultiDict[str, str], people: Sequence[tuple[UUID, str]] = ()) -> NarrowForm:
    """What the address of the page narrows the timeline to."""
    return NarrowForm(given).offer(*interactions.vocabulary(current_session(), current_actor()), people)


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry of the timeline and its words."""

    entry: TimelineEntry
    line: timeline_words.Line


def lines_by_day(entries: list[TimelineEntry], *, about_people: bool = False) -> list[tuple[str, list[Shown]]]:
    """Entries with their words under the day on which they happened, in the reader's zone."""
    actor = current_actor()
    ids = [entry.source_id for entry in entries if entry.source_kind == SOURCE_KIND and entry.source_id]
    events = consent.events(current_session(), actor, event_ids=ids) if ids else {}
    days: list[tuple[str, list[Shown]]] = []
    for entry in entries:
        about = entry.contact_name if about_people else ""
        line = timeline_words.line(entry, viewer_id=actor.user_id, about=about)
        event = events.get(entry.source_id) if entry.source_id else None
        if event is not None:
            text = consent_text(event.purpose, event.channel, event.action)
            line = timeline_words.Line("event", "", text, line.icon, line.tags)
        label = _day(entry)
        if not days or days[-1][0] != label:
            days.append((label, []))
        days[-1][1].append(Shown(entry, line))
    return days


def _day(entry: TimelineEntry) -> str:
    ago = (local(request_now()).date() - local(entry.happened_at).date()).days
    return {0: _("Today"), 1: _("Yesterday")}.get(ago) or day(entry.happened_at)


def consent_text(purpose: str, channel: str | None, action: str) -> str:
    """A consent in one line: "Promotions by E-mail: given"."""
    what = consent_words.PURPOSE_LABELS[ConsentPurpose(purpose)]
    word = next(label for key, label in consent_words.ACTION_LABELS.items() if key == action)
    if channel:
        through = contact_words.CHANNEL_WORDS[channel]
        return _("%(purpose)s by %(channel)s: %(action)s", purpose=what, channel=through, action=word)
    return _("%(purpose)s: %(action)s", purpose=what, action=word)


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """What holds for one purpose, on one channel or on all: given, withdrawn, or None for never asked."""

    label: str
    state: str | None
    since: Any


def consent_lines(states: States, ways: list[Reach]) -> list[ConsentLine]:
    """Promotions on each channel the person has, and the other purposes, as they hold now."""
    channels = list(dict.fromkeys([way.channel for way in ways])) or ["email"]
    lines = []
    for channel in channels:
        held = latest(states, ConsentPurpose.PROMOTIONAL, channel)
        label = _("Promotions by %(channel)s", channel=contact_words.CHANNEL_WORDS[channel])
        lines.append(ConsentLine(label, held.action if held else None, held.since if held else None))
    for purpose in (ConsentPurpose.PERSONAL, ConsentPurpose.PROFILING):
        held = latest(states, purpose, "")
        if held is not None or purpose is ConsentPurpose.PROFILING:
            label = str(consent_words.PURPOSE_LABELS[purpose])
            lines.append(ConsentLine(label, held.action if held else None, held.since if held else None))
    return lines


def _suggestions(found: list[contacts.FactView], names: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "id": fact.id,
            "label": contact_words.FIELD_LABELS[fact.field],
            "value": contact_words.value_text(fact.field, fact.value, names=names),
            "source": contact_words.source_text(fact),
        }
        for fact in found
    ]


def _company_facts(
    person: Contact, current: dict[str, contacts.FactView], names: dict[str, str]
) -> list[contact_words.FactRow]:
    """What is known of the company, without what nobody knows."""
    if person.company is None:
        return []
    rows = contact_words.fact_rows(person.company, COMPANY_LEFT, current, names=names)
    return [row for row in rows if not row.is_empty]

"""The list of people: views as tabs, filters as readable triples, and what stops people from writing twice."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.signin import local_or
from crm.contacts import queries as contacts
from crm.contacts import words
from crm.contacts.kinds import Importance, Lifecycle
from crm.contacts.queries import ContactFilter, ContactSort, Matched
from crm.db import among
from crm.desk import people_columns, people_filter
from crm.desk.planned import planned
from crm.desk.reach import reach
from crm.filters.registry import catalogue_of
from crm.filters.schema import RuleError
from crm.interactions import queries as interactions
from crm.interactions.words import exchange_text
from crm.loyalty.models import Member
from crm.segments import queries as segments
from crm.segments.words import grouped
from crm.web.i18n import _, lazy, ngettext, pgettext, translated
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("people", __name__)

PAGE: Final = 50
SORTS: Final = {
    ContactSort.NAME: lazy("Name"),
    ContactSort.LAST_EXCHANGE: lazy("Longest not heard"),
    ContactSort.NEWEST: lazy("Newest"),
}
#: What an address of the list may hold; anything else is dropped before addresses are made from it.
KNOWN: Final = ("q", "owner", "tag", "lifecycle", "importance", "quiet", "segment", "rule", "sort", "after")
TABS: Final = 6


@dataclass(frozen=True, slots=True)
class Choice:
    """One filter that is set: what it says, and the address without it."""

    field: str
    op: str
    value: str
    remove_url: str


@blueprint.get("/contacts")
def index() -> str:
    """The list."""
    session, actor, now = current_session(), current_actor(), request_now()
    args = {key: request.args[key] for key in KNOWN if request.args.get(key)}
    sort = _one_of(ContactSort, args.get("sort")) or ContactSort.NAME
    text, problem, rule = args.get("q", "").strip()[:200], "", people_filter.NOTHING
    try:
        rule = people_filter.filter_of(session, actor, text=args.get("rule", ""))
        page = _found(session, actor, text) if text else _listed(session, actor, args, sort, rule)
    except contacts.SearchTooBroadError as error:
        page, problem = Page([]), translated(error.message)
    except RuleError as error:
        page, problem = Page([]), str(error.problems[0].message)
    ids = [row.id for row in page.items]
    colleagues = contacts.colleagues(session, actor)
    columns = people_columns.columns_of(g.get("user"))
    return render_template(
        "desk/people.html",
        page=page,
        text=text,
        problem=problem,
        sort=sort,
        sorts=[(str(key), label, _url(args, sort=str(key), after=None)) for key, label in SORTS.items()],
        tabs=_tabs(session, actor, args),
        filters=_filters(args, colleagues, _tag_names(session, actor, args)),
        chips=[(chip, _url(args, rule=chip.remove or None, after=None)) for chip in rule.chips],
        fields=grouped(catalogue_of(session, actor.workspace_id)),
        args=args,
        next_url=_url(args, after=page.next) if page.next else None,
        columns=columns,
        all_columns=people_columns.COLUMNS,
        reach=reach(session, actor, contact_ids=ids, primary_only=True) if "reach" in columns else {},
        planned=planned(session, actor, contact_ids=ids) if "next" in columns else {},
        last=interactions.last_exchanges(session, actor, contact_ids=ids),
        exchange_text=exchange_text,
        points=_points(session, ids) if "points" in columns else {},
        tags=contacts.tags_of(session, actor, contact_ids=ids),
        colleagues=colleagues,
        lifecycles=words.LIFECYCLE_LABELS,
        now=now,
        may_edit=actor.may(Permission.EDIT),
        may_write=actor.may(Permission.WRITE),
        may_import=actor.may(Permission.IMPORT),
        may_tag=actor.may(Permission.BULK_EDIT),
        may_assign=actor.may(Permission.ASSIGN),
    )


@blueprint.post("/contacts/bulk/campaign")
@requires(Permission.WRITE)
def write_to_many() -> ResponseReturnValue:
    """Begin a campaign with the chosen people."""
    ids = [value for value in request.form.getlist("ids") if _is_id(value)]
    if not ids:
        flash(_("Choose somebody first."), "wait")
        return redirect(local_or(request.form.get("back"), url_for(".index")), code=303)
    return redirect(url_for("campaigns.new", contact=ids), code=303)


def _tag_names(session: Session, actor: Actor, args: dict[str, str]) -> dict[str, str]:
    """The names of tags, where the address asks for one."""
    if "tag" not in args:
        return {}
    return {str(tag.id): tag.name for tag in contacts.tags(session, actor).items}


def _found(session: Session, actor: Actor, text: str) -> Page[Any]:
    hits: dict[UUID, Matched] = contacts.search_contacts(session, actor, text=text, limit=PAGE)
    people = contacts.contacts(session, actor, contact_ids=hits)
    return Page([people[contact_id] for contact_id in hits if contact_id in people])


def _listed(
    session: Session, actor: Actor, args: dict[str, str], sort: ContactSort, rule: people_filter.Filter
) -> Page[Any]:
    days = args.get("quiet", "")
    segment_id = _id(args.get("segment"))
    also = rule.conditions
    if segment_id is not None:
        segment = segments.segment(session, actor, segment_id=segment_id)
        context = segments.context_of(session, actor, now=request_now())
        also = (*also, segments.condition_of(session, context, segment))
    owner = args.get("owner")
    where = ContactFilter(
        owner_id=actor.user_id if owner == "me" else _id(owner),
        tag_id=_id(args.get("tag")),
        lifecycle=_one_of(Lifecycle, args.get("lifecycle")) or "",
        importance=_one_of(Importance, args.get("importance")) or "",
        quiet_since=request_now() - timedelta(days=int(days)) if days.isdigit() and int(days) < 10_000 else None,  # noqa: PLR2004 - centuries are no filter.
        also=also,
    )
    return contacts.list_contacts(session, actor, where=where, sort=sort, after=args.get("after"), limit=PAGE)


def _tabs(session: Session, actor: Actor, args: dict[str, str]) -> list[dict[str, Any]]:
    """Everybody, mine, key people, those not heard, and the first saved segments."""
    plain = {key: value for key, value in args.items() if key not in {"after", "sort"}}
    tabs = [
        (pgettext("people", "All"), {}),
        (_("Mine"), {"owner": "me"}),
        (_("Key people"), {"importance": Importance.KEY.value}),
        (_("Not heard for 30 days"), {"quiet": "30", "sort": ContactSort.LAST_EXCHANGE.value}),
    ]
    listed: list[dict[str, Any]] = [
        {
            "label": label,
            "url": _url(given),
            "active": plain == {key: value for key, value in given.items() if key != "sort"},
        }
        for label, given in tabs
    ]
    saved = segments.segments(session, actor, limit=TABS).items
    counts = segments.member_counts(session, actor, segments=saved)
    for segment in saved:
        given = {"segment": str(segment.id)}
        url = _url(given)
        listed.append({"label": segment.name, "url": url, "active": plain == given, "count": counts[segment.id]})
    return listed


def _filters(args: dict[str, str], colleagues: dict[UUID, str], tags: dict[str, str]) -> list[Choice]:
    """The filters that are set, as people read them."""
    owner = args.get("owner", "")
    days = int(args["quiet"]) if args.get("quiet", "").isdigit() else 0
    said = {
        "lifecycle": (_("Stage"), _("is"), words.LIFECYCLE_LABELS.get(args.get("lifecycle", ""))),
        "importance": (_("Importance"), _("is"), words.IMPORTANCE_LABELS.get(args.get("importance", ""))),
        "owner": (_("Owner"), _("is"), _("me") if owner == "me" else colleagues.get(_id(owner) or UUID(int=0))),
        "tag": (_("Tag"), _("is"), tags.get(args.get("tag", ""))),
        "quiet": (
            _("Last exchange"),
            _("not in the last"),
            ngettext("%(num)d day", "%(num)d days", days) if days else None,
        ),
    }
    return [
        Choice(field, op, str(value), _url(args, **{name: None, "after": None}))
        for name, (field, op, value) in said.items()
        if value
    ]


def _url(args: dict[str, str], **changed: str | None) -> str:
    kept: dict[str, Any] = {key: value for key, value in {**args, **changed}.items() if value}
    return url_for(".index", **kept)


def _points(session: Session, ids: list[UUID]) -> dict[UUID, int]:
    """The points of those who are members."""
    wanted = select(Member.contact_id, Member.balance).where(among(Member.contact_id, ids), Member.left_at.is_(None))
    return {contact_id: balance for contact_id, balance in session.execute(wanted) if contact_id is not None}


def _one_of(kinds: Any, value: str | None) -> Any:
    return kinds(value) if value in set(kinds) else None


def _id(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        abort(404)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True

"""The list of people: views as tabs, filters as readable triples, and what stops people from writing twice."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.signin import local_or
from crm.contacts import queries as contacts
from crm.contacts import words
from crm.contacts.kinds import Importance
from crm.contacts.queries import Matched
from crm.contacts.view_models import SavedView
from crm.db import among
from crm.desk import people_filter
from crm.desk.listing import EVERYTHING, RIGHT, Address, address_of, days_of, id_of, is_id
from crm.desk.people_query import (
    ListSort,
    listed,
    sort_of,
    where_of,
)
from crm.desk.people_views import PEOPLE
from crm.desk.planned import planned
from crm.desk.reach import reach
from crm.filters.registry import catalogue_of
from crm.filters.schema import RuleError
from crm.interactions import queries as interactions
from crm.interactions.queries import keeping
from crm.interactions.words import exchange_text
from crm.loyalty.models import Member
from crm.segments import queries as segments
from crm.segments.words import grouped
from crm.web.i18n import _, lazy, ngettext, pgettext, translated
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("people", __name__)

#: What of an address an export of the list takes over.
EXPORTED: Final = ("owner", "tag", "lifecycle", "importance", "quiet", "segment", "rule")
PAGE: Final = 50
SORTS: Final = {
    ListSort.NAME: lazy("Name"),
    ListSort.LAST_EXCHANGE: lazy("Longest not heard"),
    ListSort.LATEST_EXCHANGE: lazy("Heard last"),
    ListSort.WARMTH: lazy("Warmest"),
    ListSort.NEWEST: lazy("Newest"),
}
#: So many segments stand beside the views.
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
    asked = address_of(session, actor, request.args, listing=PEOPLE)
    args, sort = asked.args, sort_of(asked.args)
    text, problem, rule = args.get("q", "").strip()[:200], "", people_filter.NOTHING
    try:
        rule = people_filter.filter_of(session, actor, text=args.get("rule", ""))
        if text:
            page = _found(session, actor, text)
        else:
            where = where_of(session, actor, args, rule)
            page = listed(session, actor, where=where, sort=sort, after=args.get("after"), limit=PAGE)
    except contacts.SearchTooBroadError as error:
        page, problem = Page([]), translated(error.message)
    except RuleError as error:
        page, problem = Page([]), str(error.problems[0].message)
    ids = [row.id for row in page.items]
    colleagues = contacts.colleagues(session, actor)
    view, tags = asked.view, contacts.tags_of(session, actor, contact_ids=ids)
    own = PEOPLE.own_fields(session, actor)
    columns = PEOPLE.columns_of(g.get("user"), view=view, own=own)
    base = asked.base
    was = str(base.id) if base else None

    def at(**changed: str | None) -> str:
        """The address with something changed; one that began with a view remembers it."""
        return _url(args, **{"was": was, **changed})

    return render_template(
        "desk/people.html",
        listing=PEOPLE,
        page=page,
        text=text,
        problem=problem,
        sort=sort,
        sorts=[(str(key), label, at(sort=str(key), after=None)) for key, label in SORTS.items()],
        tabs=_tabs(session, actor, asked),
        filters=_filters(args, colleagues, _tag_names(session, actor, args), at),
        chips=[(chip, at(rule=chip.remove or None, after=None)) for chip in rule.chips],
        fields=grouped(catalogue_of(session, actor.workspace_id)),
        args=args,
        view=view,
        was=asked.was,
        may_change_view=base is not None and contacts.may_change_view(actor, view=base),
        may_share=actor.may(Permission.EDIT),
        next_url=_next(args, view, page.next),
        columns=columns,
        all_columns=PEOPLE.labels_of(own),
        right={"points", *(field.name for field in own if field.type in RIGHT)},
        own=PEOPLE.own_cells(actor, own=own, columns=columns, ids=ids),
        warmth=keeping.scores(session, actor, contact_ids=ids) if "warmth" in columns else {},
        reach=reach(session, actor, contact_ids=ids, primary_only=True, now=now) if "reach" in columns else {},
        planned=planned(session, actor, contact_ids=ids) if "next" in columns else {},
        last=interactions.last_exchanges(session, actor, contact_ids=ids),
        exchange_text=exchange_text,
        points=_points(session, ids) if "points" in columns else {},
        tags=tags,
        colleagues=colleagues,
        lifecycles=words.LIFECYCLE_LABELS,
        now=now,
        may_edit=actor.may(Permission.EDIT),
        may_write=actor.may(Permission.WRITE),
        may_import=actor.may(Permission.IMPORT),
        stages=list(words.LIFECYCLE_LABELS.items()),
        importances=list(words.IMPORTANCE_LABELS.items()),
        known_tags=sorted({tag.name for shown in tags.values() for tag in shown}),
        export_query=_exported(args, actor),
        may_tag=actor.may(Permission.BULK_EDIT),
        may_assign=actor.may(Permission.ASSIGN),
    )


@blueprint.post("/contacts/bulk/campaign")
@requires(Permission.WRITE)
def write_to_many() -> ResponseReturnValue:
    """Begin a campaign with the chosen people."""
    ids = [value for value in request.form.getlist("ids") if is_id(value)]
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


def _next(args: dict[str, str], view: SavedView | None, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    return url_for(".index", view=view.id, after=cursor) if view else _url(args, after=cursor)


def _tabs(session: Session, actor: Actor, asked: Address) -> list[dict[str, Any]]:
    """Everybody, mine, key people, those not heard, the saved views, and the first segments."""
    args, view = asked.args, asked.view
    plain = {key: value for key, value in args.items() if key not in {"after", "sort"}}
    tabs = [
        (pgettext("people", "All"), {"view": EVERYTHING}),
        (_("Mine"), {"owner": "me"}),
        (_("Key people"), {"importance": Importance.KEY.value}),
        (_("Not heard for 30 days"), {"quiet": "30", "sort": ListSort.LAST_EXCHANGE.value}),
    ]
    shown: list[dict[str, Any]] = [
        {
            "label": label,
            "url": _url(given),
            "active": view is None
            and plain == {key: word for key, word in given.items() if key not in {"sort", "view"}},
        }
        for label, given in tabs
    ]
    shown += [
        {"label": one.name, "url": url_for(".index", view=one.id), "active": view is not None and one.id == view.id}
        for one in asked.tabs()
    ]
    saved = segments.segments(session, actor, limit=TABS).items
    counts = segments.member_counts(session, actor, segments=saved)
    for segment in saved:
        given = {"segment": str(segment.id)}
        url = _url(given)
        shown.append(
            {"label": segment.name, "url": url, "active": view is None and plain == given, "count": counts[segment.id]}
        )
    return shown


def _filters(
    args: dict[str, str], colleagues: dict[UUID, str], tags: dict[str, str], at: Callable[..., str]
) -> list[Choice]:
    """The filters that are set, as people read them."""
    owner = args.get("owner", "")
    days = days_of(args.get("quiet", "")) or 0
    said = {
        "lifecycle": (_("Stage"), _("is"), words.LIFECYCLE_LABELS.get(args.get("lifecycle", ""))),
        "importance": (_("Importance"), _("is"), words.IMPORTANCE_LABELS.get(args.get("importance", ""))),
        "owner": (_("Owner"), _("is"), _("me") if owner == "me" else colleagues.get(id_of(owner) or UUID(int=0))),
        "tag": (_("Tag"), _("is"), tags.get(args.get("tag", ""))),
        "quiet": (
            _("Last exchange"),
            _("not in the last"),
            ngettext("%(num)d day", "%(num)d days", days) if days else None,
        ),
    }
    return [
        Choice(field, op, str(value), at(**{name: None, "after": None}))
        for name, (field, op, value) in said.items()
        if value
    ]


def _exported(args: dict[str, str], actor: Actor) -> dict[str, str] | None:
    """The words of the address that an export takes over; None where there is nothing to export."""
    if not actor.may(Permission.EXPORT) or args.get("q"):
        return None
    return {key: args[key] for key in EXPORTED if key in args}


def _url(args: dict[str, str], **changed: str | None) -> str:
    kept: dict[str, Any] = {key: value for key, value in {**args, **changed}.items() if value}
    if not kept.keys() - {"was"}:
        kept = {"view": EVERYTHING}
    return url_for(".index", **kept)


def _points(session: Session, ids: list[UUID]) -> dict[UUID, int]:
    """The points of those who are members."""
    wanted = select(Member.contact_id, Member.balance).where(among(Member.contact_id, ids), Member.left_at.is_(None))
    return {contact_id: balance for contact_id, balance in session.execute(wanted) if contact_id is not None}

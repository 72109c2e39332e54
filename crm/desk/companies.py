"""The list of companies: its saved views as tabs, filters as readable triples, columns that each reader chooses."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, g, render_template, request, url_for

from crm.accounts.guards import current_actor
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.contacts import words
from crm.contacts.models import Tag
from crm.contacts.queries import CompanySort
from crm.desk.company_views import COMPANIES, listed, sort_of
from crm.desk.listing import EVERYTHING, RIGHT, Address, address_of, days_of, id_of
from crm.web.i18n import _, lazy, ngettext, pgettext
from crm.web.sessions import current_session

blueprint = Blueprint("companies", __name__)

PAGE: Final = 50
SORTS: Final = {CompanySort.NAME: lazy("Name"), CompanySort.NEWEST: lazy("Newest")}
#: Columns that hold numbers stand right.
NUMBERS: Final = frozenset({"people", "staff"})


@dataclass(frozen=True, slots=True)
class Cells:
    """What chosen columns show that is not in the row of a company, by its id; empty where no column asks."""

    people: dict[UUID, int]
    last: dict[UUID, datetime]
    tags: dict[UUID, list[Tag]]
    own: dict[UUID, dict[str, str]]


@blueprint.get("/companies")
def index() -> str:
    """The list, or what a search finds."""
    session, actor = current_session(), current_actor()
    asked = address_of(session, actor, request.args, listing=COMPANIES)
    args, text = asked.args, asked.args.get("q", "").strip()[:200]
    if text:
        page = contacts.search_companies(session, actor, text=text, limit=PAGE)
    else:
        page = listed(session, actor, args, after=args.get("after"), limit=PAGE)
    colleagues = contacts.colleagues(session, actor)
    own = COMPANIES.own_fields(session, actor)
    columns = COMPANIES.columns_of(g.get("user"), view=asked.view, own=own)
    known_tags = contacts.tags(session, actor).items
    ids = [row.id for row in page.items]
    people, last, tags = (name in columns for name in ("people", "last", "tags"))
    cells = Cells(
        people=contacts.people_counts(session, actor, company_ids=ids) if people else {},
        last=contacts.company_exchanges(session, actor, company_ids=ids) if last else {},
        tags=contacts.tags_of_companies(session, actor, company_ids=ids) if tags else {},
        own=COMPANIES.own_cells(actor, own=own, columns=columns, ids=ids),
    )
    return render_template(
        "desk/companies.html",
        listing=COMPANIES,
        page=page,
        text=text,
        args=args,
        sort=sort_of(args),
        sorts=[(str(key), label, _at(asked, sort=str(key), after=None)) for key, label in SORTS.items()],
        tabs=_tabs(asked),
        filters=_filters(asked, colleagues, known_tags),
        view=asked.view,
        was=asked.was,
        base=asked.base,
        may_change_view=asked.base is not None and contacts.may_change_view(actor, view=asked.base),
        may_share=actor.may(Permission.EDIT),
        next_url=_next(asked, page.next),
        columns=columns,
        all_columns=COMPANIES.labels_of(own),
        right=NUMBERS | {field.name for field in own if field.type in RIGHT},
        cells=cells,
        kinds=words.COMPANY_KIND_LABELS,
        countries=words.COUNTRY_LABELS,
        colleagues=colleagues,
        known_tags=known_tags,
        may_edit=actor.may(Permission.EDIT),
    )


def _at(asked: Address, **changed: str | None) -> str:
    """The address with something changed; one that began with a view remembers it."""
    return _url({**asked.args, "was": str(asked.base.id) if asked.base else None, **changed})


def _url(words: dict[str, str | None]) -> str:
    kept: dict[str, Any] = {key: value for key, value in words.items() if value}
    if not kept.keys() - {"was"}:
        kept = {"view": EVERYTHING}
    return url_for(".index", **kept)


def _next(asked: Address, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    return url_for(".index", view=asked.view.id, after=cursor) if asked.view else _url({**asked.args, "after": cursor})


def _tabs(asked: Address) -> list[dict[str, Any]]:
    """All, mine, those not heard, and the saved views."""
    args, view = asked.args, asked.view
    plain = {key: value for key, value in args.items() if key not in {"after", "sort"}}
    fixed: list[tuple[str, dict[str, Any]]] = [
        (pgettext("companies", "All"), {}),
        (_("Mine"), {"owner": "me"}),
        (_("Not heard for 30 days"), {"quiet": "30"}),
    ]
    shown = [{"label": label, "url": _url(given), "active": view is None and plain == given} for label, given in fixed]
    return shown + [
        {"label": one.name, "url": url_for(".index", view=one.id), "active": view is not None and one.id == view.id}
        for one in asked.tabs()
    ]


def _filters(asked: Address, colleagues: dict[UUID, str], tags: list[Tag]) -> list[tuple[str, str, str, str]]:
    """The filters that are set, as people read them, each with the address without it."""
    args = asked.args
    owner, days = args.get("owner", ""), days_of(args.get("quiet", "")) or 0
    names = {str(tag.id): tag.name for tag in tags}
    said = {
        "kind": (_("Kind"), _("is"), words.COMPANY_KIND_LABELS.get(args.get("kind", ""))),
        "city": (_("City"), _("is"), args.get("city", "").strip()),
        "owner": (_("Owner"), _("is"), _("me") if owner == "me" else colleagues.get(id_of(owner) or UUID(int=0))),
        "tag": (_("Tag"), _("is"), names.get(args.get("tag", ""))),
        "quiet": (
            _("Last exchange"),
            _("not in the last"),
            ngettext("%(num)d day", "%(num)d days", days) if days else None,
        ),
    }
    return [
        (field, op, str(value), _at(asked, **dict[str, str | None]({name: None, "after": None})))
        for name, (field, op, value) in said.items()
        if value
    ]

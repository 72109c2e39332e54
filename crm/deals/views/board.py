"""The board, one column of it, the list, and what fields suggest while somebody types."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.deals import queries, words
from crm.deals.forms import MoveForm
from crm.deals.kinds import DealSort, StageKind, Whose
from crm.deals.models import Pipeline
from crm.deals.queries import DealFilter
from crm.deals.views.blueprint import blueprint, is_partial
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

SUGGESTED = 10


def _chosen(name: str) -> UUID | None:
    """An id of the query string; what is none filters nothing."""
    try:
        return UUID(request.args.get(name, ""))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Looking:
    """What somebody looks at: the filter of the address, and addresses that change one thing of it."""

    where: DealFilter
    values: dict[str, str]

    def url(self, endpoint: str, **changes: str | UUID | None) -> str:
        """The address of a page with the same filter but for `changes`; None takes one off."""
        kept: dict[str, Any] = {key: value for key, value in (self.values | changes).items() if value}
        return url_for(endpoint, **kept)


def looking(pipeline: Pipeline | None) -> Looking:
    """The filter that the address of this request asks for, within a pipeline or over all."""
    flags = {name: bool(request.args.get(name)) for name in ("closing", "rotting")}
    company_id, mine = _chosen("company"), request.args.get("whose") == Whose.MINE
    where = DealFilter(
        whose=Whose.MINE if mine else Whose.TEAM,
        pipeline_id=pipeline.id if pipeline else None,
        state=_state(),
        company_id=company_id,
        closing=flags["closing"],
        rotting=flags["rotting"],
    )
    values = {name: "1" for name, is_on in flags.items() if is_on}
    values |= {"whose": "mine"} if mine else {}
    values |= {"company": str(company_id)} if company_id else {}
    values |= {"pipeline": str(pipeline.id)} if pipeline else {}
    return Looking(where, values)


def _state() -> StageKind | None:
    return next((kind for kind in StageKind if kind == request.args.get("state")), None)


def _filters(page: Looking, endpoint: str, **kept: str) -> dict[str, Any]:
    """The controls above the board and the list."""
    session, actor = current_session(), current_actor()
    company = None
    if page.where.company_id is not None:
        company = contacts.company(session, actor, company_id=page.where.company_id)
    is_mine = page.where.whose is Whose.MINE
    return {
        "whose": [
            {"label": _("Everybody's"), "url": page.url(endpoint, whose=None, **kept), "active": not is_mine},
            {"label": _("Mine"), "url": page.url(endpoint, whose="mine", **kept), "active": is_mine},
        ],
        "flags": [
            {
                "label": label,
                "icon": icon,
                "is_on": name in page.values,
                "url": page.url(endpoint, **{name: None if name in page.values else "1"}, **kept),
            }
            for name, label, icon in (
                ("closing", _("Closing this month"), "calendar"),
                ("rotting", _("Standing too long"), "hourglass"),
            )
        ],
        "company": company,
        "company_url": page.url(endpoint, company=None, **kept),
        "is_filtered": bool(set(page.values) - {"pipeline"}),
        "views": [
            {
                "label": _("Board"),
                "url": page.url("deals.board"),
                "active": endpoint == "deals.board",
                "icon": "layout-kanban",
            },
            {"label": _("List"), "url": page.url("deals.listed"), "active": endpoint == "deals.listed", "icon": "list"},
        ],
    }


@blueprint.get("/deals")
def board() -> ResponseReturnValue:
    """The deals of one pipeline by stage; without any, how to begin."""
    session, actor, now = current_session(), current_actor(), request_now()
    offered = queries.pipelines(session, actor)
    if not offered:
        return render_template("deals/begin.html", may_manage=actor.may(Permission.MANAGE_PIPELINES))
    wanted = _chosen("pipeline")
    pipeline = next((row for row in offered if row.id == wanted), offered[0])
    page = looking(pipeline)
    columns = queries.board(session, actor, where=page.where, now=now)
    stages = [column.stage for column in columns]
    return render_template(
        "deals/board.html",
        pipeline=pipeline,
        pipelines=[
            {"label": row.name, "url": page.url("deals.board", pipeline=str(row.id)), "active": row is pipeline}
            for row in offered
        ],
        columns=columns,
        totals=queries.totals(session, actor, where=_open(page.where), now=now),
        page=page,
        stages=stages,
        move_form=MoveForm(formdata=None).offer(stages, queries.lost_reasons(session, actor)),
        may_edit=actor.may(Permission.EDIT),
        may_manage=actor.may(Permission.MANAGE_PIPELINES),
        days_closed=queries.SHOWN_CLOSED.days,
        **_filters(page, "deals.board"),
    )


def _open(where: DealFilter) -> DealFilter:
    return DealFilter(
        whose=where.whose,
        pipeline_id=where.pipeline_id,
        company_id=where.company_id,
        closing=where.closing,
        rotting=where.rotting,
        state=StageKind.OPEN,
    )


@blueprint.get("/deals/columns/<uuid:stage_id>")
def column(stage_id: UUID) -> str:
    """The next cards of a column, for htmx; without script they are a page of their own."""
    session, actor, now = current_session(), current_actor(), request_now()
    stage = queries.stage(session, actor, stage_id=stage_id)
    pipeline = queries.pipeline(session, actor, pipeline_id=stage.pipeline_id)
    page = looking(pipeline)
    found = queries.column(session, actor, stage=stage, where=page.where, after=request.args.get("after"), now=now)
    return render_template(
        "deals/_cards.html" if is_partial() else "deals/column.html",
        column=found,
        page=page,
        stages=queries.stages(session, actor, pipeline_id=pipeline.id),
        may_edit=actor.may(Permission.EDIT),
    )


@blueprint.get("/deals/list")
def listed() -> str:
    """All deals in one order, with their totals."""
    session, actor, now = current_session(), current_actor(), request_now()
    offered = queries.pipelines(session, actor)
    wanted = _chosen("pipeline")
    page = looking(next((row for row in offered if row.id == wanted), None))
    asked = request.args.get("sort", "")
    sort = next((one for one in DealSort if one == asked.removeprefix("-")), DealSort.CLOSES)
    descending, after = asked.startswith("-"), request.args.get("after")
    state = page.where.state.value if page.where.state else None
    found = queries.list_deals(session, actor, where=page.where, sort=sort, descending=descending, after=after, now=now)
    here = f"-{sort}" if descending else sort.value
    return render_template(
        "deals/list.html",
        found=found,
        totals=queries.totals(session, actor, where=page.where, now=now),
        page=page,
        states=[
            {"label": label, "url": page.url("deals.listed", state=name, sort=here), "active": name == state}
            for name, label in [(None, _("All")), *((kind.value, label) for kind, label in words.KINDS.items())]
        ],
        orders={
            one.value: {
                "url": page.url("deals.listed", state=state, sort=f"-{one}" if one is sort and not descending else one),
                "sorted": ("desc" if descending else "asc") if one is sort else None,
            }
            for one in DealSort
        },
        more=page.url("deals.listed", state=state, sort=here, after=found.next) if found.next else None,
        has_pipeline=bool(offered),
        may_edit=actor.may(Permission.EDIT),
        **_filters(page, "deals.listed", **({"state": state} if state else {}), sort=here),
    )


@blueprint.get("/deals/people")
@requires(Permission.EDIT)
def find_people() -> Response:
    """People to choose from while typing, as the search box of a field wants them."""
    session, actor = current_session(), current_actor()
    matched = contacts.search_contacts(session, actor, text=request.args.get("q", "")[:200], limit=SUGGESTED)
    found = contacts.contacts(session, actor, contact_ids=matched)
    people = [found[key] for key in matched if key in found]
    return jsonify(
        [
            {"value": str(row.id), "text": row.display_name, "sub": row.company.name if row.company else ""}
            for row in people
        ]
    )


@blueprint.get("/deals/companies")
@requires(Permission.EDIT)
def find_companies() -> Response:
    """Companies to choose from while typing, as the search box of a field wants them."""
    session, actor = current_session(), current_actor()
    text = request.args.get("q", "")[:200]
    found = contacts.search_companies(session, actor, text=text, limit=SUGGESTED).items
    return jsonify([{"value": str(row.id), "text": row.name, "sub": row.city or row.domain} for row in found])

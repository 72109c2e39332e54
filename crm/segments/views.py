"""Pages of segments: the list, the builder with its live preview, members, history, and why somebody is in one."""

from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.accounts import places
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contact_queries
from crm.errors import AppError, InvalidInputError, NotFoundError
from crm.filters.catalogue import Catalogue
from crm.filters.registry import catalogue_of
from crm.filters.schema import EVERYBODY, RuleError, parse
from crm.filters.sentence import OPERATOR_LABELS
from crm.segments import queries, services, words
from crm.segments.forms import Builder, NameForm
from crm.segments.kinds import PickMode, SegmentKind
from crm.segments.models import Segment
from crm.web.i18n import _, ngettext, translated
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("segments", __name__)
places.tell(blueprint, words.TOLD)
may_look = requires(Permission.VIEW_OWN)
may_edit = requires(Permission.EDIT)


@blueprint.get("/segments")
@may_look
def index() -> str:
    """All segments by name."""
    session, actor = current_session(), current_actor()
    page = queries.segments(session, actor, after=request.args.get("after"))
    counts = queries.member_counts(session, actor, segments=page.items)
    return render_template("segments/index.html", page=page, counts=counts, kinds=words.KINDS, may_edit=_may_edit())


@blueprint.get("/segments/new")
@may_edit
def new() -> str:
    """An empty builder."""
    return _editor(Builder.of(EVERYBODY, _catalogue()))


@blueprint.post("/segments/new")
@may_edit
def create() -> AnyResponse | tuple[str, int]:
    """Save a new segment; without script also the way in which the builder adds and removes conditions."""
    builder = Builder.posted(request.form, _catalogue())
    if "do" in request.form:
        builder.apply(request.form["do"])
        return _editor(builder), HTTPStatus.OK
    try:
        name = request.form.get("name", "")
        rule = builder.rule()
        row = services.create(current_session(), current_actor(), name=name, rule=rule, now=request_now())
    except InvalidInputError as error:
        return _refused(builder, error, None)
    flash(_("The segment is saved."), "ok")
    return redirect(url_for(".show", segment_id=row.id))


@blueprint.post("/segments/picked")
@may_edit
def create_picked() -> AnyResponse | tuple[str, int]:
    """Start a hand-picked segment."""
    try:
        row = services.create(
            current_session(),
            current_actor(),
            name=request.form.get("name", "") or _("Hand-picked people"),
            kind=SegmentKind.PICKED,
            now=request_now(),
        )
    except InvalidInputError as error:
        return _refused(Builder.of(EVERYBODY, _catalogue()), error, None)
    return redirect(url_for(".show", segment_id=row.id))


@blueprint.get("/segments/<uuid:segment_id>")
@may_look
def show(segment_id: UUID) -> str:
    """The rule with its builder, and who is in."""
    row = queries.segment(current_session(), current_actor(), segment_id=segment_id)
    if row.kind != SegmentKind.LIVE:
        return _still(row)
    return _editor(Builder.of(parse(row.rule), _catalogue()), row)


@blueprint.post("/segments/<uuid:segment_id>")
@may_edit
def save(segment_id: UUID) -> AnyResponse | tuple[str, int]:
    """Save the changed rule."""
    session, actor = current_session(), current_actor()
    row = queries.segment(session, actor, segment_id=segment_id)
    builder = Builder.posted(request.form, _catalogue())
    if "do" in request.form:
        builder.apply(request.form["do"])
        return _editor(builder, row), HTTPStatus.OK
    version = request.form.get("version", type=int)
    try:
        services.edit_rule(
            session, actor, segment_id=segment_id, rule=builder.rule(), version=version, now=request_now()
        )
    except InvalidInputError as error:
        return _refused(builder, error, row)
    flash(_("The segment is saved."), "ok")
    return redirect(url_for(".show", segment_id=segment_id))


@blueprint.post("/segments/builder")
@may_look
def build() -> str:
    """The builder after a button or a choice that changes its shape, with the figures that follow (htmx)."""
    builder = Builder.posted(request.form, _catalogue())
    builder.apply(request.form.get("do", ""))
    return render_template("segments/_built.html", **state(builder, _posted_segment()))


@blueprint.post("/segments/preview")
@may_look
def preview() -> str:
    """Sentence, count and faces of the rule as it stands in the form (htmx, while typing)."""
    builder = Builder.posted(request.form, _catalogue())
    return render_template("segments/_preview.html", **state(builder, _posted_segment()))


@blueprint.get("/segments/people")
@may_look
def people() -> Response:
    """People to choose from while typing, as the search box of a field wants them."""
    session, actor = current_session(), current_actor()
    matched = contact_queries.search_contacts(session, actor, text=request.args.get("q", ""), limit=10)
    found = contact_queries.contacts(session, actor, contact_ids=matched)
    return jsonify(
        [
            {"value": str(key), "text": found[key].display_name, "sub": company.name if company else ""}
            for key in matched
            if key in found
            for company in [found[key].company]
        ]
    )


@blueprint.get("/segments/<uuid:segment_id>/members")
@may_look
def members(segment_id: UUID) -> str:
    """Everybody who is in the segment now, by name."""
    session, actor = current_session(), current_actor()
    row = queries.segment(session, actor, segment_id=segment_id)
    page = queries.members(session, actor, segment=row, now=request_now(), after=request.args.get("after"))
    return render_template("segments/members.html", segment=row, page=page, may_edit=_may_edit())


@blueprint.get("/segments/<uuid:segment_id>/history")
@may_look
def history(segment_id: UUID) -> str:
    """Who entered and left, when and by what."""
    session, actor = current_session(), current_actor()
    row = queries.segment(session, actor, segment_id=segment_id)
    page = queries.changes(session, actor, segment_id=segment_id, after=request.args.get("after"))
    return render_template(
        "segments/history.html", segment=row, page=page, cause=partial(words.cause, fields=_catalogue().fields)
    )


@blueprint.get("/segments/<uuid:segment_id>/why/<uuid:contact_id>")
@may_look
def why(segment_id: UUID, contact_id: UUID) -> str:
    """Why somebody is in the segment or not."""
    session, actor = current_session(), current_actor()
    found = queries.why(session, actor, segment_id=segment_id, contact_id=contact_id, now=request_now())
    tree = words.tree(found.explained, found.labels, tz=actor.time_zone) if found.explained else None
    return render_template("segments/why.html", why=found, tree=tree, may_edit=_may_edit())


@blueprint.post("/segments/<uuid:segment_id>/name")
@may_edit
def rename(segment_id: UUID) -> AnyResponse:
    """Give it another name."""
    form = NameForm()
    try:
        services.rename(current_session(), current_actor(), segment_id=segment_id, name=form.name.data or "")
    except InvalidInputError as error:
        flash(translated(error.message), "bad")
    return redirect(url_for(".show", segment_id=segment_id))


@blueprint.post("/segments/<uuid:segment_id>/freeze")
@may_edit
def freeze(segment_id: UUID) -> AnyResponse:
    """Keep who is in it now as a segment of its own."""
    row = services.freeze(current_session(), current_actor(), segment_id=segment_id, now=request_now())
    count = queries.member_counts(current_session(), current_actor(), segments=[row])[row.id] or 0
    people = ngettext("%(num)s person", "%(num)s people", count)
    flash(_("Frozen with %(people)s.", people=people), "ok")
    return redirect(url_for(".show", segment_id=row.id))


@blueprint.post("/segments/<uuid:segment_id>/delete")
@may_edit
def delete(segment_id: UUID) -> AnyResponse:
    """Take it off the list; the toast offers to bring it back."""
    try:
        row = services.remove(current_session(), current_actor(), segment_id=segment_id, now=request_now())
    except NotFoundError:
        raise
    except AppError as error:
        flash(translated(error.message), "bad")
        return redirect(url_for(".show", segment_id=segment_id))
    undo = url_for(".restore", segment_id=segment_id)
    flash({"text": _("“%(name)s” is deleted.", name=row.name), "undo_url": undo}, "ok")  # type: ignore[arg-type]
    return redirect(url_for(".index"))


@blueprint.post("/segments/<uuid:segment_id>/restore")
@may_edit
def restore(segment_id: UUID) -> AnyResponse:
    """Bring it back."""
    services.restore(current_session(), current_actor(), segment_id=segment_id, now=request_now())
    return redirect(url_for(".show", segment_id=segment_id))


@blueprint.post("/segments/<uuid:segment_id>/pick")
@may_edit
def pick(segment_id: UUID) -> AnyResponse:
    """Add somebody by hand, take somebody out, or leave them to the rule again."""
    chosen = request.form.get("mode", "")
    mode = PickMode(chosen) if chosen in set(PickMode) else None
    ids = [UUID(value) for value in request.form.getlist("contact") if _is_id(value)]
    services.pick(
        current_session(), current_actor(), segment_id=segment_id, contact_ids=ids, mode=mode, now=request_now()
    )
    return redirect(url_for(".show", segment_id=segment_id, _anchor="picked"))


def _is_id(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def _may_edit() -> bool:
    return current_actor().may(Permission.EDIT)


def _posted_segment() -> Segment | None:
    value = request.form.get("segment", "")
    if not _is_id(value):
        return None
    return queries.segment(current_session(), current_actor(), segment_id=UUID(value))


def _refused(builder: Builder, error: InvalidInputError, row: Segment | None) -> tuple[str, int]:
    if isinstance(error, RuleError):
        builder.mark(error.problems)
    return _editor(builder, row, error=error), HTTPStatus.UNPROCESSABLE_ENTITY


def _editor(builder: Builder, row: Segment | None = None, *, error: AppError | None = None) -> str:
    picks = queries.picks_of(current_session(), current_actor(), segment_id=row.id) if row else {}
    return render_template(
        "segments/edit.html",
        picks=picks,
        found=_found_people(),
        name=request.form.get("name", ""),
        error=error,
        **state(builder, row),
    )


def _found_people() -> list[Any]:
    """People to add by hand, found by a plain search (for pages without script)."""
    text = request.args.get("q", "").strip()
    if not text:
        return []
    session, actor = current_session(), current_actor()
    matched = contact_queries.search_contacts(session, actor, text=text, limit=10)
    found = contact_queries.contacts(session, actor, contact_ids=matched)
    return [found[key] for key in matched if key in found]


def state(builder: Builder, row: Segment | None) -> dict[str, Any]:
    """What builder, sentence and figures show, for the whole page and for its parts."""
    session, actor, now = current_session(), current_actor(), request_now()
    seed = request.values.get("seed", default=0, type=int)
    rule, unfinished = builder.usable_rule()
    try:
        shown = queries.preview(session, actor, rule=rule, now=now, against=row, seed=seed)
    except RuleError as error:
        builder.mark(error.problems)
        shown = queries.preview(session, actor, rule=EVERYBODY, now=now, against=row, seed=seed)
        unfinished += len(error.problems)
    return {
        "builder": builder,
        "segment": row,
        "preview": shown,
        # Before anything was asked there is nothing to finish.
        "unfinished": unfinished if builder.fields() else 0,
        "seed": seed,
        "choices": queries.choices_of(session, actor, fields=builder.fields(), people=_named_people(builder)),
        "groups": words.grouped(builder.catalogue, used={field.name for field in builder.fields()}),
        "operators": OPERATOR_LABELS,
        "controls": words.controls,
        "modes": words.MODES,
        "units": words.UNITS,
        "months": words.months(),
        "may_edit": _may_edit(),
    }


def _catalogue() -> Catalogue:
    return catalogue_of(current_session(), current_actor().workspace_id)


def _named_people(builder: Builder) -> list[UUID]:
    """The contacts that conditions of the builder name, to show them by name."""
    return [UUID(value) for value in builder.people() if _is_id(value)]


def _still(row: Segment) -> str:
    """The page of a frozen or hand-picked segment: its people, no rule."""
    session, actor = current_session(), current_actor()
    page = queries.members(session, actor, segment=row, now=request_now(), after=request.args.get("after"))
    origin = row.frozen_from_id and queries.segment(session, actor, segment_id=row.frozen_from_id, deleted=True)
    return render_template(
        "segments/still.html",
        segment=row,
        count=queries.member_counts(session, actor, segments=[row])[row.id] or 0,
        page=page,
        origin=origin,
        found=_found_people(),
        kinds=words.KINDS,
        may_edit=_may_edit(),
    )

"""Changing many people at once: chosen rows or everybody whom the list finds, with a preview, and taking it back."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.contacts import queries as contacts
from crm.contacts import words
from crm.contacts.kinds import Importance, Lifecycle
from crm.desk import people_filter
from crm.desk.people_query import where_of
from crm.desk.people_views import PEOPLE
from crm.errors import AppError, InvalidInputError
from crm.filters.schema import RuleError
from crm.lifecycle.kinds import BulkField
from crm.lifecycle.queries.changes import bulk_edits
from crm.lifecycle.services import bulk_edit as service
from crm.lifecycle.services.bulk_edit import BulkChange, Chosen
from crm.lifecycle.services.changes import undo as undo_changes
from crm.web.i18n import _, ngettext, translated
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("people_bulk", __name__)

#: Where the value of each field stands in the form.
INPUTS: Final = {
    BulkField.OWNER: "owner_id",
    BulkField.LIFECYCLE: "new_lifecycle",
    BulkField.IMPORTANCE: "new_importance",
    BulkField.ADD_TAG: "new_tag",
    BulkField.REMOVE_TAG: "new_tag",
}


@blueprint.get("/contacts/bulk")
@requires(Permission.BULK_EDIT)
def everybody() -> str:
    """What can be done to everybody whom the list finds."""
    args = _args(request.args)
    return render_template(
        "desk/people_bulk.html",
        args=args,
        meant=service.meant(current_session(), current_actor(), chosen=chosen_by(args)),
        most=service.MOST,
        **choices(),
    )


@blueprint.post("/contacts/bulk/preview")
@requires(Permission.BULK_EDIT)
def preview() -> ResponseReturnValue:
    """Say what would happen to how many people; nothing changes."""
    session, actor, change = current_session(), current_actor(), _change()
    try:
        found = service.preview(session, actor, chosen=_chosen(), change=change)
    except InvalidInputError as error:
        return _refused(error)
    if not found.changing:
        flash(_("Nothing would change for anybody.") if found.meant else _("Choose somebody first."), "wait")
        return redirect(_back(), code=303)
    kept = {**{key: request.form[key] for key in PEOPLE.filters if request.form.get(key)}, "back": _back()}
    return render_template(
        "desk/people_bulk_preview.html",
        found=found,
        sentence=sentence(change.field, change.value),
        field=change.field,
        value=change.value,
        ids=request.form.getlist("ids") if "all" not in request.form else [],
        is_all="all" in request.form,
        kept=kept,
    )


@blueprint.post("/contacts/bulk")
@requires(Permission.BULK_EDIT)
def apply() -> ResponseReturnValue:
    """Do it, and offer to take it back."""
    try:
        done = service.bulk_edit(
            current_session(), current_actor(), chosen=_chosen(), change=_change(), now=request_now()
        )
    except InvalidInputError as error:
        return _refused(error)
    said = ngettext("%(num)d person changed.", "%(num)d people changed.", done.changed)
    if done.change_set_id is None:
        flash(_("Nothing would change for anybody."), "wait")
    else:
        undo_url = url_for(".undo", change_set_id=done.change_set_id)
        flash({"text": said, "undo_url": undo_url}, "ok")  # pyright: ignore[reportArgumentType]
    return redirect(_back(), code=303)


@blueprint.get("/contacts/bulk/changes")
@requires(Permission.BULK_EDIT)
def changes() -> str:
    """What was changed of many people, with the way back for thirty days."""
    page = bulk_edits(current_session(), current_actor(), after=request.args.get("after"), now=request_now())
    rows = [(row, sentence(*_told(row.title))) for row in page.items]
    return render_template("desk/people_changes.html", rows=rows, next=page.next)


@blueprint.post("/contacts/bulk/changes/<uuid:change_set_id>/undo")
@requires(Permission.BULK_EDIT)
def undo(change_set_id: UUID) -> ResponseReturnValue:
    """Take a bulk edit back; what somebody changed later stays."""
    service.require_bulk_edit(current_session(), current_actor(), change_set_id=change_set_id)
    try:
        done = undo_changes(current_session(), current_actor(), change_set_id=change_set_id, now=request_now())
    except AppError as error:
        if error.status == 404:  # noqa: PLR2004 - somebody else's, told as such.
            raise
        flash(translated(error.message), "bad")
        return redirect(url_for(".changes"), code=303)
    kept = done.kept_because_later
    later = ngettext("%(num)d later change stays.", "%(num)d later changes stay.", kept) if kept else ""
    flash(" ".join(filter(None, [_("Taken back."), later])), "ok")
    return redirect(url_for(".changes"), code=303)


def chosen_by(args: Mapping[str, str]) -> Chosen:
    """Everybody whom the words of an address find; raises `InvalidInputError` for a filter that can't be read."""
    session, actor = current_session(), current_actor()
    try:
        rule = people_filter.filter_of(session, actor, text=args.get("rule", ""))
    except RuleError as error:
        raise InvalidInputError(str(error.problems[0].message), code="view_is_out_of_date") from error
    return Chosen(where=where_of(session, actor, args, rule))


def sentence(field: BulkField, value: str) -> str:
    """What a bulk edit does, in a few words."""
    match field:
        case BulkField.OWNER:
            return _owned_by(value)
        case BulkField.LIFECYCLE:
            return _("Stage: %(value)s", value=words.LIFECYCLE_LABELS.get(value, value))
        case BulkField.IMPORTANCE:
            return _("Importance: %(value)s", value=words.IMPORTANCE_LABELS.get(value, value))
        case BulkField.ADD_TAG:
            return _("Tag “%(name)s” on", name=value)
        case BulkField.REMOVE_TAG:
            return _("Tag “%(name)s” off", name=value)
        case BulkField.DELETE:
            return _("Delete them")


def _owned_by(value: str) -> str:
    if not value:
        return _("Nobody owns them any more")
    names = contacts.colleagues(current_session(), current_actor())
    return _("%(name)s owns them", name=names.get(UUID(value)) or _("somebody who left"))


def choices() -> dict[str, Any]:
    """What the form of a bulk edit offers."""
    session, actor = current_session(), current_actor()
    return {
        "colleagues": contacts.colleagues(session, actor),
        "stages": [(stage.value, words.LIFECYCLE_LABELS[stage.value]) for stage in Lifecycle],
        "importances": [(one.value, words.IMPORTANCE_LABELS[one.value]) for one in Importance],
        "known_tags": [tag.name for tag in contacts.tags(session, actor).items],
        "may_assign": actor.may(Permission.ASSIGN),
    }


def _told(title: str) -> tuple[BulkField, str]:
    field, _equals, value = title.partition("=")
    return BulkField(field), value


def _args(given: Mapping[str, str]) -> dict[str, str]:
    return {key: given[key] for key in PEOPLE.filters if given.get(key)}


def _chosen() -> Chosen:
    if "all" in request.form:
        return chosen_by(_args(request.form))
    ids = []
    for text in request.form.getlist("ids"):
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    return Chosen(contact_ids=ids)


def _change() -> BulkChange:
    word = request.form.get("do", "")
    if word not in set(BulkField):
        raise InvalidInputError(_("Choose what to change."), code="unknown_change")
    field = BulkField(word)
    value = request.form.get("value")
    return BulkChange(field=field, value=request.form.get(INPUTS.get(field, ""), "") if value is None else value)


def _back() -> str:
    return local_or(request.form.get("back"), url_for("people.index"))


def _refused(error: InvalidInputError) -> ResponseReturnValue:
    flash(translated(next(iter(error.fields.values()), error.message)), "bad")
    return redirect(_back(), code=303)

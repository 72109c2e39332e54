"""The settings of the timeline: kinds of the user's own, labels, keyword rules."""

from typing import Any, cast
from uuid import UUID

from flask import Flask, flash, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from crm.accounts import places
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts.inputs import parsed
from crm.errors import AppError
from crm.interactions import queries, services, words
from crm.interactions.forms import LabelForm, OwnKindForm, RuleForm
from crm.interactions.views.blueprint import blueprint
from crm.web.i18n import _, lazy, ngettext
from crm.web.sessions import current_session, request_now

may_change = requires(Permission.BULK_EDIT)


@blueprint.record_once
def _settings(state: BlueprintSetupState) -> None:
    places.add_settings_page(
        cast("Flask", state.app),
        places.SettingsPage(
            key="timeline",
            label=lazy("Timeline"),
            text=lazy("Kinds of entry of your own, labels, and words that say how somebody feels."),
            icon="note",
            endpoint="interactions.settings",
            needs=Permission.BULK_EDIT,
            order=40,
        ),
    )


@blueprint.get("/settings/timeline")
@may_change
def settings() -> str:
    """Everything on one page."""
    return _page()


def _page(**forms: Any) -> str:
    session, actor = current_session(), current_actor()
    labels = queries.labels(session, actor, with_archived=True)
    offered = [row for row in labels if row.archived_at is None]
    shown = {"kind": OwnKindForm(formdata=None), "label": LabelForm(formdata=None), "rule": RuleForm(formdata=None)}
    shown.update(forms)
    shown["rule"].offer(offered)
    count, size = queries.stored(session, actor)
    return render_template(
        "interactions/settings.html",
        kinds=queries.own_kinds(session, actor, with_archived=True),
        labels=labels,
        rules=queries.keyword_rows(session, actor),
        forms=shown,
        moods=words.SENTIMENT_LABELS,
        files=count,
        megabytes=size / 1024 / 1024,
    )


def _back() -> Response:
    return redirect(url_for(".settings"), 303)


@blueprint.post("/settings/timeline/kinds")
@may_change
def add_kind() -> Response | tuple[str, int]:
    """A kind of one's own."""
    form = OwnKindForm()
    if form.validate_on_submit():
        try:
            data = parsed(services.KindInput, {key: form.data[key] for key in ("name", "icon", "tone")})
            services.add_kind(current_session(), current_actor(), data=data, now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            return _back()
    return _page(kind=form), 422


@blueprint.get("/settings/timeline/kinds/<own_kind>")
@may_change
def edit_kind(own_kind: str) -> str:
    """One kind."""
    row = queries.own_kind(current_session(), current_actor(), key=own_kind)
    form = OwnKindForm(formdata=None, data={"name": row.name, "icon": row.icon, "tone": row.tone})
    return render_template("interactions/kind.html", form=form, row=row)


@blueprint.post("/settings/timeline/kinds/<own_kind>")
@may_change
def change_kind(own_kind: str) -> Response | tuple[str, int]:
    """Call it otherwise, or show it otherwise."""
    row = queries.own_kind(current_session(), current_actor(), key=own_kind)
    form = OwnKindForm()
    if form.validate_on_submit():
        try:
            data = parsed(services.KindInput, {key: form.data[key] for key in ("name", "icon", "tone")})
            services.change_kind(current_session(), current_actor(), key=own_kind, data=data)
        except AppError as error:
            form.absorb(error)
        else:
            return _back()
    return render_template("interactions/kind.html", form=form, row=row), 422


@blueprint.post("/settings/timeline/kinds/<own_kind>/archive")
@may_change
def archive_kind(own_kind: str) -> Response:
    """Offer it no longer, or again."""
    services.archive_kind(
        current_session(),
        current_actor(),
        key=own_kind,
        is_archived=request.form.get("restore") != "1",
        now=request_now(),
    )
    return _back()


@blueprint.post("/settings/timeline/labels")
@may_change
def add_label() -> Response | tuple[str, int]:
    """A label."""
    form = LabelForm()
    if form.validate_on_submit():
        try:
            data = parsed(services.LabelInput, {key: form.data[key] for key in ("name", "tone")})
            services.add_label(current_session(), current_actor(), data=data, now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            return _back()
    return _page(label=form), 422


@blueprint.get("/settings/timeline/labels/<uuid:label_id>")
@may_change
def edit_label(label_id: UUID) -> str:
    """One label."""
    row = queries.label(current_session(), current_actor(), label_id=label_id)
    form = LabelForm(formdata=None, data={"name": row.name, "tone": row.tone})
    return render_template("interactions/label.html", form=form, row=row)


@blueprint.post("/settings/timeline/labels/<uuid:label_id>")
@may_change
def change_label(label_id: UUID) -> Response | tuple[str, int]:
    """Call it otherwise."""
    row = queries.label(current_session(), current_actor(), label_id=label_id)
    form = LabelForm()
    if form.validate_on_submit():
        try:
            data = parsed(services.LabelInput, {key: form.data[key] for key in ("name", "tone")})
            services.change_label(current_session(), current_actor(), label_id=label_id, data=data)
        except AppError as error:
            form.absorb(error)
        else:
            return _back()
    return render_template("interactions/label.html", form=form, row=row), 422


@blueprint.post("/settings/timeline/labels/<uuid:label_id>/archive")
@may_change
def archive_label(label_id: UUID) -> Response:
    """Offer it no longer, or again."""
    services.archive_label(
        current_session(),
        current_actor(),
        label_id=label_id,
        is_archived=request.form.get("restore") != "1",
        now=request_now(),
    )
    return _back()


@blueprint.post("/settings/timeline/rules")
@may_change
def add_rule() -> Response | tuple[str, int]:
    """A word that says something."""
    session, actor = current_session(), current_actor()
    form = RuleForm().offer(queries.labels(session, actor))
    if form.validate_on_submit():
        try:
            given = {key: form.data[key] or None for key in ("phrase", "sentiment", "label_id")}
            services.add_rule(session, actor, data=parsed(services.KeywordInput, given), now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            return _back()
    return _page(rule=form), 422


@blueprint.post("/settings/timeline/rules/examples")
@may_change
def add_examples() -> Response:
    """Begin with the Italian and English examples."""
    names = {kind: str(label) for kind, label in words.LABEL_NAMES.items()}
    made = services.add_examples(current_session(), current_actor(), names=names, now=request_now())
    flash(ngettext("%(num)d rule is new.", "%(num)d rules are new.", made), "ok")
    return _back()


@blueprint.post("/settings/timeline/rules/<uuid:keyword_rule_id>/delete")
@may_change
def delete_rule(keyword_rule_id: UUID) -> Response:
    """The word says nothing any more."""
    services.delete_rule(current_session(), current_actor(), rule_id=keyword_rule_id)
    flash(_("The rule is gone; what it said about earlier entries stays."), "ok")
    return _back()

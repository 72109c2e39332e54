"""Settings: pipelines, their stages, and the reasons for which deals are lost."""

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.deals import queries, services, words
from crm.deals.forms import NameForm, RemoveForm, StageForm, as_id
from crm.deals.kinds import StageKind
from crm.deals.models import Pipeline
from crm.deals.services import StageInput
from crm.deals.views.blueprint import blueprint
from crm.errors import AppError, NotFoundError
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

may_manage = requires(Permission.MANAGE_PIPELINES)


@blueprint.get("/settings/pipelines")
@may_manage
def pipelines() -> str:
    """The pipelines, and why deals are lost."""
    return _settings(NameForm(formdata=None), NameForm(formdata=None))


def _settings(form: NameForm, reason_form: NameForm) -> str:
    session, actor = current_session(), current_actor()
    stages: dict[UUID, list[str]] = {}
    for stage in queries.stages(session, actor):
        stages.setdefault(stage.pipeline_id, []).append(stage.name)
    return render_template(
        "deals/pipelines.html",
        pipelines=queries.pipelines(session, actor),
        archived=queries.pipelines(session, actor, archived=True),
        stages=stages,
        reasons=queries.lost_reasons(session, actor),
        form=form,
        reason_form=reason_form,
    )


def _usual(name: str) -> Pipeline:
    """A pipeline with the usual stages in the reader's language."""
    stages = [
        StageInput(name=str(label), kind=kind, probability=chance, rot_days=days)
        for label, kind, chance, days in words.USUAL_STAGES
    ]
    return services.create_pipeline(current_session(), current_actor(), name=name, stages=stages, now=request_now())


@blueprint.post("/settings/pipelines/usual")
@may_manage
def begin() -> Response:
    """Begin with the usual pipeline and reasons, where there is none yet."""
    session, actor = current_session(), current_actor()
    if not queries.pipelines(session, actor):
        _usual(str(words.USUAL_NAME))
        for reason in words.USUAL_REASONS:
            services.add_reason(session, actor, name=str(reason))
    return redirect(url_for("deals.board"), 303)


@blueprint.post("/settings/pipelines")
@may_manage
def create_pipeline() -> ResponseReturnValue:
    """Add a pipeline with the usual stages, to be changed on its page."""
    form = NameForm()
    if form.validate_on_submit():
        try:
            made = _usual(form.name.data or "")
        except AppError as error:
            form.absorb(error)
        else:
            return redirect(url_for(".pipeline", pipeline_id=made.id), 303)
    return _settings(form, NameForm(formdata=None)), 422


@blueprint.get("/settings/pipelines/<uuid:pipeline_id>")
@may_manage
def pipeline(pipeline_id: UUID) -> str:
    """One pipeline and its stages."""
    return _pipeline_page(pipeline_id)


def _pipeline_page(
    pipeline_id: UUID,
    *,
    name_form: NameForm | None = None,
    new_form: StageForm | None = None,
    stage_form: tuple[UUID, StageForm] | None = None,
) -> str:
    session, actor = current_session(), current_actor()
    row = queries.pipeline(session, actor, pipeline_id=pipeline_id)
    stages = queries.stages(session, actor, pipeline_id=pipeline_id)
    forms = {stage.id: StageForm.of(stage) for stage in stages}
    if stage_form is not None:
        forms[stage_form[0]] = stage_form[1]
    return render_template(
        "deals/pipeline.html",
        pipeline=row,
        stages=stages,
        forms=forms,
        counts=queries.deals_in(session, stage_ids=[stage.id for stage in stages]),
        name_form=name_form or NameForm(formdata=None, data={"name": row.name}),
        new_form=new_form or StageForm(formdata=None),
    )


@blueprint.post("/settings/pipelines/<uuid:pipeline_id>")
@may_manage
def rename_pipeline(pipeline_id: UUID) -> ResponseReturnValue:
    """Give it another name."""
    form = NameForm()
    if form.validate_on_submit():
        try:
            services.rename_pipeline(
                current_session(), current_actor(), pipeline_id=pipeline_id, name=form.name.data or ""
            )
        except NotFoundError:
            raise
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("Saved."), "ok")
            return _to(pipeline_id)
    return _pipeline_page(pipeline_id, name_form=form), 422


def _to(pipeline_id: UUID) -> Response:
    return redirect(url_for(".pipeline", pipeline_id=pipeline_id), 303)


@blueprint.post("/settings/pipelines/<uuid:pipeline_id>/archive")
@may_manage
def archive_pipeline(pipeline_id: UUID) -> Response:
    """Put it away."""
    services.archive_pipeline(current_session(), current_actor(), pipeline_id=pipeline_id, now=request_now())
    return redirect(url_for(".pipelines"), 303)


@blueprint.post("/settings/pipelines/<uuid:pipeline_id>/forward")
@may_manage
def pipeline_forward(pipeline_id: UUID) -> Response:
    """One place to the front."""
    services.shift_pipeline(current_session(), current_actor(), pipeline_id=pipeline_id, by=-1)
    return redirect(url_for(".pipelines"), 303)


@blueprint.post("/settings/pipelines/<uuid:pipeline_id>/back")
@may_manage
def pipeline_back(pipeline_id: UUID) -> Response:
    """One place to the back."""
    services.shift_pipeline(current_session(), current_actor(), pipeline_id=pipeline_id, by=1)
    return redirect(url_for(".pipelines"), 303)


@blueprint.post("/settings/pipelines/<uuid:pipeline_id>/unarchive")
@may_manage
def unarchive_pipeline(pipeline_id: UUID) -> Response:
    """Take it into use again."""
    services.unarchive_pipeline(current_session(), current_actor(), pipeline_id=pipeline_id)
    return _to(pipeline_id)


@blueprint.post("/settings/pipelines/<uuid:pipeline_id>/stages")
@may_manage
def add_stage(pipeline_id: UUID) -> ResponseReturnValue:
    """Add a stage."""
    form = StageForm()
    if form.validate_on_submit():
        try:
            services.add_stage(current_session(), current_actor(), pipeline_id=pipeline_id, data=form.input())
        except NotFoundError:
            raise
        except AppError as error:
            form.absorb(error)
        else:
            return _to(pipeline_id)
    return _pipeline_page(pipeline_id, new_form=form), 422


@blueprint.post("/settings/stages/<uuid:stage_id>")
@may_manage
def save_stage(stage_id: UUID) -> ResponseReturnValue:
    """Save one stage."""
    session, actor, form = current_session(), current_actor(), StageForm()
    stage = queries.stage(session, actor, stage_id=stage_id)
    if form.validate_on_submit():
        try:
            services.change_stage(session, actor, stage_id=stage_id, data=form.input())
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("Saved."), "ok")
            return _to(stage.pipeline_id)
    return _pipeline_page(stage.pipeline_id, stage_form=(stage_id, form)), 422


@blueprint.post("/settings/stages/<uuid:stage_id>/forward")
@may_manage
def stage_forward(stage_id: UUID) -> Response:
    """One place to the front."""
    return _to(services.shift_stage(current_session(), current_actor(), stage_id=stage_id, by=-1).pipeline_id)


@blueprint.post("/settings/stages/<uuid:stage_id>/back")
@may_manage
def stage_back(stage_id: UUID) -> Response:
    """One place to the back."""
    return _to(services.shift_stage(current_session(), current_actor(), stage_id=stage_id, by=1).pipeline_id)


@blueprint.get("/settings/stages/<uuid:stage_id>/remove")
@may_manage
def removing(stage_id: UUID) -> str:
    """Where its deals go."""
    return _remove_page(stage_id, RemoveForm(formdata=None))


def _remove_page(stage_id: UUID, form: RemoveForm) -> str:
    session, actor = current_session(), current_actor()
    stage = queries.stage(session, actor, stage_id=stage_id)
    rest = queries.stages(session, actor, pipeline_id=stage.pipeline_id)
    form.offer([other for other in rest if other.kind == stage.kind and other.id != stage.id])
    return render_template(
        "deals/remove_stage.html",
        stage=stage,
        pipeline=queries.pipeline(session, actor, pipeline_id=stage.pipeline_id),
        count=queries.deals_in(session, stage_ids=[stage.id]).get(stage.id, 0),
        is_last=stage.kind == StageKind.OPEN and sum(other.kind == StageKind.OPEN for other in rest) == 1,
        form=form,
    )


@blueprint.post("/settings/stages/<uuid:stage_id>/remove")
@may_manage
def remove_stage(stage_id: UUID) -> ResponseReturnValue:
    """Take it out of use."""
    session, actor, form = current_session(), current_actor(), RemoveForm()
    try:
        move_to = as_id(form.move_to.data, "move_to")
        stage = services.remove_stage(session, actor, stage_id=stage_id, move_to=move_to, now=request_now())
    except NotFoundError:
        raise
    except AppError as error:
        form.validate()
        form.absorb(error)
        return _remove_page(stage_id, form), error.status
    flash(_("“%(name)s” was removed.", name=stage.name), "ok")
    return _to(stage.pipeline_id)


@blueprint.post("/settings/lost-reasons")
@may_manage
def add_reason() -> ResponseReturnValue:
    """Add a reason."""
    form = NameForm()
    if form.validate_on_submit():
        try:
            services.add_reason(current_session(), current_actor(), name=form.name.data or "")
        except AppError as error:
            form.absorb(error)
        else:
            return redirect(url_for(".pipelines", _anchor="reasons"), 303)
    return _settings(NameForm(formdata=None), form), 422


@blueprint.post("/settings/lost-reasons/<uuid:reason_id>/remove")
@may_manage
def remove_reason(reason_id: UUID) -> Response:
    """Offer it no more."""
    services.remove_reason(current_session(), current_actor(), reason_id=reason_id, now=request_now())
    return redirect(url_for(".pipelines", _anchor="reasons"), 303)

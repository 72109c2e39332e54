"""Moving a deal: to another stage or pipeline by a form, on the board by its script or by the buttons of a card."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.deals import queries, services
from crm.deals.forms import MoveForm
from crm.deals.kinds import Step
from crm.deals.models import Deal
from crm.deals.services import DealChangedError, MoveInput
from crm.deals.views.blueprint import blueprint, is_partial
from crm.deals.views.board import looking
from crm.errors import AppError
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now


@blueprint.get("/deals/<uuid:deal_id>/move")
@requires(Permission.EDIT)
def move_page(deal_id: UUID) -> str:
    """Choose a stage, also of another pipeline; `?to=` proposes one."""
    deal = queries.deal(current_session(), current_actor(), deal_id=deal_id)
    form = MoveForm(formdata=None, data={"version": str(deal.version)})
    form.stage_id.data = request.args.get("to") or str(deal.stage_id)
    return _move_page(form, deal)


def _move_page(form: MoveForm, deal: Deal) -> str:
    session, actor = current_session(), current_actor()
    names = {row.id: row.name for row in queries.pipelines(session, actor)}
    names.setdefault(deal.pipeline_id, queries.pipeline(session, actor, pipeline_id=deal.pipeline_id).name)
    stages = [row for row in queries.stages(session, actor) if row.pipeline_id in names]
    # Its own pipeline first, the others behind it in their order.
    stages.sort(key=lambda row: row.pipeline_id != deal.pipeline_id)
    form.offer(stages, queries.lost_reasons(session, actor), names)
    return render_template(
        "deals/move.html", form=form, deal=deal, lost=[row.name for row in stages if row.kind == "lost"]
    )


@blueprint.post("/deals/<uuid:deal_id>/move")
@requires(Permission.EDIT)
def move(deal_id: UUID) -> ResponseReturnValue:
    """Move the deal; the board's script gets new heads and a sentence, a form is led back."""
    session, actor, now = current_session(), current_actor(), request_now()
    deal = queries.deal(session, actor, deal_id=deal_id)
    form, before = MoveForm(), deal.stage_id
    step = next((one for one in Step if one == request.form.get("step")), None)
    if step:
        form.stage_id.data = str(deal.stage_id)
    status = 422
    if form.validate_on_submit():
        try:
            data = _stepped(form.input(), deal, step) if step else _anywhere(form.input())
            deal = services.move(session, actor, deal_id=deal_id, data=data, expected_version=form.expected(), now=now)
        except DealChangedError as error:
            if is_partial():
                return render_template("deals/_refused.html", text=translated(error.message)), 409
            form.form_errors.append(translated(error.message))
            form.version.raw_data, form.version.data = None, str(deal.version)
            status = 409
        except AppError as error:
            if is_partial():
                return render_template("deals/_refused.html", text=translated(error.message)), error.status
            form.absorb(error)
            status = error.status
        else:
            return _moved(deal, before)
    return _move_page(form, deal), status


def _stepped(data: MoveInput, deal: Deal, step: Step) -> MoveInput:
    """The place one step from where the deal stands, among the cards that the address shows."""
    session, actor = current_session(), current_actor()
    page = looking(queries.pipeline(session, actor, pipeline_id=deal.pipeline_id))
    after_id, before_id = queries.beside(session, actor, deal=deal, where=page.where, step=step, now=request_now())
    return data.model_copy(update={"after_id": after_id, "before_id": before_id})


def _anywhere(data: MoveInput) -> MoveInput:
    """The form that offers the stages of every pipeline means the one whose stage was chosen."""
    if not request.form.get("anywhere"):
        return data
    stage = queries.stage(current_session(), current_actor(), stage_id=data.stage_id)
    return data.model_copy(update={"pipeline_id": stage.pipeline_id})


def _moved(deal: Deal, before: UUID) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), request_now()
    card = queries.card(session, actor, deal_id=deal.id, now=now)
    if not is_partial():
        if deal.stage_id != before:
            flash(_("“%(title)s” stands in “%(stage)s” now.", title=card.title, stage=card.stage_name), "ok")
        return redirect(local_or(request.form.get("back"), url_for("deal_page.show", deal_id=deal.id)), 303)
    pipeline = queries.pipeline(session, actor, pipeline_id=deal.pipeline_id)
    page = looking(pipeline)
    columns = queries.board(session, actor, where=page.where, now=now, limit=1)
    stages = [column.stage for column in columns]
    return render_template(
        "deals/_moved.html",
        card=card,
        is_elsewhere=deal.stage_id != before,
        page=page,
        stages=stages,
        columns=[column for column in columns if column.stage.id in {before, deal.stage_id}],
        may_edit=True,
    )

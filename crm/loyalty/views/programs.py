"""The programme: overview, settings and earning rules."""

from uuid import UUID

from flask import abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.errors import AppError
from crm.loyalty import queries, services
from crm.loyalty.forms import ProgramForm, RuleForm
from crm.loyalty.models import Program
from crm.loyalty.views.blueprint import blueprint
from crm.loyalty.words import EARNING_KINDS
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/loyalty")
@requires(Permission.VIEW_OWN)
def overview() -> ResponseReturnValue:
    """The programme in figures, its best members, its rules."""
    session, actor, now = current_session(), current_actor(), request_now()
    program = queries.default_program(session, actor)
    if program is None:
        return render_template("loyalty/overview.html", program=None)
    return render_template(
        "loyalty/overview.html",
        program=program,
        figures=queries.figures(session, actor, program_id=program.id, now=now),
        members=queries.list_members(session, actor, program_id=program.id, limit=5).items,
        rules=queries.rules(session, actor, program_id=program.id),
        offers=queries.list_offers(session, actor, limit=5, now=now).items,
        kinds=dict(EARNING_KINDS),
    )


@blueprint.get("/loyalty/program")
@requires(Permission.MANAGE_LOYALTY)
def program_form() -> ResponseReturnValue:
    """Start or change the programme."""
    program = queries.default_program(current_session(), current_actor())
    return render_template("loyalty/program.html", form=ProgramForm.of(program), program=program)


@blueprint.post("/loyalty/program")
@requires(Permission.MANAGE_LOYALTY)
def save_program() -> ResponseReturnValue:
    """Store the programme."""
    session, actor, now = current_session(), current_actor(), request_now()
    program, form = queries.default_program(session, actor), ProgramForm()
    if form.validate_on_submit():
        try:
            if program is None:
                services.create_program(session, actor, data=form.input(), now=now)
            else:
                services.update_program(session, actor, program_id=program.id, data=form.input(), now=now)
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("The programme is saved."), "ok")
            return redirect(url_for("loyalty.overview"), code=303)
    return render_template("loyalty/program.html", form=form, program=program), 422


@blueprint.get("/loyalty/rules/new")
@requires(Permission.MANAGE_LOYALTY)
def rule_form() -> ResponseReturnValue:
    """Write an earning rule."""
    return render_template("loyalty/rule.html", form=RuleForm(), program=_program())


@blueprint.post("/loyalty/rules/new")
@requires(Permission.MANAGE_LOYALTY)
def create_rule() -> ResponseReturnValue:
    """Switch the rule on."""
    program, form = _program(), RuleForm()
    if form.validate_on_submit():
        try:
            services.create_rule(current_session(), current_actor(), data=form.input(), now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("The rule gives points from now on."), "ok")
            return redirect(url_for("loyalty.overview"), code=303)
    return render_template("loyalty/rule.html", form=form, program=program), 422


@blueprint.post("/loyalty/rules/<uuid:rule_id>/retire")
@requires(Permission.MANAGE_LOYALTY)
def retire_rule(rule_id: UUID) -> ResponseReturnValue:
    """Switch the rule off."""
    services.retire_rule(current_session(), current_actor(), rule_id=rule_id, now=request_now())
    flash(_("The rule gives no more points; what it gave stays."), "ok")
    return redirect(url_for("loyalty.overview"), code=303)


def _program() -> Program:
    program = queries.default_program(current_session(), current_actor())
    return program or abort(404)

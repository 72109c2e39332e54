"""Pages of enrichment: look a company up, decide about suggestions, choose the sources."""

from uuid import UUID

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from crm.accounts import places
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.db import after_commit
from crm.enrichment import queries, services, words
from crm.enrichment.forms import SourceForm
from crm.enrichment.kinds import Choice, RunState, SourceName
from crm.enrichment.models import EnrichmentRun
from crm.enrichment.sources import SOURCES
from crm.errors import AppError
from crm.jobs import JobName
from crm.web.i18n import _, lazy, translated
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("enrichment", __name__)
places.tell(blueprint, words.TOLD)


@blueprint.record_once
def _settings(state: BlueprintSetupState) -> None:
    places.add_settings_page(
        state.app,  # type: ignore[arg-type]
        places.SettingsPage(
            key="enrichment",
            label=lazy("Public sources"),
            text=lazy("Where empty fields of people and companies may be filled from."),
            icon="world",
            endpoint="enrichment.sources",
            group=places.SettingsGroup.CHANNELS,
            needs=Permission.MANAGE_CHANNELS,
            order=30,
        ),
    )


def wake(run: EnrichmentRun) -> None:
    """Ring for a worker once the request is committed; a run that has ended needs none."""
    if run.state != RunState.QUEUED:
        return
    workspace_id, run_id, jobs = run.workspace_id, run.id, current_app.extensions["crm_jobs"]
    after_commit(
        current_session(),
        lambda: jobs.enqueue(JobName.ENRICH, id=f"run:{run_id}", workspace_id=workspace_id, run_id=run_id),
    )


@blueprint.get("/companies/<uuid:company_id>/enrichment")
def panel(company_id: UUID) -> str:
    """What the sources said about a company, and the suggestions that wait; the part alone for htmx."""
    whole = "HX-Request" not in request.headers
    return _panel(company_id, whole=whole)


@blueprint.post("/companies/<uuid:company_id>/enrich")
@requires(Permission.EDIT)
def enrich_company(company_id: UUID) -> ResponseReturnValue:
    """Look a company up now."""
    return _requested(company_id=company_id)


@blueprint.post("/contacts/<uuid:contact_id>/enrich")
@requires(Permission.EDIT)
def enrich_contact(contact_id: UUID) -> ResponseReturnValue:
    """Look up the company of a contact now."""
    return _requested(contact_id=contact_id)


@blueprint.post("/enrichment/suggestions/<uuid:fact_id>/<choice>")
@requires(Permission.EDIT)
def decide(fact_id: UUID, choice: str) -> ResponseReturnValue:
    """Accept a suggestion, keep one's own value, or always prefer this source for the field."""
    if choice not in set(Choice):
        abort(404)
    fact = services.decide(
        current_session(), current_actor(), fact_id=fact_id, choice=Choice(choice), now=request_now()
    )
    if fact.company_id is None:
        return redirect(f"/contacts/{fact.contact_id}", code=303)
    if "HX-Request" in request.headers:
        return _panel(fact.company_id, whole=False)
    return redirect(url_for(".panel", company_id=fact.company_id), code=303)


@blueprint.get("/settings/enrichment")
@requires(Permission.MANAGE_CHANNELS)
def sources() -> str:
    """Which sources the workspace uses, and the notice text that people found this way must get."""
    return _sources()


@blueprint.post("/settings/enrichment/<name>")
@requires(Permission.MANAGE_CHANNELS)
def set_source(name: str) -> ResponseReturnValue:
    """Switch one source on or off."""
    if name not in set(SourceName):
        abort(404)
    source = SOURCES[SourceName(name)]
    form = SourceForm.for_source(source)
    if not form.validate_on_submit():
        return _sources(form, source.name), 422
    services.set_switch(
        current_session(),
        current_actor(),
        name=source.name,
        is_on=form.is_on.data,
        always_prefer=tuple(form.always_prefer.data or ()),
        now=request_now(),
    )
    flash(_("Saved."), "success")
    return redirect(url_for(".sources"), code=303)


def _requested(*, company_id: UUID | None = None, contact_id: UUID | None = None) -> ResponseReturnValue:
    try:
        run = services.request_run(
            current_session(), current_actor(), company_id=company_id, contact_id=contact_id, now=request_now()
        )
    except (services.SourceOffError, services.NothingToAskError, services.AskedRecentlyError) as error:
        return _refused(error, company_id=company_id, contact_id=contact_id)
    wake(run)
    if "HX-Request" in request.headers and run.company_id is not None:
        return _panel(run.company_id, whole=False)
    return redirect(url_for(".panel", company_id=run.company_id), code=303)


def _refused(error: AppError, *, company_id: UUID | None, contact_id: UUID | None) -> ResponseReturnValue:
    """Say why beside the button; nothing was changed, so the answer may be committed as one that redirects."""
    if company_id is not None and "HX-Request" in request.headers:
        return _panel(company_id, whole=False, refusal=translated(error.message)), error.status
    flash(translated(error.message), "error")
    back = url_for(".panel", company_id=company_id) if company_id is not None else f"/contacts/{contact_id}"
    return redirect(back, code=303)


def _panel(company_id: UUID, *, whole: bool, refusal: str = "") -> str:
    session, actor = current_session(), current_actor()
    company = contacts.company(session, actor, company_id=company_id)
    _current, suggestions = contacts.facts_of(session, actor, company_id=company_id)
    runs = queries.latest_runs(session, actor, company_id=company_id)
    return render_template(
        "enrichment/company.html" if whole else "enrichment/_panel.html",
        company=company,
        suggestions=suggestions,
        runs=list(runs.values()),
        under_way=any(run.state in {RunState.QUEUED, RunState.RUNNING} for run in runs.values()),
        sources=SOURCES,
        switches=queries.switches(session, actor),
        may_edit=actor.may(Permission.EDIT),
        may_manage=actor.may(Permission.MANAGE_CHANNELS),
        refusal=refusal,
        words=words,
    )


def _sources(wrong: SourceForm | None = None, wrong_name: SourceName | None = None) -> str:
    switches = queries.switches(current_session(), current_actor())
    forms = {
        item.source.name: wrong
        if wrong is not None and item.source.name is wrong_name
        else SourceForm.for_source(item.source, is_on=item.is_on, always_prefer=item.always_prefer)
        for item in switches
    }
    return render_template("enrichment/sources.html", switches=switches, forms=forms, words=words)

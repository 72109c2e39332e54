"""Pages of one person's data: what there is, and erasing it for good; and the list of who was erased."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from flask import Flask, current_app, flash, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import DataRequired

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.places import SettingsPage, Words, add_settings_page, add_words
from crm.db import after_commit
from crm.errors import AppError
from crm.jobs import JobName
from crm.lifecycle import privacy_words as words
from crm.lifecycle.queries import erasures
from crm.lifecycle.services import erasing
from crm.lifecycle.views.blueprint import blueprint
from crm.settings import Settings
from crm.web.forms import Form
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now


@blueprint.record_once
def _offer(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    add_words(app, {"contact.erased": Words(lazy("Erased a person"), "eraser")})
    add_settings_page(
        app,
        SettingsPage(
            key="erasures",
            label=lazy("Erased people"),
            text=lazy("Who was erased and when, and until when backups know them."),
            icon="eraser",
            endpoint="lifecycle.erased_people",
            needs=Permission.ERASE,
            order=80,
        ),
    )


class EraseForm(Form):
    confirm = StringField(lazy("Name of the person"), validators=[DataRequired(lazy("Type the name."))])


@blueprint.get("/contacts/<uuid:contact_id>/personal-data")
@requires(Permission.ERASE)
def personal_data(contact_id: UUID) -> str:
    """What is known of a person, counted, and the way to erase it."""
    return _page(contact_id, EraseForm(formdata=None))


@blueprint.post("/contacts/<uuid:contact_id>/erase")
@requires(Permission.ERASE)
def erase(contact_id: UUID) -> Response | tuple[str, int]:
    """Erase the person whose name was typed."""
    session, actor, form = current_session(), current_actor(), EraseForm()
    erasing.person_of(session, actor, contact_id=contact_id)
    if form.validate_on_submit():
        try:
            row = erasing.erase(
                session, actor, contact_id=contact_id, confirm=form.confirm.data or "", now=request_now()
            )
        except AppError as error:
            form.absorb(error)
        else:
            wake_for(row.id)
            flash(_("The person was erased. Texts of others and files are being looked through."), "ok")
            return redirect(url_for("people.index"), 303)
    return _page(contact_id, form), 422


def wake_for(erasure_id: UUID) -> None:
    """Ring for a worker that looks through texts and files, once the request is committed."""
    workspace_id, jobs = current_actor().workspace_id, current_app.extensions["crm_jobs"]
    after_commit(
        current_session(),
        lambda: jobs.enqueue(
            JobName.FINISH_ERASURE, id=f"erasure:{erasure_id}", workspace_id=workspace_id, erasure_id=erasure_id
        ),
    )


@blueprint.get("/settings/erasures")
@requires(Permission.ERASE)
def erased_people() -> str:
    """Who was erased, the latest first: no name, only that it happened."""
    page = erasures.erasures(current_session(), current_actor(), after=request.args.get("after"))
    return render_template(
        "lifecycle/erasures.html",
        lines=page.items,
        causes=words.CAUSES,
        backup_days=_settings().backup_days,
        more=url_for(".erased_people", after=page.next) if page.next else None,
    )


def _page(contact_id: UUID, form: EraseForm) -> str:
    session, actor = current_session(), current_actor()
    person = erasing.person_of(session, actor, contact_id=contact_id)
    counts = erasing.preview(session, actor, contact_id=contact_id)
    return render_template(
        "lifecycle/personal_data.html",
        person=person,
        form=form,
        goes=_lines(words.GOES, counts),
        stays=_lines(words.STAYS, counts),
        backups_until=request_now() + timedelta(days=_settings().backup_days),
    )


def _lines(groups: tuple[tuple[Any, tuple[str, ...]], ...], counts: dict[str, int]) -> list[tuple[str, int]]:
    found = [(label, sum(counts.get(name, 0) for name in names)) for label, names in groups]
    return [(label, count) for label, count in found if count]


def _settings() -> Settings:
    return current_app.extensions["crm_settings"]

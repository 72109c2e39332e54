"""Limiting the processing of a person's data, and lifting the limit: part of the page of their personal data."""

from typing import cast
from uuid import UUID

from flask import Flask, flash, redirect, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.places import Words, add_words
from crm.contacts import services
from crm.contacts.kinds import LimitGround
from crm.errors import AppError
from crm.lifecycle.limit_forms import LiftForm, LimitForm
from crm.lifecycle.services import erasing
from crm.lifecycle.views.blueprint import blueprint
from crm.lifecycle.views.privacy import EraseForm, show
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now


@blueprint.record_once
def _offer(state: BlueprintSetupState) -> None:
    words = {
        "contact.processing_limited": Words(lazy("Limited the processing of a person’s data"), "player-pause"),
        "contact.limit_lifted": Words(lazy("Lifted a limit on processing"), "player-play"),
    }
    add_words(cast("Flask", state.app), words)


@blueprint.post("/contacts/<uuid:contact_id>/limit")
@requires(Permission.ERASE)
def limit(contact_id: UUID) -> Response | tuple[str, int]:
    """Let the person's data be kept and nothing else."""
    session, actor, form = current_session(), current_actor(), LimitForm()
    erasing.person_of(session, actor, contact_id=contact_id)
    if form.validate_on_submit():
        try:
            services.limit_processing(
                session,
                actor,
                contact_id=contact_id,
                ground=LimitGround(form.ground.data),
                asked_on=form.asked(),
                note=form.note.data or "",
                now=request_now(),
            )
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("The data are only kept from now on. What waited to be sent is held."), "ok")
            return redirect(url_for(".personal_data", contact_id=contact_id), 303)
    return show(contact_id, EraseForm(formdata=None), limit=form), 422


@blueprint.post("/contacts/<uuid:contact_id>/lift-limit")
@requires(Permission.ERASE)
def lift_limit(contact_id: UUID) -> Response | tuple[str, int]:
    """End the limit, with a note of how the person was told."""
    session, actor, form = current_session(), current_actor(), LiftForm()
    erasing.person_of(session, actor, contact_id=contact_id)
    if form.validate_on_submit():
        try:
            services.lift_limit(session, actor, contact_id=contact_id, note=form.note.data or "", now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("The limit is lifted. What is too late by now waits for your decision."), "ok")
            return redirect(url_for(".personal_data", contact_id=contact_id), 303)
    return show(contact_id, EraseForm(formdata=None), lift=form), 422

"""The page of how long data is kept: days for each class, what would go tonight, and what the last nights took."""

from collections.abc import Mapping
from typing import cast

from flask import Flask, flash, redirect, render_template, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response
from wtforms import IntegerField
from wtforms.validators import NumberRange, Optional

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.places import SettingsPage, Words, add_settings_page, add_words
from crm.errors import AppError
from crm.lifecycle.privacy_words import CLASSES
from crm.lifecycle.queries import erasures
from crm.lifecycle.rules.retention import CHOSEN, LEAST_DAYS, MOST_DAYS, DataClass
from crm.lifecycle.services import retaining
from crm.lifecycle.views.blueprint import blueprint
from crm.web.forms import Form
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now


@blueprint.record_once
def _offer(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    add_words(app, {"retention.changed": Words(lazy("Changed how long data is kept"), "clock")})
    add_settings_page(
        app,
        SettingsPage(
            key="retention",
            label=lazy("How long data is kept"),
            text=lazy("Days for each kind of data, and what would go tonight."),
            icon="hourglass",
            endpoint="lifecycle.retention",
            needs=Permission.MANAGE_WORKSPACE,
            order=81,
        ),
    )


class DaysForm(Form):
    """One number of days for each class; empty keeps it."""

    @classmethod
    def of(cls, days: Mapping[DataClass, int | None] | None) -> "DaysForm":
        """The form filled with `days`; None reads the request."""
        limits = NumberRange(
            LEAST_DAYS,
            MOST_DAYS,
            lazy("Write %(least)s to %(most)s days, or nothing to keep it.", least=LEAST_DAYS, most=MOST_DAYS),
        )
        fields = {kind.value: IntegerField(CLASSES[kind][0], validators=[Optional(), limits]) for kind in CHOSEN}
        form = type("DaysFormOfAll", (cls,), fields)
        if days is None:
            return form()
        return form(formdata=None, data={kind.value: value for kind, value in days.items()})


@blueprint.get("/settings/retention")
@requires(Permission.MANAGE_WORKSPACE)
def retention() -> str:
    """What is kept for how long, and what would go tonight."""
    return _page(DaysForm.of(erasures.days_of(current_session())))


@blueprint.post("/settings/retention")
@requires(Permission.MANAGE_WORKSPACE)
def choose_retention() -> Response | tuple[str, int]:
    """Save the days; nothing goes before the night."""
    form = DaysForm.of(None)
    if form.validate_on_submit():
        days = {kind: form[kind.value].data for kind in CHOSEN}
        try:
            retaining.choose(current_session(), current_actor(), days=days)
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("Saved. Nothing goes before the night."), "ok")
            return redirect(url_for(".retention"), 303)
    return _page(form), 422


def _page(form: DaysForm) -> str:
    session, actor = current_session(), current_actor()
    return render_template(
        "lifecycle/retention.html",
        form=form,
        lines=[(line, *CLASSES[line.data_class]) for line in retaining.outlook(session, actor, now=request_now())],
        nights=erasures.nights(session, actor),
        labels={kind.value: label for kind, (label, _note) in CLASSES.items()},
    )

"""Pages of warmth and of keeping in touch."""

from datetime import timedelta
from typing import cast
from uuid import UUID

from flask import Flask, flash, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response
from wtforms import DateField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from crm.accounts import places
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.clock import local_day
from crm.contacts import queries as contact_queries
from crm.contacts.inputs import parsed
from crm.errors import InvalidInputError
from crm.interactions.queries import keeping as queries
from crm.interactions.services import keeping as services
from crm.interactions.services.keeping import MOST_DAYS, CadenceInput, CadenceSettings, PauseInput
from crm.interactions.task_forms import SnoozeForm
from crm.interactions.views.blueprint import back_or, blueprint
from crm.web.formats import day
from crm.web.forms import Form
from crm.web.i18n import _, lazy, translated
from crm.web.sessions import current_session, request_now

_DAYS = [Optional(), NumberRange(1, MOST_DAYS)]


class SettingsForm(Form):
    """After how many days people of each importance are due; empty is never."""

    key_days = IntegerField(lazy("Key people: every so many days"), validators=_DAYS)
    high_days = IntegerField(lazy("Important people: every so many days"), validators=_DAYS)
    normal_days = IntegerField(lazy("Everybody else: every so many days"), validators=_DAYS)


class RhythmForm(Form):
    """How often to be in touch with one person."""

    mode = SelectField(
        lazy("How often"),
        choices=[
            ("importance", lazy("as their importance says")),
            ("own", lazy("every so many days")),
            ("never", lazy("never remind me")),
        ],
    )
    days = IntegerField(lazy("Days"), validators=_DAYS)

    def value(self) -> int | None:
        """0 for never, None for what the importance says."""
        return {"never": 0, "own": self.days.data}.get(self.mode.data or "")


class PauseForm(Form):
    """Why it is paused."""

    reason = StringField(lazy("Why"), validators=[InputRequired(), Length(max=200)])


class LaterForm(SnoozeForm):
    """Until which day nobody needs to be in touch."""

    until = DateField(lazy("Not before"), validators=[InputRequired()])


@blueprint.record_once
def _settings(state: BlueprintSetupState) -> None:
    places.add_settings_page(
        cast("Flask", state.app),
        places.SettingsPage(
            key="keeping",
            label=lazy("Keep in touch"),
            text=lazy("How often to hear from key, important and other people."),
            icon="heart-handshake",
            endpoint="interactions.keeping_settings",
            needs=Permission.BULK_EDIT,
            order=41,
        ),
    )


@blueprint.get("/settings/keep-in-touch")
@requires(Permission.BULK_EDIT)
def keeping_settings() -> str:
    """The days of each importance."""
    key, high, normal = queries.cadence_settings(current_session(), current_actor())
    form = SettingsForm(formdata=None, data={"key_days": key, "high_days": high, "normal_days": normal})
    return render_template("interactions/keeping_settings.html", form=form)


@blueprint.post("/settings/keep-in-touch")
@requires(Permission.BULK_EDIT)
def change_keeping_settings() -> Response | tuple[str, int]:
    """Save them."""
    form = SettingsForm()
    if not form.validate_on_submit():
        return render_template("interactions/keeping_settings.html", form=form), 422
    names = ("key_days", "high_days", "normal_days")
    data = parsed(CadenceSettings, {name: form[name].data for name in names})
    services.change_settings(current_session(), current_actor(), data=data, now=request_now())
    flash(_("Saved."), "ok")
    return redirect(url_for(".keeping_settings"), 303)


@blueprint.get("/contacts/<uuid:contact_id>/keep-in-touch")
@requires(Permission.EDIT)
def rhythm(contact_id: UUID) -> str:
    """How often to be in touch with a person, pausing and putting off."""
    return _rhythm_page(contact_id)


def _rhythm_page(contact_id: UUID, **forms: Form) -> str:
    session, actor = current_session(), current_actor()
    person = contact_queries.contact(session, actor, contact_id=contact_id)
    held = queries.rhythm_of(session, actor, contact_id=contact_id)
    mode = "importance" if held.own_days is None else ("own" if held.own_days else "never")
    shown: dict[str, Form] = {
        "form": RhythmForm(formdata=None, data={"mode": mode, "days": held.own_days or None}),
        "pause": PauseForm(formdata=None),
        "later": LaterForm(formdata=None),
    }
    return render_template("interactions/rhythm.html", person=person, rhythm=held, **{**shown, **forms})


@blueprint.post("/contacts/<uuid:contact_id>/keep-in-touch")
@requires(Permission.EDIT)
def change_rhythm(contact_id: UUID) -> Response | tuple[str, int]:
    """Save how often."""
    form = RhythmForm()
    if form.validate_on_submit():
        if form.mode.data == "own" and form.days.data is None:
            form.days.errors = [_("How many days?")]
        else:
            services.set_days(
                current_session(),
                current_actor(),
                contact_id=contact_id,
                data=parsed(CadenceInput, {"days": form.value()}),
                now=request_now(),
            )
            return redirect(url_for("contact_page.show", contact_id=contact_id), 303)
    return _rhythm_page(contact_id, form=form), 422


@blueprint.post("/contacts/<uuid:contact_id>/keep-in-touch/pause")
@requires(Permission.EDIT)
def pause_rhythm(contact_id: UUID) -> Response | tuple[str, int]:
    """Nobody is told to be in touch for now."""
    form = PauseForm()
    if not form.validate_on_submit():
        return _rhythm_page(contact_id, pause=form), 422
    data = parsed(PauseInput, {"reason": form.reason.data})
    services.pause(current_session(), current_actor(), contact_id=contact_id, data=data, now=request_now())
    return redirect(url_for("contact_page.show", contact_id=contact_id), 303)


@blueprint.post("/contacts/<uuid:contact_id>/keep-in-touch/resume")
@requires(Permission.EDIT)
def resume_rhythm(contact_id: UUID) -> Response:
    """It goes on."""
    services.resume(current_session(), current_actor(), contact_id=contact_id, now=request_now())
    return back_or(url_for("contact_page.show", contact_id=contact_id))


@blueprint.post("/contacts/<uuid:contact_id>/keep-in-touch/later")
@requires(Permission.EDIT)
def snooze_rhythm(contact_id: UUID) -> Response | tuple[str, int]:
    """Not before a day, by default in a week."""
    actor, now, form = current_actor(), request_now(), LaterForm()
    if not request.form.get("until"):
        form.until.data = local_day(now, tz=actor.time_zone) + timedelta(days=7)
    elif not form.validate_on_submit():
        return _rhythm_page(contact_id, later=form), 422
    try:
        until = form.instant(tz=actor.time_zone)
        services.snooze(current_session(), actor, contact_id=contact_id, until=until, now=now)
    except InvalidInputError as error:
        form.until.errors = [translated(error.message)]
        return _rhythm_page(contact_id, later=form), 422
    return back_or(url_for("contact_page.show", contact_id=contact_id))


@blueprint.get("/contacts/<uuid:contact_id>/warmth")
def warmth(contact_id: UUID) -> str:
    """The arithmetic of a person's warmth, and how it went over a year."""
    session, actor, now = current_session(), current_actor(), request_now()
    person = contact_queries.contact(session, actor, contact_id=contact_id)
    series = queries.warmth_over_time(session, actor, contact_id=contact_id, now=now)
    return render_template(
        "interactions/warmth.html",
        person=person,
        warm=queries.warmth_of(session, actor, contact_id=contact_id, now=now),
        labels=[day(moment) for moment, _score in series],
        values=[score for _moment, score in series],
    )

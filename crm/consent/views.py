"""Pages of consent: one person's history with a form, and the list of suppressed addresses."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from crm.accounts import places
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.base import ChannelKind
from crm.consent import queries, services, words
from crm.consent.forms import ConsentForm, SuppressionForm
from crm.consent.kinds import SuppressionReason
from crm.contacts import queries as contact_queries
from crm.contacts.words import CHANNEL_ICONS, CHANNEL_LABELS
from crm.errors import ConflictError, InvalidInputError
from crm.web.i18n import _, lazy, translated
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("consent", __name__)
places.tell(blueprint, words.TOLD)


@blueprint.record_once
def _settings(state: BlueprintSetupState) -> None:
    places.add_settings_page(
        state.app,  # type: ignore[arg-type]
        places.SettingsPage(
            key="suppressions",
            label=lazy("Suppressed addresses"),
            text=lazy("Who gets nothing any more, whatever is planned."),
            icon="hand-stop",
            endpoint="consent.suppressions",
            needs=Permission.EDIT,
            order=60,
        ),
    )


@blueprint.get("/contacts/<uuid:contact_id>/consents")
def consents(contact_id: UUID) -> str:
    """What a person agreed to and withdrew, newest first, and a form for the next."""
    return _consents_page(contact_id, ConsentForm(formdata=None))


@blueprint.post("/contacts/<uuid:contact_id>/consents")
@requires(Permission.EDIT)
def record(contact_id: UUID) -> Response | tuple[str, int]:
    """Record a consent or its withdrawal."""
    actor, now, form = current_actor(), request_now(), ConsentForm()
    if form.validate_on_submit():
        try:
            services.record(
                current_session(),
                actor,
                contact_id=contact_id,
                now=now,
                **form.values(tz=actor.time_zone, now=now),
            )
        except InvalidInputError as error:
            error.fields = {"happened_on" if key == "happened_at" else key: text for key, text in error.fields.items()}
            form.absorb(error)
        else:
            flash(_("Recorded."), "ok")
            return redirect(url_for(".consents", contact_id=contact_id), 303)
    return _consents_page(contact_id, form), 422


def _consents_page(contact_id: UUID, form: ConsentForm) -> str:
    session, actor = current_session(), current_actor()
    return render_template(
        "consent/consents.html",
        form=form,
        person=contact_queries.contact(session, actor, contact_id=contact_id),
        page=queries.history(session, actor, contact_id=contact_id, after=request.args.get("after")),
        words=words,
        channels=CHANNEL_LABELS,
    )


@blueprint.get("/suppressions")
def suppressions() -> str:
    """Addresses that get nothing any more, and a form for one more."""
    return _suppressions_page(SuppressionForm(formdata=None))


@blueprint.post("/suppressions")
@requires(Permission.EDIT)
def suppress() -> Response | tuple[str, int]:
    """Suppress an address."""
    form = SuppressionForm()
    if form.validate_on_submit():
        try:
            services.suppress_typed(
                current_session(),
                current_actor(),
                channel=ChannelKind(form.channel.data),
                address=form.address.data or "",
                reason=SuppressionReason(form.reason.data),
                now=request_now(),
            )
        except InvalidInputError as error:
            form.absorb(error)
        else:
            flash(_("This address gets nothing any more."), "ok")
            return redirect(url_for(".suppressions"), 303)
    return _suppressions_page(form), 422


@blueprint.post("/suppressions/<uuid:suppression_id>/lift")
@requires(Permission.EDIT)
def lift(suppression_id: UUID) -> Response:
    """Allow an address again."""
    try:
        services.lift(current_session(), current_actor(), suppression_id=suppression_id, now=request_now())
    except ConflictError as error:
        flash(translated(error.message), "bad")
    else:
        flash(_("This address may be written to again."), "ok")
    return redirect(url_for(".suppressions"), 303)


def _suppressions_page(form: SuppressionForm) -> str:
    page = queries.suppressions(current_session(), current_actor(), after=request.args.get("after"))
    return render_template(
        "consent/suppressions.html",
        form=form,
        listed=page,
        words=words,
        channels=CHANNEL_LABELS,
        icons=CHANNEL_ICONS,
    )

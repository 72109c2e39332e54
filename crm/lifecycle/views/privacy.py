"""Pages of one person's data: what there is, and erasing it for good; and the list of who was erased."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from tempfile import TemporaryFile
from typing import IO, Any, Final, cast
from uuid import UUID

from flask import Flask, current_app, flash, g, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask_babel import force_locale
from werkzeug.wrappers import Response
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.places import SettingsPage, Words, add_settings_page, add_words
from crm.clock import local_day
from crm.contacts import queries as contacts
from crm.db import after_commit
from crm.errors import AppError
from crm.jobs import JobName
from crm.lifecycle import access_copy
from crm.lifecycle import privacy_words as words
from crm.lifecycle.limit_forms import LiftForm, LimitForm
from crm.lifecycle.queries import erasures
from crm.lifecycle.services import erasing
from crm.lifecycle.views.blueprint import blueprint
from crm.settings import Settings
from crm.web.downloads import as_download
from crm.web.forms import Form
from crm.web.i18n import LOCALES, _, lazy, locale_code
from crm.web.sessions import current_session, request_now

CHUNK: Final = 256 * 1024


@blueprint.record_once
def _offer(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    add_words(
        app,
        {
            "contact.erased": Words(lazy("Erased a person"), "eraser"),
            "contact.copied": Words(lazy("Made a copy of a person’s data"), "download"),
        },
    )
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


class CopyForm(Form):
    language = SelectField(lazy("Language of the readable page"), choices=[("it", "Italiano"), ("en", "English")])


@blueprint.get("/contacts/<uuid:contact_id>/personal-data")
@requires(Permission.EXPORT)
def personal_data(contact_id: UUID) -> str:
    """What is known of a person: a copy for them, and counted, with the way to erase it."""
    return show(contact_id, EraseForm(formdata=None))


@blueprint.post("/contacts/<uuid:contact_id>/copy")
@requires(Permission.EXPORT)
def copy(contact_id: UUID) -> Response | tuple[str, int]:
    """Download all that is known of the person, for the person."""
    form = CopyForm()
    if not form.validate_on_submit():
        return show(contact_id, EraseForm(formdata=None)), 422
    return copy_of(contact_id, locale=str(form.language.data))


def copy_of(contact_id: UUID, *, locale: str) -> Response:
    """The copy as a download; it waits on the disk, not in memory, while it is sent."""
    target = TemporaryFile()  # noqa: SIM115 - closed when the last byte was sent.
    try:
        with _speaking(locale):
            name = access_copy.write(
                current_session(),
                current_actor(),
                contact_id=contact_id,
                target=target,
                folder=_settings().home / "files",
                locale=locale,
                now=request_now(),
            )
    except BaseException:
        target.close()
        raise
    size = target.tell()
    target.seek(0)
    return as_download(_chunks(target), name=name, size=size)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes of a file that is closed behind the last of them, or when the reader goes away."""
    with file:
        while block := file.read(CHUNK):
            yield block


@contextmanager
def _speaking(locale: str) -> Iterator[None]:
    """Use another language than the reader's for a while."""
    before = g.pop("catalogue", None)
    try:
        with force_locale(locale):
            yield
    finally:
        g.pop("catalogue", None)
        if before is not None:
            g.catalogue = before


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
    return show(contact_id, form), 422


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


def show(contact_id: UUID, form: EraseForm, *, limit: LimitForm | None = None, lift: LiftForm | None = None) -> str:
    """The page with its forms as given."""
    session, actor = current_session(), current_actor()
    person = erasing.person_of(session, actor, contact_id=contact_id)
    counts = erasing.preview(session, actor, contact_id=contact_id) if actor.may(Permission.ERASE) else {}
    language = person.language[:2] if person.language[:2] in LOCALES else locale_code()
    return render_template(
        "lifecycle/personal_data.html",
        person=person,
        form=form,
        limits=contacts.limits_of(session, actor, contact_id=person.id),
        grounds=words.GROUNDS,
        limit_form=limit or LimitForm(formdata=None, data={"asked_on": local_day(request_now(), tz=actor.time_zone)}),
        lift_form=lift or LiftForm(formdata=None),
        copy_form=CopyForm(formdata=None, data={"language": language}),
        may_erase=actor.may(Permission.ERASE),
        goes=_lines(words.GOES, counts),
        stays=_lines(words.STAYS, counts),
        backups_until=request_now() + timedelta(days=_settings().backup_days),
    )


def _lines(groups: tuple[tuple[Any, tuple[str, ...]], ...], counts: dict[str, int]) -> list[tuple[str, int]]:
    found = [(label, sum(counts.get(name, 0) for name in names)) for label, names in groups]
    return [(label, count) for label, count in found if count]


def _settings() -> Settings:
    return current_app.extensions["crm_settings"]

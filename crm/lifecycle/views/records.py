"""The page of the records of processing activities, the texts one writes oneself, and the record as a file."""

import csv
import io
from typing import cast

from flask import Flask, current_app, flash, redirect, render_template, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import Length

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.places import SettingsPage, Words, add_settings_page, add_words
from crm.errors import AppError
from crm.lifecycle.queries.records import setup
from crm.lifecycle.record_words import OWN_TEXTS, PARTS, Sheet, sheet
from crm.lifecycle.rules.formulas import safe
from crm.lifecycle.rules.records import LONGEST, OwnText
from crm.lifecycle.services.records import write_record
from crm.lifecycle.views.blueprint import blueprint
from crm.settings import Settings
from crm.web.downloads import as_download
from crm.web.forms import Form
from crm.web.i18n import _, lazy, locale_code
from crm.web.sessions import current_session, request_now


@blueprint.record_once
def _offer(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    add_words(app, {"record.changed": Words(lazy("Changed the records of processing"), "checklist")})
    add_settings_page(
        app,
        SettingsPage(
            key="records",
            label=lazy("Records of processing"),
            text=lazy("What is done with personal data here, why, and for how long (GDPR, article 30)."),
            icon="checklist",
            endpoint="lifecycle.records",
            needs=Permission.MANAGE_WORKSPACE,
            order=82,
        ),
    )


class RecordForm(Form):
    """One text for each thing that only the workspace itself can say."""

    controller = TextAreaField(OWN_TEXTS[OwnText.CONTROLLER][0], validators=[Length(max=LONGEST)])
    representative = TextAreaField(OWN_TEXTS[OwnText.REPRESENTATIVE][0], validators=[Length(max=LONGEST)])
    dpo = TextAreaField(OWN_TEXTS[OwnText.DPO][0], validators=[Length(max=LONGEST)])
    recipients = TextAreaField(OWN_TEXTS[OwnText.RECIPIENTS][0], validators=[Length(max=LONGEST)])
    transfers = TextAreaField(OWN_TEXTS[OwnText.TRANSFERS][0], validators=[Length(max=LONGEST)])
    measures = TextAreaField(OWN_TEXTS[OwnText.MEASURES][0], validators=[Length(max=LONGEST)])


@blueprint.get("/settings/records")
@requires(Permission.MANAGE_WORKSPACE)
def records() -> str:
    """The record as it is now."""
    return _page(None)


@blueprint.post("/settings/records")
@requires(Permission.MANAGE_WORKSPACE)
def write_records() -> Response | tuple[str, int]:
    """Save the texts that only the workspace itself can say."""
    form = RecordForm()
    if form.validate_on_submit():
        texts = {name: form[name.value].data or "" for name in OwnText}
        try:
            write_record(current_session(), current_actor(), texts=texts, now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("Saved."), "ok")
            return redirect(url_for(".records"), 303)
    return _page(form), 422


@blueprint.get("/settings/records.csv")
@requires(Permission.MANAGE_WORKSPACE)
def records_csv() -> Response:
    """The record as a table: one row for each activity."""
    return _download(as_table(_sheet()), ending="csv")


@blueprint.get("/settings/records.html")
@requires(Permission.MANAGE_WORKSPACE)
def records_html() -> Response:
    """The record as a page to print or to hand over."""
    page = render_template(
        "lifecycle/record_sheet.html",
        sheet=_sheet(),
        parts=PARTS,
        own_texts=OWN_TEXTS,
        now=request_now(),
        language=locale_code(),
    )
    return _download(page, ending="html")


def as_table(found: Sheet) -> str:
    """The record as CSV that a spreadsheet reads: with a mark at its beginning, and no formula in it."""
    shared = [OwnText.CONTROLLER, OwnText.REPRESENTATIVE, OwnText.DPO]
    out = io.StringIO()
    rows = csv.writer(out)
    labels = [str(OWN_TEXTS[name][0]) for name in shared]
    rows.writerow([_("Activity"), *map(str, PARTS.values()), _("Transfers to third countries"), _("Security"), *labels])
    for line in found.lines:
        cells = [line.name, *("\n".join(getattr(line, part)) for part in PARTS)]
        cells += ["\n".join(found.transfers), "\n".join(found.measures), *(found.own[name] for name in shared)]
        rows.writerow([safe(cell) for cell in cells])
    return f"\ufeff{out.getvalue()}"


def _download(text: str, *, ending: str) -> Response:
    content = text.encode()
    name = _("records of processing")
    return as_download(iter([content]), name=f"{name} {request_now():%Y-%m-%d}.{ending}", size=len(content))


def _sheet() -> Sheet:
    settings: Settings = current_app.extensions["crm_settings"]
    return sheet(setup(current_session(), current_actor()), backup_days=settings.backup_days)


def _page(form: RecordForm | None) -> str:
    found = _sheet()
    shown = form or RecordForm(formdata=None, data={name.value: text for name, text in found.own.items()})
    return render_template(
        "lifecycle/records.html", sheet=found, parts=PARTS, form=shown, own_texts=OWN_TEXTS, is_wrong=form is not None
    )

"""The page of one entry: its text with the earlier ones, its mood and labels, its files."""

from collections.abc import Sequence
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.errors import AppError
from crm.files import services as files
from crm.interactions import queries, services, words
from crm.interactions.forms import FileForm, MeaningForm, TextForm
from crm.interactions.kinds import Sentiment, StandardLabel
from crm.interactions.models import Interaction
from crm.interactions.timeline_models import EntryLabel
from crm.interactions.views.blueprint import attach_all, blueprint, folder
from crm.interactions.views.timeline import to_timeline
from crm.web.downloads import as_download
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/interactions/<uuid:interaction_id>")
def entry(interaction_id: UUID) -> str:
    """The whole entry."""
    return _page(interaction_id)


@blueprint.post("/interactions/<uuid:interaction_id>/text")
@requires(Permission.EDIT)
def edit_text(interaction_id: UUID) -> Response | tuple[str, int]:
    """Say it in other words; the earlier ones stay readable."""
    form = TextForm()
    if form.validate_on_submit():
        try:
            row = services.edit_text(
                current_session(),
                current_actor(),
                interaction_id=interaction_id,
                body=(form.body.data or "").strip(),
                now=request_now(),
            )
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("Saved. What it said before is kept."), "ok")
            return to_timeline(row.contact_id, row.company_id)
    return _page(interaction_id, text=form), 422


@blueprint.post("/interactions/<uuid:interaction_id>/meaning")
@requires(Permission.EDIT)
def set_meaning(interaction_id: UUID) -> Response | tuple[str, int]:
    """Say which mood and labels it has; no rule overrules that."""
    session, actor, now = current_session(), current_actor(), request_now()
    form = MeaningForm().offer(queries.labels(session, actor, with_archived=True), _standard())
    if form.validate_on_submit():
        mood = Sentiment(form.sentiment.data) if form.sentiment.data else None
        try:
            chosen = [_label_id(value) for value in form.labels.data or ()]
            if (form.new_label.data or "").strip():
                data = services.LabelInput(name=form.new_label.data or "")
                chosen.append(services.add_label(session, actor, data=data, now=now).id)
            services.set_sentiment(session, actor, interaction_id=interaction_id, sentiment=mood, now=now)
            services.set_labels(session, actor, interaction_id=interaction_id, label_ids=chosen)
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("Saved."), "ok")
            return redirect(url_for(".entry", interaction_id=interaction_id), 303)
    return _page(interaction_id, meaning=form), 422


def _label_id(value: str) -> UUID:
    """The label that was chosen; a standard one is made when it is used for the first time."""
    if value in set(StandardLabel):
        kind = StandardLabel(value)
        name = str(words.LABEL_NAMES[kind])
        return services.standard_label(current_session(), current_actor(), kind=kind, name=name, now=request_now()).id
    return UUID(value)


def _standard() -> list[tuple[str, str]]:
    return [(kind.value, str(label)) for kind, label in words.LABEL_NAMES.items()]


@blueprint.post("/interactions/<uuid:interaction_id>/files")
@requires(Permission.EDIT)
def add_files(interaction_id: UUID) -> Response | tuple[str, int]:
    """Put files beside it."""
    form = FileForm()
    if form.validate_on_submit() and form.uploads():
        try:
            attach_all(interaction_id, form.uploads())
        except AppError as error:
            form.absorb(error)
        else:
            return redirect(url_for(".entry", interaction_id=interaction_id), 303)
    else:
        form.files.errors = [*form.files.errors, _("Choose a file.")]
    return _page(interaction_id, files=form), 422


@blueprint.get("/interactions/files/<uuid:entry_file_id>")
def download(entry_file_id: UUID) -> Response:
    """The bytes of a file, never shown in the page but saved, whatever it says it is."""
    session = current_session()
    _held, stored, _row = queries.entry_file(session, current_actor(), file_id=entry_file_id)
    source = files.chunks(session, folder=folder(), file_id=stored.id)
    return as_download(source, name=stored.name, size=stored.size)


@blueprint.post("/interactions/files/<uuid:entry_file_id>/delete")
@requires(Permission.EDIT)
def delete_file(entry_file_id: UUID) -> Response:
    """Throw a file away."""
    row = services.detach(current_session(), current_actor(), file_id=entry_file_id, folder=folder())
    flash(_("The file is gone."), "ok")
    return redirect(url_for(".entry", interaction_id=row.id), 303)


def _page(
    interaction_id: UUID,
    *,
    text: TextForm | None = None,
    meaning: MeaningForm | None = None,
    files: FileForm | None = None,
) -> str:
    session, actor = current_session(), current_actor()
    row = queries.interaction(session, actor, interaction_id=interaction_id)
    if row.removed_at is not None:
        raise queries.InteractionNotFoundError(_("There is no such entry."))
    shown = queries.entry(session, actor, interaction_id=interaction_id)
    labels = queries.labels(session, actor, with_archived=True)
    return render_template(
        "interactions/entry.html",
        entry=shown,
        line=words.line(shown, viewer_id=actor.user_id),
        may_edit=actor.may(Permission.EDIT),
        text=text or _text_form(actor, row, shown),
        meaning=meaning or _meaning_form(shown, labels),
        file_form=files or FileForm(formdata=None),
        earlier=queries.earlier_texts(session, actor, interaction_id=interaction_id),
    )


def _text_form(actor: Actor, row: Interaction, shown: queries.TimelineEntry) -> TextForm | None:
    if not (actor.may(Permission.EDIT) and services.may_edit_text(actor, row)):
        return None
    return TextForm(formdata=None, data={"body": shown.body})


def _meaning_form(shown: queries.TimelineEntry, labels: Sequence[EntryLabel]) -> MeaningForm:
    carried = [str(label.id) for label in shown.labels]
    data = {"sentiment": shown.sentiment or "", "labels": carried}
    return MeaningForm(formdata=None, data=data).offer(labels, _standard())

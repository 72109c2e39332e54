"""The blueprint of the pages of the timeline and of tasks, the way back from them, and where their files go."""

from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from flask import Blueprint, current_app, redirect, request
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from crm.accounts import places
from crm.accounts.guards import current_actor
from crm.accounts.signin import local_or
from crm.interactions import services
from crm.interactions.task_words import BELL, repeats
from crm.interactions.words import TOLD
from crm.settings import Settings
from crm.web.sessions import current_session

blueprint = Blueprint("interactions", "crm.interactions")
places.tell(blueprint, TOLD)
places.tell(blueprint, BELL)
blueprint.add_app_template_global(repeats, "task_repeats")


def back_or(default: str) -> Response:
    """Back to the page that the form names, or to `default`."""
    return redirect(local_or(request.form.get("back"), default), 303)


def folder() -> Path:
    """Where uploaded files lie."""
    return _settings().home / "files"


def upload_limit() -> int:
    """The most bytes of one file."""
    return _settings().max_upload_mb * 1024 * 1024


def _settings() -> Settings:
    return current_app.extensions["crm_settings"]


def attach_all(interaction_id: UUID, uploads: Iterable[FileStorage]) -> None:
    """Put what was uploaded beside an entry."""
    for file in uploads:
        services.attach(
            current_session(),
            current_actor(),
            interaction_id=interaction_id,
            folder=folder(),
            name=file.filename or "",
            media_type=file.mimetype,
            stream=file.stream,
            limit=upload_limit(),
        )

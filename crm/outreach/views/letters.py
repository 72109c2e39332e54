"""What a message is besides its words: the letter for its frame, and its files to save."""

from pathlib import Path
from uuid import UUID

from flask import Response, current_app, make_response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.letters import POLICY, letter_page
from crm.files import services as files
from crm.outreach import queries
from crm.outreach.views.blueprint import blueprint
from crm.settings import Settings
from crm.web.downloads import as_download
from crm.web.i18n import _, locale_code
from crm.web.sessions import current_session


def folder() -> Path:
    """Where stored files lie."""
    settings: Settings = current_app.extensions["crm_settings"]
    return settings.home / "files"


@blueprint.get("/messages/<uuid:message_id>/letter")
@requires(Permission.VIEW_OWN)
def letter(message_id: UUID) -> Response:
    """The mail as its writer laid it out, alone in a document that can neither act nor ask for anything."""
    found = queries.letter(current_session(), current_actor(), message_id=message_id, folder=folder())
    page = letter_page(
        found.html, pictures=found.pictures, title=_("The letter as it was written"), language=locale_code()
    )
    answer = make_response(page)
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


@blueprint.get("/messages/files/<uuid:message_file_id>")
@requires(Permission.VIEW_OWN)
def message_file(message_file_id: UUID) -> Response:
    """The bytes of a file, never shown but saved, whatever it says it is."""
    session = current_session()
    stored = queries.message_file(session, current_actor(), file_id=message_file_id)
    source = files.chunks(session, folder=folder(), file_id=stored.id)
    return as_download(source, name=stored.name, size=stored.size)

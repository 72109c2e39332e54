"""REST: the files that lie beside entries."""

from uuid import UUID

from flask import Response, current_app, request
from pydantic import Field

from crm.accounts.guards import current_actor
from crm.files import services as files
from crm.interactions import queries, services
from crm.interactions.api.blueprint import blueprint
from crm.interactions.api.timeline import EntryFileOut
from crm.settings import Settings
from crm.web.api import ApiModel, answer, operation, read_query
from crm.web.downloads import as_download
from crm.web.sessions import current_session


class FileQuery(ApiModel):
    name: str = Field(min_length=1, max_length=200, description="The file's name; it is data, never a path.")


def _settings() -> Settings:
    return current_app.extensions["crm_settings"]


@blueprint.post("/interactions/<uuid:interaction_id>/files")
@operation(tag="interactions", query=FileQuery, returns=EntryFileOut, status=201, refuses=(404, 413))
def attach_file(interaction_id: UUID) -> Response:
    """Attach a file: its bytes are the body, its name the parameter `name`."""
    settings, session, actor = _settings(), current_session(), current_actor()
    queries.interaction(session, actor, interaction_id=interaction_id)
    held = services.attach(
        session,
        actor,
        interaction_id=interaction_id,
        folder=settings.home / "files",
        name=read_query(FileQuery).name,
        media_type=request.mimetype or "application/octet-stream",
        stream=request.stream,
        limit=settings.max_upload_mb * 1024 * 1024,
    )
    _held, stored, _row = queries.entry_file(session, actor, file_id=held.id)
    return answer(EntryFileOut(id=held.id, name=stored.name, size=stored.size), 201)


@blueprint.get("/interactions/files/<uuid:entry_file_id>")
@operation(tag="interactions", refuses=(404,))
def read_file(entry_file_id: UUID) -> Response:
    """Download a file; who may not read its entry finds nothing."""
    session = current_session()
    _held, stored, _row = queries.entry_file(session, current_actor(), file_id=entry_file_id)
    source = files.chunks(session, folder=_settings().home / "files", file_id=stored.id)
    return as_download(source, name=stored.name, size=stored.size)


@blueprint.delete("/interactions/files/<uuid:entry_file_id>")
@operation(tag="interactions", status=204, refuses=(404,))
def delete_file(entry_file_id: UUID) -> Response:
    """Throw a file away."""
    services.detach(current_session(), current_actor(), file_id=entry_file_id, folder=_settings().home / "files")
    return Response(status=204)

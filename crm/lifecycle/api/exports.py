"""REST API of exports."""

from datetime import datetime
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.lifecycle import queries, services, words
from crm.lifecycle.api.blueprint import blueprint
from crm.lifecycle.export_models import Export
from crm.lifecycle.kinds import ExportFormat, ExportState
from crm.lifecycle.views.exports import fetched, wake_export
from crm.web.api import ApiModel, PageQuery, answer, operation, page_answer, page_model, read_json, read_query
from crm.web.sessions import current_session, request_now


class ExportIn(ApiModel):
    """Whom to export, and as what: without a filter everybody whom the token or user may see."""

    format: ExportFormat = ExportFormat.CSV
    owner: str = Field("", max_length=36, description="Id of a user, or `me`.")
    tag: str = Field("", max_length=36, description="Id of a tag.")
    lifecycle: str = Field("", max_length=20)
    importance: str = Field("", max_length=20)
    quiet: str = Field("", max_length=4, pattern=r"^\d*$", description="No exchange for this many days.")
    segment: str = Field("", max_length=36, description="Id of a segment.")
    rule: str = Field("", max_length=6000, description="A rule of the rule language, as JSON.")


class ExportOut(ApiModel):
    id: UUID
    format: ExportFormat
    state: ExportState
    file_name: str
    people: int
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="Until when the file can be fetched.")


def shown(row: Export) -> ExportOut:
    """The export as the API shows it."""
    return ExportOut.model_validate({name: getattr(row, name) for name in ExportOut.model_fields})


@blueprint.get("/exports")
@requires(Permission.EXPORT)
@operation(tag="exports", query=PageQuery, returns=page_model(ExportOut))
def list_exports() -> Response:
    """List one's own exports, newest first."""
    query = read_query(PageQuery)
    return page_answer(queries.exports(current_session(), current_actor(), **query.model_dump()), shown)


@blueprint.post("/exports")
@requires(Permission.EXPORT)
@operation(tag="exports", body=ExportIn, returns=ExportOut, status=202)
def ask_for_export() -> Response:
    """Export people to a file, written by a worker; ask for its state, then fetch it."""
    data, now = read_json(ExportIn), request_now()
    row = services.ask(
        current_session(),
        current_actor(),
        form=data.format,
        query={key: getattr(data, key) for key in queries.WORDS},
        wording=words.wording(now),
        now=now,
    )
    wake_export(row.id)
    return answer(shown(row), 202)


@blueprint.get("/exports/<uuid:export_id>")
@requires(Permission.EXPORT)
@operation(tag="exports", returns=ExportOut, refuses=(404,))
def read_export(export_id: UUID) -> Response:
    """Show the state of one's own export."""
    return answer(shown(queries.export(current_session(), current_actor(), export_id=export_id)))


@blueprint.get("/exports/<uuid:export_id>/file")
@operation(tag="exports", refuses=(404,))
@requires(Permission.EXPORT)
def fetch_export(export_id: UUID) -> Response:
    """Fetch the file of one's own export, as long as it is kept."""
    return fetched(export_id)

"""REST: bringing in chats and calendars."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from flask import Response, current_app, request
from pydantic import Field

from crm.accounts.guards import current_actor
from crm.contacts.inputs import Input
from crm.db import after_commit
from crm.interactions import queries
from crm.interactions.api.blueprint import blueprint
from crm.interactions.kinds import HistoryFormat, HistoryState, LeftOut
from crm.interactions.services import history as services
from crm.interactions.timeline_models import HistoryFile
from crm.jobs import JobName
from crm.settings import Settings
from crm.web.api import ApiModel, answer, operation, read_json, read_query
from crm.web.sessions import current_session, request_now


class HistoryQuery(ApiModel):
    name: str = Field(min_length=1, max_length=200, description="The file's name; it is data, never a path.")


class HistoryName(ApiModel):
    """A name or address in the file, and how often it occurs."""

    name: str
    count: int


class HistoryOut(ApiModel):
    id: UUID
    file_name: str
    format: HistoryFormat
    state: HistoryState
    names: list[HistoryName]
    total: int
    done: int
    added: int
    known: int
    left_out: int
    left_why: dict[LeftOut, int] = Field(description="How much of what was left out has which reason.")
    files_kept: int = Field(description="Files of the archive that lie beside their messages.")
    files_left: int = Field(description="Files that are too large, damaged or too many.")
    day_first: bool
    created_at: datetime
    finished_at: datetime | None


class HistoryStart(Input):
    """Who is who: names of the file with the id of a contact, or "me"; others are left out."""

    people: Annotated[dict[str, UUID | Literal["me"]], Field(max_length=500)]
    day_first: bool = True


@blueprint.post("/history")
@operation(tag="interactions", query=HistoryQuery, returns=HistoryOut, status=201, refuses=(413,))
def upload_history() -> Response:
    """Upload a chat or a calendar, packed or not: its bytes are the body, its name the parameter `name`."""
    settings: Settings = current_app.extensions["crm_settings"]
    row = services.upload(
        current_session(),
        current_actor(),
        folder=settings.home / "files",
        name=read_query(HistoryQuery).name,
        stream=request.stream,
        limit=settings.max_upload_mb * 1024 * 1024,
        now=request_now(),
    )
    return answer(_shown(row), 201)


@blueprint.get("/history/<uuid:history_id>")
@operation(tag="interactions", returns=HistoryOut, refuses=(404,))
def read_history(history_id: UUID) -> Response:
    """Read who is in a file, or how far it is."""
    return answer(_shown(queries.history_file(current_session(), current_actor(), history_id=history_id)))


@blueprint.post("/history/<uuid:history_id>/start")
@operation(tag="interactions", body=HistoryStart, returns=HistoryOut, refuses=(404, 409))
def start_history(history_id: UUID) -> Response:
    """Say who is who; a worker then puts everything on the timelines, and the same file again adds nothing."""
    session, actor = current_session(), current_actor()
    queries.history_file(session, actor, history_id=history_id)
    data = read_json(HistoryStart)
    row = services.start(
        session,
        actor,
        history_id=history_id,
        people={name: str(value) for name, value in data.people.items()},
        day_first=data.day_first,
        now=request_now(),
    )
    jobs = current_app.extensions["crm_jobs"]
    after_commit(
        session,
        lambda: jobs.enqueue(
            JobName.BRING_HISTORY, id=f"history:{history_id}", workspace_id=actor.workspace_id, history_id=history_id
        ),
    )
    return answer(_shown(row))


def _shown(row: HistoryFile) -> HistoryOut:
    given = {name: getattr(row, name) for name in HistoryOut.model_fields if name not in {"names", "done"}}
    names = [HistoryName(name=name, count=count) for name, count in row.found]
    return HistoryOut(**given, names=names, done=row.next_item)

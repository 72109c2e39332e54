"""REST API of imports."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, request
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission, ProgressState
from crm.consent.kinds import Basis
from crm.contacts.kinds import Lifecycle
from crm.errors import InvalidInputError, worded
from crm.jobs import JobName
from crm.lifecycle import queries, services
from crm.lifecycle.api.blueprint import blueprint
from crm.lifecycle.kinds import ImportMode, ImportState, MatchKey
from crm.lifecycle.models import Import
from crm.lifecycle.refused import as_csv
from crm.lifecycle.rules.tables import FileKind
from crm.lifecycle.views.imports import file_folder, upload_limit_mb, wake
from crm.web.api import (
    ApiModel,
    PageQuery,
    answer,
    operation,
    page_answer,
    page_model,
    parsed,
    read_query,
)
from crm.web.sessions import current_session, request_now

_NO_FILE = worded("Send the table as the part `file`.")
_NO_MAPPING = worded("The mapping must be a JSON object.")


class ImportIn(ApiModel):
    """The form fields beside `file`: `mapping` is a JSON object {column: meaning}, empty to take the guess.

    The meaning `custom.<key>` is a field of the workspace's own.
    """

    mapping: dict[str, str] = {}
    mode: ImportMode = ImportMode.UPSERT
    match: MatchKey = Field(MatchKey.ANY, description="By what people who are here already are recognised.")
    basis: Basis = Basis.UNKNOWN
    source: str = Field(min_length=1, max_length=200)
    tag: str = Field("", max_length=100)
    month_first: bool | None = Field(None, description="Whether 4/12 is 12 April; guessed when it is left out.")
    new_lifecycle: Lifecycle | None = Field(None, description="The stage of new people where no column says it.")


class ImportOut(ApiModel):
    id: UUID
    file_name: str
    state: ImportState
    mode: ImportMode
    match: MatchKey
    kind: FileKind
    program: str = Field(description="The program whose export it was recognised as, or empty.")
    basis: Basis
    source: str
    mapping: dict[str, str]
    created: int
    updated: int
    unchanged: int
    refused: int
    total: int | None
    reverting: ProgressState | None = Field(description="How far taking it back is, when somebody asked for that.")
    reverted: dict[str, Any] = Field(
        description="What that did: `people_removed`, `people_kept`, `restored`, `removed`, `kept` (changed since)."
    )
    created_at: datetime
    finished_at: datetime | None


def shown(row: Import, view: queries.ImportView | None = None) -> ImportOut:
    """The import as the API shows it; its progress only where it is asked for alone."""
    work = view.progress if view else None
    revert = view.revert if view else None
    more = {
        "total": work.total if work else None,
        "reverting": revert.state if revert else None,
        "reverted": revert.result if revert else {},
    }
    names = [name for name in ImportOut.model_fields if name not in more]
    return ImportOut.model_validate({**{name: getattr(row, name) for name in names}, **more})


@blueprint.get("/imports")
@requires(Permission.IMPORT)
@operation(tag="imports", query=PageQuery, returns=page_model(ImportOut))
def index() -> Response:
    """List imports, newest first."""
    query = read_query(PageQuery)
    return page_answer(queries.imports(current_session(), current_actor(), **query.model_dump()), shown)


@blueprint.post("/imports")
@requires(Permission.IMPORT)
@operation(tag="imports", returns=ImportOut, status=202, refuses=(413,))
def create() -> Response:
    """Import people from a file: CSV, XLSX, vCard, or a list of followers from Instagram's data export.

    Multipart: `file`, `source`, and optionally `mapping`, `mode`, `match`, `basis`, `tag`, `month_first`,
    `new_lifecycle`. Rows that can't go in are counted as refused; the others go in.
    """
    file = request.files.get("file")
    if file is None:
        raise InvalidInputError(_NO_FILE, fields={"file": _NO_FILE})
    fields = request.form.to_dict()
    try:
        fields["mapping"] = json.loads(fields.get("mapping") or "{}")
    except json.JSONDecodeError as error:
        raise InvalidInputError(_NO_MAPPING, fields={"mapping": _NO_MAPPING}) from error
    data = parsed(ImportIn, fields)
    session, actor, now = current_session(), current_actor(), request_now()
    row = services.upload(
        session,
        actor,
        folder=file_folder(),
        name=file.filename or "",
        stream=file.stream,
        limit=upload_limit_mb() * 1024 * 1024,
        now=now,
    )
    choices = services.Choices(
        mapping=data.mapping or row.mapping,
        mode=data.mode,
        match=data.match,
        basis=data.basis,
        source=data.source,
        tag=data.tag,
        month_first=row.month_first if data.month_first is None else data.month_first,
        new_lifecycle=data.new_lifecycle or (Lifecycle(row.new_lifecycle) if row.new_lifecycle else None),
    )
    services.configure(session, actor, import_id=row.id, choices=choices, now=now)
    services.start(session, actor, import_id=row.id, folder=file_folder(), now=now)
    wake(row.id)
    return answer(shown(row), 202)


@blueprint.get("/imports/<uuid:import_id>")
@requires(Permission.IMPORT)
@operation(tag="imports", returns=ImportOut, refuses=(404,))
def read(import_id: UUID) -> Response:
    """Show the state and the counts of an import."""
    view = queries.view(current_session(), current_actor(), import_id=import_id)
    return answer(shown(view.row, view))


@blueprint.post("/imports/<uuid:import_id>/revert")
@requires(Permission.IMPORT)
@operation(tag="imports", returns=ImportOut, status=202, refuses=(404, 409))
def revert(import_id: UUID) -> Response:
    """Take a whole import back: new people go, changed values come back, what somebody changed since stays."""
    session, actor = current_session(), current_actor()
    services.ask_to_revert(session, actor, import_id=import_id, now=request_now())
    wake(import_id, JobName.REVERT_IMPORT)
    view = queries.view(session, actor, import_id=import_id)
    return answer(shown(view.row, view), 202)


@blueprint.get("/imports/<uuid:import_id>/errors.csv")
@operation(tag="imports", refuses=(404,))
@requires(Permission.IMPORT)
def errors(import_id: UUID) -> Response:
    """Download the refused rows with their reasons."""
    session, actor = current_session(), current_actor()
    row = queries.get(session, actor, import_id=import_id)
    return Response(as_csv(row, queries.refused(session, actor, import_id=import_id)), mimetype="text/csv")

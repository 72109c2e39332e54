"""REST: the records of processing activities, and the texts a workspace writes itself."""

from datetime import datetime

from flask import current_app
from pydantic import Field
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.lifecycle.api.blueprint import blueprint
from crm.lifecycle.queries.records import setup
from crm.lifecycle.record_words import sheet
from crm.lifecycle.rules.records import LONGEST, Activity, OwnText
from crm.lifecycle.services.records import write_record
from crm.settings import Settings
from crm.web.api import ApiModel, answer, operation, read_json
from crm.web.sessions import current_session, request_now


class RecordLineOut(ApiModel):
    activity: Activity
    name: str
    purposes: list[str]
    people: list[str] = Field(description="Categories of people.")
    data: list[str] = Field(description="Categories of data.")
    bases: list[str]
    sources: list[str]
    recipients: list[str]
    kept: list[str] = Field(description="How long the data are kept.")


class RecordOut(ApiModel):
    house: str
    own: dict[OwnText, str] = Field(description="What the workspace says of itself.")
    lines: list[RecordLineOut] = Field(description="One for each activity that is set up, in the caller's language.")
    transfers: list[str]
    measures: list[str]
    updated_at: datetime | None = Field(description="When somebody last changed an own text.")


class RecordIn(ApiModel):
    controller: str | None = Field(None, max_length=LONGEST)
    representative: str | None = Field(None, max_length=LONGEST)
    dpo: str | None = Field(None, max_length=LONGEST)
    recipients: str | None = Field(None, max_length=LONGEST)
    transfers: str | None = Field(None, max_length=LONGEST)
    measures: str | None = Field(None, max_length=LONGEST)


def _shown() -> Response:
    settings: Settings = current_app.extensions["crm_settings"]
    found = sheet(setup(current_session(), current_actor()), backup_days=settings.backup_days)
    lines = [
        RecordLineOut(**{name: getattr(line, name) for name in RecordLineOut.model_fields}) for line in found.lines
    ]
    return answer(
        RecordOut(
            house=found.house,
            own=dict(found.own),
            lines=lines,
            transfers=list(found.transfers),
            measures=list(found.measures),
            updated_at=found.updated_at,
        )
    )


@blueprint.get("/processing-records")
@requires(Permission.MANAGE_WORKSPACE)
@operation(tag="privacy", returns=RecordOut)
def read_records() -> Response:
    """The records of processing activities (GDPR, article 30), made from what is set up."""
    return _shown()


@blueprint.patch("/processing-records")
@requires(Permission.MANAGE_WORKSPACE)
@operation(tag="privacy", body=RecordIn, returns=RecordOut)
def write_records() -> Response:
    """Change own texts; those that are not named, or null, stay."""
    given = read_json(RecordIn).model_dump(exclude_none=True)
    texts = {OwnText(name): text for name, text in given.items()}
    write_record(current_session(), current_actor(), texts=texts, now=request_now())
    return _shown()

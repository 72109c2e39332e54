"""REST: what is known of a person, erasing it, and who was erased."""

from datetime import datetime
from uuid import UUID

from pydantic import Field
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.lifecycle.api.blueprint import blueprint
from crm.lifecycle.kinds import ErasureCause
from crm.lifecycle.queries import erasures
from crm.lifecycle.services import erasing
from crm.lifecycle.views.privacy import copy_of, wake_for
from crm.web.api import ApiModel, PageQuery, answer, operation, page_answer, page_model, read_json, read_query
from crm.web.i18n import locale_code
from crm.web.sessions import current_session, request_now


class PersonalDataOut(ApiModel):
    id: UUID
    name: str
    counts: dict[str, int] = Field(description="How many rows of each table are about the person.")


class EraseIn(ApiModel):
    confirm: str = Field(max_length=400, description="The person's name, as a guard: it can't be undone.")


class ErasureOut(ApiModel):
    id: UUID
    subject_id: UUID = Field(description="The empty row that is left; nothing tells whose it was.")
    at: datetime
    cause: ErasureCause
    rows: int
    done_at: datetime | None = Field(description="When texts of others and files had been looked through.")


def _shown(line: erasures.ErasureLine) -> ErasureOut:
    return ErasureOut(**{name: getattr(line, name) for name in ErasureOut.model_fields})


@blueprint.get("/contacts/<uuid:contact_id>/personal-data")
@requires(Permission.ERASE)
@operation(tag="privacy", returns=PersonalDataOut, refuses=(404,))
def personal_data(contact_id: UUID) -> Response:
    """Count what is known of a person, by table: what erasing would take or empty."""
    session, actor = current_session(), current_actor()
    person = erasing.person_of(session, actor, contact_id=contact_id)
    counts = erasing.preview(session, actor, contact_id=contact_id)
    return answer(PersonalDataOut(id=person.id, name=person.display_name, counts=counts))


@blueprint.get("/contacts/<uuid:contact_id>/copy.zip")
@operation(tag="privacy", refuses=(404,))
@requires(Permission.EXPORT)
def copy(contact_id: UUID) -> Response:
    """Download all that is known of a person: data.json, a readable page, mails and files."""
    return copy_of(contact_id, locale=locale_code())


@blueprint.post("/contacts/<uuid:contact_id>/erase")
@requires(Permission.ERASE)
@operation(tag="privacy", body=EraseIn, returns=ErasureOut, status=202, refuses=(404, 409))
def erase(contact_id: UUID) -> Response:
    """Erase a person for good, everywhere; texts of others and files are looked through afterwards."""
    confirm = read_json(EraseIn).confirm
    row = erasing.erase(current_session(), current_actor(), contact_id=contact_id, confirm=confirm, now=request_now())
    wake_for(row.id)
    return answer(_shown(erasures.shown(row, "")), 202)


@blueprint.get("/erasures")
@requires(Permission.ERASE)
@operation(tag="privacy", query=PageQuery, returns=page_model(ErasureOut))
def list_erasures() -> Response:
    """List who was erased, the latest first: that it happened and when, never who."""
    query = read_query(PageQuery)
    page = erasures.erasures(current_session(), current_actor(), after=query.after, limit=query.limit)
    return page_answer(page, _shown)

"""REST API of enrichment: look up a company or a contact's company, see how it went."""

from datetime import datetime
from uuid import UUID

from flask import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.enrichment import queries, services
from crm.enrichment.kinds import RunState, SourceName
from crm.enrichment.models import EnrichmentRun
from crm.enrichment.views import wake
from crm.web.api import ApiModel, answer, api_blueprint, operation
from crm.web.sessions import current_session, request_now

blueprint = api_blueprint("enrichment")


class EnrichmentRunOut(ApiModel):
    id: UUID
    source: SourceName
    company_id: UUID | None
    contact_id: UUID | None
    address: str
    state: RunState
    error_code: str
    found: int
    suggested: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    retry_at: datetime | None


def shown(row: EnrichmentRun) -> EnrichmentRunOut:
    """The run as the API shows it."""
    return EnrichmentRunOut.model_validate(row)


@blueprint.post("/companies/<uuid:company_id>/enrich")
@requires(Permission.EDIT)
@operation(tag="enrichment", returns=EnrichmentRunOut, status=202, refuses=(404, 409))
def enrich_company(company_id: UUID) -> Response:
    """Read the company's website for facts; a worker does it, the run says how it went."""
    run = services.request_run(current_session(), current_actor(), company_id=company_id, now=request_now())
    wake(run)
    return answer(shown(run), 202)


@blueprint.post("/contacts/<uuid:contact_id>/enrich")
@requires(Permission.EDIT)
@operation(tag="enrichment", returns=EnrichmentRunOut, status=202, refuses=(404, 409))
def enrich_contact(contact_id: UUID) -> Response:
    """Read the website of the contact's company for facts."""
    run = services.request_run(current_session(), current_actor(), contact_id=contact_id, now=request_now())
    wake(run)
    return answer(shown(run), 202)


@blueprint.get("/enrichment-runs/<uuid:run_id>")
@requires(Permission.VIEW_OWN)
@operation(tag="enrichment", returns=EnrichmentRunOut, refuses=(404,))
def read(run_id: UUID) -> Response:
    """Show how a look at a source went."""
    return answer(shown(queries.run(current_session(), current_actor(), run_id=run_id)))

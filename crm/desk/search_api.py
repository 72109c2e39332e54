"""REST: the search of the box on top of every page."""

from datetime import datetime
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries
from crm.contacts.queries import HitKind, Matched
from crm.outreach.queries.finding import find_threads
from crm.web.api import ApiModel, answer, api_blueprint, operation, read_query
from crm.web.sessions import current_session

blueprint = api_blueprint("search")


class SearchQuery(ApiModel):
    q: str = Field(max_length=200, description="Fragments of names, e-mail, phone, handles, companies, subjects.")
    limit: int = Field(10, ge=1, le=50, description="At most so many of each kind.")


class FoundOut(ApiModel):
    kind: HitKind
    id: UUID
    name: str
    sub: str = Field(description="Company or e-mail of a person, place of a company.")
    matched: Matched = Field(description="Why: a name, an address, the company, or a name spelt nearly so.")


class FoundThreadOut(ApiModel):
    id: UUID
    subject: str
    name: str
    last_at: datetime


class SearchOut(ApiModel):
    items: list[FoundOut] = Field(description="People, best first, then companies.")
    threads: list[FoundThreadOut] = Field(
        description="Conversations whose subject has all the words, the newest first."
    )


@blueprint.get("/search")
@operation(tag="search", query=SearchQuery, returns=SearchOut)
@requires(Permission.VIEW_OWN)
def search() -> Response:
    """People, companies and conversations that the caller may see; accents and case don't matter."""
    session, actor, query = current_session(), current_actor(), read_query(SearchQuery)
    hits = queries.search(session, actor, text=query.q, limit=query.limit)
    threads = find_threads(session, actor, text=query.q, limit=query.limit)
    return answer(
        SearchOut(
            items=[FoundOut(**{name: getattr(hit, name) for name in FoundOut.model_fields}) for hit in hits],
            threads=[
                FoundThreadOut(**{name: getattr(hit, name) for name in FoundThreadOut.model_fields}) for hit in threads
            ],
        )
    )

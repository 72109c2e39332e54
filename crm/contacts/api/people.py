"""REST: people with their facts, companies and links."""

from collections.abc import Sequence
from uuid import UUID

from flask import Response, jsonify

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.api.blueprint import blueprint
from crm.contacts.api.shapes import (
    AffiliationCreate,
    AffiliationOut,
    AffiliationPatch,
    ContactCreate,
    ContactOut,
    ContactPatch,
    ContactQuery,
    DeletedOut,
    FactOut,
    FactsOut,
    LinkCreate,
    LinkOut,
    contact_out,
)
from crm.contacts.kinds import CustomSubject, FactOrigin
from crm.contacts.models import Contact
from crm.contacts.queries import ContactFilter
from crm.web.api import (
    PageQuery,
    answer,
    etag,
    expected_version,
    operation,
    page_answer,
    page_model,
    read_json,
    read_query,
)
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now

SOURCE = "API"


def shown_contacts(rows: Sequence[Contact]) -> list[ContactOut]:
    """Contacts with handles, tags and own fields, read for all of them at once."""
    session, actor = current_session(), current_actor()
    ids = [row.id for row in rows]
    handles = queries.handles_of(session, actor, contact_ids=ids)
    tags = queries.tags_of(session, actor, contact_ids=ids)
    fields = queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    custom = queries.custom_values_of(session, actor, fields=fields, contact_ids=ids)
    return [contact_out(row, handles.get(row.id, []), tags.get(row.id, []), custom.get(row.id, {})) for row in rows]


def _one(contact_id: UUID, status: int = 200, **headers: str) -> Response:
    session, actor = current_session(), current_actor()
    session.flush()
    session.expire_all()
    row = queries.contact(session, actor, contact_id=contact_id)
    return answer(shown_contacts([row])[0], status, {"ETag": etag(row.version), **headers})


@blueprint.get("/contacts")
@operation(tag="contacts", query=ContactQuery, returns=page_model(ContactOut))
def list_contacts() -> Response:
    """List people by name, by the oldest exchange first, or newest first; or search them."""
    session, actor, query = current_session(), current_actor(), read_query(ContactQuery)
    if query.q:
        ids = queries.search_contacts(session, actor, text=query.q, limit=query.limit)
        found = queries.contacts(session, actor, contact_ids=ids)
        page = Page([found[contact_id] for contact_id in ids if contact_id in found])
    else:
        where = ContactFilter(
            owner_id=query.owner_id,
            company_id=query.company_id,
            tag_id=query.tag_id,
            lifecycle=query.lifecycle or "",
            importance=query.importance or "",
        )
        page = queries.list_contacts(session, actor, where=where, sort=query.sort, after=query.after, limit=query.limit)
    return page_answer(Page(shown_contacts(page.items), page.next), lambda item: item)


@blueprint.post("/contacts")
@operation(tag="contacts", body=ContactCreate, returns=ContactOut, status=201, refuses=(409,))
def create_contact() -> Response:
    """Add a person with handles, company and tags."""
    data, session, actor = read_json(ContactCreate), current_session(), current_actor()
    services.check_required(session, actor, subject=CustomSubject.CONTACT, values=data.custom)
    row = services.create(session, actor, data=data, origin=FactOrigin.TYPED, source=SOURCE, now=request_now())
    return _one(row.id, 201, Location=f"/api/v1/contacts/{row.id}")


@blueprint.get("/contacts/<uuid:contact_id>")
@operation(tag="contacts", returns=ContactOut, refuses=(404,))
def read_contact(contact_id: UUID) -> Response:
    """Read a person; the ETag names the version."""
    return _one(contact_id)


@blueprint.patch("/contacts/<uuid:contact_id>")
@operation(tag="contacts", body=ContactPatch, returns=ContactOut, refuses=(404, 409, 412))
def change_contact(contact_id: UUID) -> Response:
    """Change some fields; with If-Match only on that version (412 otherwise)."""
    changes = read_json(ContactPatch).model_dump(exclude_unset=True)
    changes.pop("handles", None)
    services.update(
        current_session(),
        current_actor(),
        contact_id=contact_id,
        changes=changes,
        expected_version=expected_version(),
        merge=False,
        now=request_now(),
    )
    return _one(contact_id)


@blueprint.delete("/contacts/<uuid:contact_id>")
@operation(tag="contacts", status=204, refuses=(404,))
def delete_contact(contact_id: UUID) -> Response:
    """Take a person off every list; `restore` brings them back."""
    services.delete(current_session(), current_actor(), contact_id=contact_id, now=request_now())
    return Response(status=204)


@blueprint.get("/contacts/deleted")
@requires(Permission.EDIT)
@operation(tag="contacts", query=PageQuery, returns=page_model(DeletedOut))
def list_deleted_contacts() -> Response:
    """List the deleted people that can be restored, the latest first."""
    query = read_query(PageQuery)
    page = queries.deleted_contacts(current_session(), current_actor(), after=query.after, limit=query.limit)
    return page_answer(page, lambda row: DeletedOut(id=row.id, name=row.display_name, deleted_at=row.deleted_at))


@blueprint.post("/contacts/<uuid:contact_id>/restore")
@operation(tag="contacts", returns=ContactOut, refuses=(404, 409))
def restore_contact(contact_id: UUID) -> Response:
    """Bring a deleted person back, with the addresses that nobody took meanwhile."""
    services.restore(current_session(), current_actor(), contact_id=contact_id, now=request_now())
    return _one(contact_id)


@blueprint.get("/contacts/<uuid:contact_id>/facts")
@operation(tag="contacts", returns=FactsOut, refuses=(404,))
def contact_facts(contact_id: UUID) -> Response:
    """Where each value came from, and suggestions that wait for a decision."""
    current, suggested = queries.facts_of(current_session(), current_actor(), contact_id=contact_id)
    return answer(
        FactsOut(
            current=[FactOut.model_validate(fact) for fact in current.values()],
            suggested=[FactOut.model_validate(fact) for fact in suggested],
        )
    )


@blueprint.post("/suggestions/<uuid:fact_id>/accept")
@operation(tag="contacts", returns=FactOut, refuses=(404,))
def accept_suggestion(fact_id: UUID) -> Response:
    """Take a suggested value over."""
    return _decide(fact_id, accept=True)


@blueprint.post("/suggestions/<uuid:fact_id>/keep")
@operation(tag="contacts", returns=FactOut, refuses=(404,))
def refuse_suggestion(fact_id: UUID) -> Response:
    """Keep the present value; the same suggestion is not made again."""
    return _decide(fact_id, accept=False)


def _decide(fact_id: UUID, *, accept: bool) -> Response:
    row = services.decide_suggestion(
        current_session(), current_actor(), fact_id=fact_id, accept=accept, now=request_now()
    )
    shown = {name: getattr(row, name) for name in FactOut.model_fields if name != "user_name"}
    return answer(FactOut(**shown, user_name=current_actor().name if accept else ""))


@blueprint.get("/contacts/<uuid:contact_id>/companies")
@operation(tag="contacts", refuses=(404,))
def affiliations(contact_id: UUID) -> Response:
    """The companies of a person, now and before."""
    found = queries.affiliations_of(current_session(), current_actor(), contact_id=contact_id)
    return jsonify({"items": [AffiliationOut.model_validate(row).model_dump(mode="json") for row in found]})


@blueprint.post("/contacts/<uuid:contact_id>/companies")
@operation(tag="contacts", body=AffiliationCreate, status=201, refuses=(404,))
def add_affiliation(contact_id: UUID) -> Response:
    """Add a company to a person."""
    data = read_json(AffiliationCreate)
    services.add_affiliation(
        current_session(), current_actor(), contact_id=contact_id, now=request_now(), **data.model_dump()
    )
    response = affiliations(contact_id)
    response.status_code = 201
    return response


@blueprint.patch("/contacts/<uuid:contact_id>/companies/<uuid:affiliation_id>")
@operation(tag="contacts", body=AffiliationPatch, refuses=(404,))
def change_affiliation(contact_id: UUID, affiliation_id: UUID) -> Response:
    """Change role and dates of a person's place in a company, end it, or make it the primary one."""
    session, actor = current_session(), current_actor()
    before = queries.affiliation(session, actor, contact_id=contact_id, affiliation_id=affiliation_id)
    kept = {name: getattr(before, name) for name in AffiliationPatch.model_fields}
    given = read_json(AffiliationPatch).model_dump(exclude_unset=True)
    services.change_affiliation(
        session, actor, contact_id=contact_id, affiliation_id=affiliation_id, now=request_now(), **(kept | given)
    )
    return affiliations(contact_id)


@blueprint.delete("/contacts/<uuid:contact_id>/companies/<uuid:affiliation_id>")
@operation(tag="contacts", status=204, refuses=(404,))
def remove_affiliation(contact_id: UUID, affiliation_id: UUID) -> Response:
    """Forget a place that was noted by mistake; whoever left is better ended."""
    services.remove_affiliation(
        current_session(), current_actor(), contact_id=contact_id, affiliation_id=affiliation_id, now=request_now()
    )
    return Response(status=204)


@blueprint.get("/contacts/<uuid:contact_id>/links")
@operation(tag="contacts", refuses=(404,))
def links(contact_id: UUID) -> Response:
    """The people a person is linked with."""
    session, actor = current_session(), current_actor()
    queries.contact(session, actor, contact_id=contact_id)
    found = queries.links_of(session, actor, contact_id=contact_id)
    return jsonify({"items": [LinkOut.model_validate(row).model_dump(mode="json") for row in found]})


@blueprint.post("/contacts/<uuid:contact_id>/links")
@operation(tag="contacts", body=LinkCreate, status=201, refuses=(404, 409))
def add_link(contact_id: UUID) -> Response:
    """Note that two people know each other, and how."""
    data = read_json(LinkCreate)
    services.link(
        current_session(),
        current_actor(),
        contact_id=contact_id,
        other_id=data.other_id,
        kind=data.kind,
        now=request_now(),
    )
    response = links(contact_id)
    response.status_code = 201
    return response


@blueprint.delete("/links/<uuid:link_id>")
@operation(tag="contacts", status=204, refuses=(404,))
def remove_link(link_id: UUID) -> Response:
    """Forget a link between two people."""
    services.unlink(current_session(), current_actor(), link_id=link_id)
    return Response(status=204)

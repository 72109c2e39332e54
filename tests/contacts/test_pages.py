"""The pages of people and companies, as a browser without script uses them."""

from urllib.parse import urlparse

import pytest
from factories.contacts import company, consent, contact, handle, interaction, task

from crm.contacts import queries, services
from crm.db import enter_workspace


def text(response):
    return response.get_data(as_text=True)


#: What a browser sends for the choices of a person's and a company's form that nobody touched.
PERSON = {
    "importance": "normal",
    "lifecycle": "lead",
    "address_form": "formal",
    "owner_id": "",
    "language": "",
    "time_zone": "",
    "country": "",
    "birth_month": "",
}
COMPANY = {"kind": "customer", "owner_id": "", "country": ""}


def errors_of(response):
    """The summary of a refused form."""
    page = text(response)
    start = page.find("fd-errorlist")
    return page[start : start + 500] if start > 0 else page[:500]


def saved(client, url, **fields):
    """Post a form; the answer must lead on."""
    response = client.post(url, data=fields)
    assert response.status_code == 303, errors_of(response)
    return urlparse(response.headers["Location"]).path


@pytest.fixture
def ann(session, actor):
    firm = company(session, actor, "Bo Ceramiche", vat_number="01774630519")
    person = contact(
        session, actor, email="ann@example.com", company_id=firm.id, title="Buyer", birthday="--04-21", tags=["Fiera"]
    )
    handle(session, actor, person.id, channel="phone", address="347 1234567")
    return person


def test_the_page_of_a_person_shows_everything_known(client, session, actor, ann):
    interaction(session, actor, ann.id, "call", body="Wants Germany too", duration_minutes=12)
    task(session, actor, "Send the sample", contact_id=ann.id, is_promise=True, due_on="2026-12-24")
    consent(session, actor, ann.id)
    page = text(client.get(f"/contacts/{ann.id}"))
    for shown in (
        "Ann Bo",
        "Buyer",
        "Bo Ceramiche",
        "21 April",
        "Fiera",
        "Wants Germany too",
        "called, 12 minutes",
        "Send the sample",
        "1 promise open",
        "ann@example.com",
        "personal only",
        "01774630519",
        "Promotions by e-mail: given",
        "Typed by Giulia Ferri",
    ):
        assert shown in page, shown


def test_a_person_is_added_with_company_address_and_tags(client, session, actor):
    path = saved(
        client,
        "/contacts/new",
        **{
            **PERSON,
            "first_name": "Bea",
            "last_name": "Sun",
            "company_name": "Studio Sun",
            "email": "bea@example.com",
            "tags": "Fiera, VIP",
            "birth_day": "29",
            "birth_month": "2",
            "importance": "key",
            "lifecycle": "customer",
        },
    )
    page = text(client.get(path))
    for shown in ("Bea Sun", "Studio Sun", "bea@example.com", "29 February", "VIP", "Key", "Customer"):
        assert shown in page, shown


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "nope", "An e-mail address needs an @"),
        ("birth_day", "31", "This day doesn&#39;t exist"),
        ("phone", "12", "This is not a valid phone number"),
    ],
)
def test_wrong_input_is_told_beside_its_field_and_nothing_typed_is_lost(client, session, actor, field, value, message):
    month = "2" if field == "birth_day" else ""
    form = {**PERSON, "first_name": "Bea", "birth_month": month, field: value}
    refused = client.post("/contacts/new", data=form)
    assert refused.status_code == 422
    assert message in text(refused)
    assert 'value="Bea"' in text(refused)
    assert queries.list_contacts(session, actor).items == []


def form_of(ann, **changed):
    return {
        **PERSON,
        "version": "1",
        "first_name": "Ann",
        "last_name": "Bo",
        "title": "Buyer",
        "company_name": "Bo Ceramiche",
        "importance": "normal",
        "lifecycle": "lead",
        "address_form": "formal",
        "birth_day": "21",
        "birth_month": "4",
        "owner_id": str(ann.owner_id),
        "tags": "Fiera",
        **changed,
    }


def test_editing_keeps_what_somebody_else_changed_in_other_fields(client, session, actor, ann, now):
    services.update(session, actor, contact_id=ann.id, changes={"city": "Lucca"}, now=now)
    seen = form_of(ann, version=str(ann.version - 1), title="Owner", city="Lucca")
    saved(client, f"/contacts/{ann.id}/edit", **seen)
    session.expire_all()
    found = queries.contact(session, actor, contact_id=ann.id)
    assert (found.title, found.city) == ("Owner", "Lucca")


def test_editing_the_same_field_asks_and_the_second_answer_counts(client, session, actor, ann, now):
    old = ann.version
    services.update(session, actor, contact_id=ann.id, changes={"title": "Clerk"}, now=now)
    asked = client.post(f"/contacts/{ann.id}/edit", data=form_of(ann, version=str(old), title="Owner"))
    assert asked.status_code == 409
    assert "Clerk" in text(asked)
    assert 'value="Owner"' in text(asked)
    saved(client, f"/contacts/{ann.id}/edit", **form_of(ann, version=str(ann.version), title="Owner"))
    session.expire_all()
    assert queries.contact(session, actor, contact_id=ann.id).title == "Owner"


@pytest.mark.parametrize(
    ("field", "given", "shown"),
    [
        ("city", {"text": "Lucca"}, "Lucca"),
        ("interests", {"long": "export"}, "export"),
        ("language", {"choice": "it"}, "Italian"),
        ("birthday", {"birth_day": "29", "birth_month": "2"}, "29 February"),
        ("lifecycle", {"choice": "customer"}, "Customer"),
        ("company_id", {"text": "Studio Sun"}, "Studio Sun"),
        ("owner_id", {"choice": ""}, "not known"),
    ],
)
def test_one_value_is_edited_in_place_and_without_script(client, ann, field, given, shown):
    url = f"/contacts/{ann.id}/fields/{field}"
    part = client.get(url, headers={"HX-Request": "true"})
    assert "<html" not in text(part)
    assert "hx-post" in text(part)
    assert "<html" in text(client.get(url))
    answer = client.post(url, data={"version": "9", **given}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert shown in text(answer)
    assert saved(client, url, version="9", **given) == f"/contacts/{ann.id}"


def test_a_wrong_value_in_place_stays_open_with_its_reason(client, ann):
    answer = client.post(
        f"/contacts/{ann.id}/fields/birthday",
        data={"birth_day": "30", "birth_month": "2"},
        headers={"HX-Request": "true"},
    )
    assert answer.status_code == 422
    assert "exist" in text(answer)


def test_only_values_with_provenance_are_edited_in_place(client, ann):
    assert client.get(f"/contacts/{ann.id}/fields/version").status_code == 404
    assert client.post(f"/contacts/{ann.id}/fields/deleted_at", data={"text": "x"}).status_code == 404


def test_addresses_are_added_preferred_and_removed(client, session, actor, ann):
    saved(client, f"/contacts/{ann.id}/handles", channel="email", address="ann@work.example.com", is_primary="y")
    page = text(client.get(f"/contacts/{ann.id}/handles"))
    assert "ann@work.example.com" in page
    rows = queries.handles_of(session, actor, contact_ids=[ann.id])[ann.id]
    other = next(row for row in rows if row.address == "ann@example.com")
    assert not other.is_primary
    saved(client, f"/handles/{other.id}/primary")
    saved(client, f"/handles/{other.id}/remove")
    refused = client.post(f"/contacts/{ann.id}/handles", data={"channel": "email", "address": "x"})
    assert (refused.status_code, "needs an @" in text(refused)) == (422, True)


def test_tags_and_links_are_changed(client, session, actor, ann):
    contact(session, actor, "Bea Sun")
    saved(client, f"/contacts/{ann.id}/tags", tags="Cersaie, VIP")
    saved(client, f"/contacts/{ann.id}/links", kind="introduced_by", other="bea")
    page = text(client.get(f"/contacts/{ann.id}"))
    for shown in ("Cersaie", "VIP", "Bea Sun", "introduced them to us"):
        assert shown in page, shown
    (link,) = queries.links_of(session, actor, contact_id=ann.id)
    saved(client, f"/contacts/{ann.id}/links/{link.id}/remove")
    assert queries.links_of(session, actor, contact_id=ann.id) == []


def test_several_people_of_one_name_are_offered(client, session, actor, ann):
    contact(session, actor, "Bea Sun")
    second = contact(session, actor, "Bea Moon")
    asked = client.post(f"/contacts/{ann.id}/links", data={"kind": "knows", "other": "bea"})
    assert (asked.status_code, "Which one?" in text(asked)) == (422, True)
    saved(client, f"/contacts/{ann.id}/links", kind="knows", other="bea", other_id=str(second.id))
    assert [link.name for link in queries.links_of(session, actor, contact_id=ann.id)] == ["Bea Moon"]


def test_a_deleted_person_can_be_brought_back_from_the_message(client, ann):
    path = saved(client, f"/contacts/{ann.id}/delete")
    page = text(client.get(path))
    assert f"/contacts/{ann.id}/restore" in page
    assert client.get(f"/contacts/{ann.id}").status_code == 404
    saved(client, f"/contacts/{ann.id}/restore")
    assert client.get(f"/contacts/{ann.id}").status_code == 200


def test_the_list_filters_sorts_and_pages(client, session, actor, ann, monkeypatch):
    from crm.desk import people

    monkeypatch.setattr(people, "PAGE", 2)
    for name in ("Bea Sun", "Cy Moon"):
        contact(session, actor, name, lifecycle="customer", importance="key")
    first = text(client.get("/contacts"))
    assert "Ann Bo" in first
    assert "after=" in first
    customers = text(client.get("/contacts?lifecycle=customer&sort=last_exchange"))
    assert "Bea Sun" in customers
    assert "Ann Bo" not in customers
    (tag,) = queries.tags(session, actor).items
    tagged = text(client.get(f"/contacts?tag={tag.id}&owner=me&quiet=30"))
    assert "Ann Bo" in tagged
    assert "Bea Sun" not in tagged
    assert "Nobody matches" in text(client.get("/contacts?importance=high"))
    assert "Bea Sun" in text(client.get("/contacts?q=bea"))


@pytest.mark.parametrize(
    "query",
    [
        "owner=x",
        "tag=x",
        "segment=x",
        "after=x",
        "sort=x",
        "lifecycle=x",
        "quiet=x",
        f"quiet={'9' * 5_000}",
        "quiet=²",
        "_scheme=javascript",
        "_external=1",
        "endpoint=x",
        "segment=01a206e2-4d54-74eb-bee8-d08c0ec33c60",
    ],
)
def test_a_bent_address_of_the_list_never_breaks_it(client, ann, query):
    response = client.get(f"/contacts?{query}")
    assert response.status_code in {200, 404, 422}
    assert "javascript:" not in text(response)


def test_a_company_shows_its_people_and_their_history(client, session, actor, ann):
    interaction(session, actor, ann.id, "meeting", body="At the fair")
    page = text(client.get(f"/companies/{ann.company_id}"))
    for shown in ("Bo Ceramiche", "Ann Bo", "At the fair", "01774630519"):
        assert shown in page, shown


def test_a_company_is_added_changed_and_deleted(client, session, actor):
    path = saved(client, "/companies/new", name="Studio Sun", **COMPANY, website="www.sun.example.com")
    assert "sun.example.com" in text(client.get("/companies"))
    refused = client.post("/companies/new", data={**COMPANY, "name": "Two", "website": "sun.example.com"})
    assert (refused.status_code, "already a company" in text(refused)) == (422, True)
    saved(
        client,
        f"{path}/edit",
        version="1",
        name="Studio Sun",
        **COMPANY,
        website="www.sun.example.com",
        staff="12",
    )
    assert ">12<" in text(client.get(path)).replace(" ", "")
    assert "Studio Sun" in text(client.get("/companies?q=studio"))
    saved(client, f"{path}/delete")
    assert client.get(path).status_code == 404


def test_search_answers_the_palette_and_a_page(client, session, actor, ann):
    part = text(client.get("/search?q=ann", headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert f"/contacts/{ann.id}" in part
    assert "Ann Bo" in text(client.get("/search?q=ann"))
    assert "Nothing found" in text(client.get("/search?q=zzzz"))
    assert client.get("/search").status_code == 200


def test_names_are_never_markup(client, session, actor):
    person = contact(session, actor, "<script>alert(1)</script> Bo", company_name='"><img src=x onerror=alert(1)>')
    interaction(session, actor, person.id, "note", body="<b onclick=x>hi</b>")
    for url in (
        f"/contacts/{person.id}",
        "/contacts",
        f"/companies/{person.company_id}",
        "/search?q=script",
        "/companies",
    ):
        page = text(client.get(url))
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b onclick" not in page


def test_pages_of_another_workspaces_people_do_not_exist(client, session, actor, other_actor):
    enter_workspace(session, other_actor.workspace_id)
    far = contact(session, other_actor, "Far Far", email="far@example.com", company_name="Far Srl")
    job = task(session, other_actor, contact_id=far.id)
    entry = interaction(session, other_actor, far.id, "note", body="x")
    handle_id = queries.handles_of(session, other_actor, contact_ids=[far.id])[far.id][0].id
    enter_workspace(session, actor.workspace_id)
    for url in (
        f"/contacts/{far.id}",
        f"/contacts/{far.id}/timeline",
        f"/contacts/{far.id}/edit",
        f"/contacts/{far.id}/fields/city",
        f"/contacts/{far.id}/tags",
        f"/contacts/{far.id}/handles",
        f"/contacts/{far.id}/links",
        f"/contacts/{far.id}/consents",
        f"/contacts/{far.id}/log",
        f"/companies/{far.company_id}",
        f"/companies/{far.company_id}/edit",
        f"/tasks/{job.id}/edit",
        f"/tasks/new?contact={far.id}",
    ):
        assert client.get(url).status_code == 404, url
    for url in (
        f"/contacts/{far.id}/delete",
        f"/contacts/{far.id}/restore",
        f"/handles/{handle_id}/remove",
        f"/handles/{handle_id}/primary",
        f"/companies/{far.company_id}/delete",
        f"/tasks/{job.id}/done",
        f"/tasks/{job.id}/snooze",
        f"/interactions/{entry.id}/remove",
        f"/interactions/{entry.id}/answered",
    ):
        assert client.post(url).status_code == 404, url

"""Fields of the workspace's own on pages and in the API."""

import pytest
from factories import contacts as make

from crm.accounts.kinds import Role
from crm.contacts import queries, services
from crm.contacts.kinds import CustomSubject

#: What a browser sends for the choices of a person's form that nobody touched.
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


@pytest.fixture
def define(session, actor, now):
    def define(label="Budget", kind="number", **more):
        data = services.CustomFieldInput.model_validate({"label": label, "type": kind, **more})
        return services.create_custom_field(session, actor, data=data, now=now)

    return define


@pytest.fixture
def ann(session, actor):
    return make.contact(session, actor, "Ann Bo", email="ann@example.com")


def values(session, actor, contact_id):
    session.expire_all()
    fields = queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    kept = queries.custom_values_of(session, actor, fields=fields, contact_ids=[contact_id])
    return {key: value.plain for key, value in kept.get(contact_id, {}).items()}


def test_a_field_is_made_changed_moved_and_archived_under_settings(client, session, actor):
    made = client.post(
        "/settings/fields/new",
        data={"subject": "contact", "label": "Level", "type": "choice", "choices": "Oro\nArgento\n", "filterable": "y"},
    )
    assert made.status_code == 303
    client.post("/settings/fields/new", data={"subject": "contact", "label": "Budget", "type": "money"})
    level, budget = queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    assert [one.label for one in level.choices] == ["Oro", "Argento"]
    page = client.get(f"/settings/fields/{level.id}").text
    assert "Oro [oro]" in page
    client.post(
        f"/settings/fields/{level.id}", data={"label": "Level", "type": "choice", "choices": "Gold [oro]\nBronze"}
    )
    session.expire_all()
    level = queries.custom_field(session, actor, field_id=level.id)
    assert [(one.key, one.label) for one in level.choices] == [("oro", "Gold"), ("bronze", "Bronze")]
    client.post(f"/settings/fields/{budget.id}/move", data={"to": "0"})
    client.post(f"/settings/fields/{level.id}/archive")
    assert [one.key for one in queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)] == ["budget"]
    assert "Bring back" in client.get("/settings/fields").text
    client.post(f"/settings/fields/{level.id}/restore")
    assert len(queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)) == 2


def test_mistakes_stand_beside_the_field_of_the_form(client, define):
    define("Budget")
    for data, text in [
        ({"label": "budget", "type": "text"}, "already a field with this name"),
        ({"label": "Level", "type": "choice"}, "Write at least one choice"),
        ({"label": "Level", "type": "choice", "choices": "x" * 80}, "60"),
        ({"label": "Size", "type": "number", "lowest": "5", "highest": "1"}, "must not come after"),
        ({"label": "Size", "type": "money", "currency": "XYZ", "lowest": "1"}, "currency is not known"),
    ]:
        answer = client.post("/settings/fields/new", data={"subject": "contact", **data})
        assert answer.status_code == 422
        assert text in answer.text


def test_a_type_that_values_do_not_fit_is_refused_with_an_example(client, session, actor, now, define, ann):
    field = define("Thing", "text")
    services.set_custom_values(session, actor, contact_id=ann.id, values={"thing": "many"}, now=now)
    answer = client.post(f"/settings/fields/{field.id}", data={"label": "Thing", "type": "number"})
    assert answer.status_code == 422
    assert "“many” for one" in answer.text
    assert "1 record has a value" in answer.text


def test_only_who_manages_the_workspace_sees_the_settings(signed_in, session, house):
    from conftest import make_house

    sales = make_house(session, name="Other", role=Role.SALES)
    assert signed_in(sales).get("/settings/fields").status_code == 403


def test_a_value_is_edited_where_it_stands(client, session, actor, now, define, ann):
    define("Budget", "money", lowest="0")
    page = client.get(f"/contacts/{ann.id}").text
    assert f"/contacts/{ann.id}/own/budget" in page
    htmx = {"HX-Request": "true"}
    assert 'name="custom.budget"' in client.get(f"/contacts/{ann.id}/own/budget", headers=htmx).text
    wrong = client.post(f"/contacts/{ann.id}/own/budget", data={"custom.budget": "-1"}, headers=htmx)
    assert wrong.status_code == 422
    assert "Not below 0.00" in wrong.text
    assert 'value="-1"' in wrong.text
    saved = client.post(f"/contacts/{ann.id}/own/budget", data={"custom.budget": "1,250.50"}, headers=htmx)
    assert saved.status_code == 200
    assert "€1,250.50" in saved.text
    assert "Typed by Giulia Ferri" in saved.text
    assert client.post(f"/contacts/{ann.id}/own/budget", data={"custom.budget": ""}).status_code == 303
    assert values(session, actor, ann.id) == {}
    assert client.get(f"/contacts/{ann.id}/own/nothing").status_code == 404


def test_somebody_elses_value_is_shown_before_it_is_replaced(client, session, actor, now, define, ann):
    define("Level", "choice", choices=[{"label": "Oro"}, {"label": "Argento"}])
    seen = ann.version
    services.set_custom_values(session, actor, contact_id=ann.id, values={"level": "oro"}, now=now)
    sent = {"custom.level": "argento", "version": str(seen)}
    asked = client.post(f"/contacts/{ann.id}/own/level", data=sent)
    assert asked.status_code == 409
    assert "It now says “Oro”" in asked.text
    whole = client.post(f"/contacts/{ann.id}/edit", data={**PERSON, "first_name": "Ann", "last_name": "Bo", **sent})
    assert whole.status_code == 409
    assert "Oro" in whole.text
    again = client.post(f"/contacts/{ann.id}/own/level", data={**sent, "version": str(seen + 1)})
    assert again.status_code == 303
    assert values(session, actor, ann.id) == {"level": "argento"}


def test_the_forms_of_people_and_companies_hold_the_fields(client, session, actor, define):
    define("Budget", required=True)
    define("Level", "choices", choices=[{"label": "Oro"}, {"label": "Argento"}])
    define("Premium", "yes_no")
    refused = client.post("/contacts/new", data={**PERSON, "first_name": "Eva", "custom.premium": "yes"})
    assert refused.status_code == 422
    made = client.post(
        "/contacts/new",
        data={
            **PERSON,
            "first_name": "Eva",
            "custom.budget": "3",
            "custom.level": ["oro", "argento"],
            "custom.premium": "no",
        },
    )
    eva = made.headers["Location"].rpartition("/")[2]
    shown = client.get(f"/contacts/{eva}/edit").text
    assert 'value="3"' in shown
    assert shown.count("selected") >= 3
    define("Sector", "text", subject="company")
    firm = client.post("/companies/new", data={**COMPANY, "name": "Bo", "custom.sector": "مرحبا 👩‍🚀"})
    page = client.get(firm.headers["Location"]).text
    assert "مرحبا 👩‍🚀" in page
    assert client.get(firm.headers["Location"] + "/edit").status_code == 200


def test_a_person_chosen_once_stays_chosen_when_another_one_gets_the_same_name(
    client, session, actor, now, define, ann
):
    define("Referee", "contact")
    carl = make.contact(session, actor, "Carl Dini")
    services.set_custom_values(session, actor, contact_id=ann.id, values={"referee": str(carl.id)}, now=now)
    make.contact(session, actor, "Carl Dini")
    assert client.post(f"/contacts/{ann.id}/own/referee", data={"custom.referee": "Carl Dini"}).status_code == 303
    assert values(session, actor, ann.id) == {"referee": str(carl.id)}
    assert f"/contacts/{carl.id}" in client.get(f"/contacts/{ann.id}").text


def test_the_api_describes_takes_and_gives_them(client, define):
    define("Budget", "money", required=True)
    listed = client.get("/api/v1/custom-fields").get_json()["items"]
    assert [(one["key"], one["type"], one["required"]) for one in listed] == [("budget", "money", True)]
    missing = client.post("/api/v1/contacts", json={"first_name": "Eva"})
    assert missing.status_code == 422
    assert "custom.budget" in missing.get_data(as_text=True)
    money = {"amount": 1250, "currency": "EUR"}
    made = client.post("/api/v1/contacts", json={"first_name": "Eva", "custom": {"budget": money}})
    assert made.get_json()["custom"] == {"budget": money}
    url = made.headers["Location"]
    changed = client.patch(url, json={"custom": {"budget": "7.5 USD"}}, headers={"If-Match": made.headers["ETag"]})
    assert changed.get_json()["custom"] == {"budget": {"amount": 750, "currency": "USD"}}
    stale = client.patch(url, json={"custom": {"budget": 1}}, headers={"If-Match": made.headers["ETag"]})
    assert stale.status_code == 412
    wrong = client.patch(url, json={"custom": {"budget": None}})
    assert wrong.status_code == 422
    found = client.get("/api/v1/contacts").get_json()["items"]
    assert [one["custom"] for one in found] == [{"budget": {"amount": 750, "currency": "USD"}}]


def test_the_api_makes_changes_and_archives_fields(client):
    made = client.post(
        "/api/v1/custom-fields",
        json={"subject": "company", "label": "Level", "type": "choice", "choices": [{"label": "A"}]},
    )
    url = made.headers["Location"]
    assert made.get_json()["choices"] == [{"key": "a", "label": "A", "is_archived": False}]
    changed = client.patch(url, json={"label": "Grade", "required": True}).get_json()
    assert (changed["label"], changed["required"], changed["key"]) == ("Grade", True, "level")
    assert client.post(f"{url}/archive").get_json()["is_archived"] is True
    assert client.get("/api/v1/custom-fields?subject=company").get_json()["items"] == []
    assert client.post(f"{url}/restore").get_json()["is_archived"] is False
    firm = client.post("/api/v1/companies", json={"name": "Bo", "custom": {"level": "A"}})
    assert firm.get_json()["custom"] == {"level": "a"}
    fields = client.get("/api/v1/segments/fields").get_json()["items"]
    assert "company_custom.level" in {one["name"] for one in fields}


def test_the_list_is_filtered_by_a_range(client, session, actor, now, define, ann):
    define("Budget")
    make.contact(session, actor, "Carl Dini")
    services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 12}, now=now)
    rule = '{"field":"custom.budget","op":"between","value":{"from":10,"to":20}}'
    page = client.get("/contacts", query_string={"rule": rule})
    assert "Ann Bo" in page.text
    assert "Carl Dini" not in page.text
    assert "custom.budget" in client.get("/contacts/filter?add=custom.budget").text


def test_choices_are_put_in_order_one_by_one(client, session, actor, define):
    field = define("Level", "choice", choices=[{"label": label} for label in ("Oro", "Argento", "Bronzo")])

    def labels():
        session.expire_all()
        return [one.label for one in queries.custom_field(session, actor, field_id=field.id).choices]

    page = client.get(f"/settings/fields/{field.id}").text
    assert page.count(f'action="/settings/fields/{field.id}/choices"') == 4
    assert "Move Bronzo up" in page
    client.post(f"/settings/fields/{field.id}/choices", data={"key": "bronzo", "to": "1"})
    assert labels() == ["Oro", "Bronzo", "Argento"]
    client.post(f"/settings/fields/{field.id}/choices", data={"key": "oro", "to": "99"})
    assert labels() == ["Bronzo", "Argento", "Oro"]
    assert client.post(f"/settings/fields/{field.id}/choices", data={"key": "platino", "to": "0"}).status_code == 404

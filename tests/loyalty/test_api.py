"""The REST face of loyalty."""

import pytest
from factories.contacts import contact
from factories.loyalty import member, offer, program, voucher

from crm.db import enter_workspace, new_id
from crm.loyalty.rules.codes import encode

BASE = "/api/v1/loyalty"


@pytest.fixture
def ann(session, actor):
    return contact(session, actor)


def test_points_are_given_spent_and_taken_back(client, session, actor, ann):
    program(session, actor)
    held = client.post(f"{BASE}/members", json={"contact_id": str(ann.id)})
    assert (held.status_code, held.json["balance"]) == (201, 0)
    member_id = held.json["member_id"]
    given = {"member_id": member_id, "kind": "earn", "points": 50, "reason": "thanks"}
    made = client.post(f"{BASE}/entries", json=given, headers={"Idempotency-Key": "one"})
    again = client.post(f"{BASE}/entries", json=given, headers={"Idempotency-Key": "one"})
    assert (made.status_code, made.json["standing"]["balance"], again.json["id"]) == (201, 50, made.json["id"])
    other = client.post(f"{BASE}/entries", json={**given, "points": 51}, headers={"Idempotency-Key": "one"})
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")
    spent = client.post(f"{BASE}/entries", json={**given, "kind": "spend", "points": 20})
    assert spent.json["standing"]["balance"] == 30
    back = client.post(f"{BASE}/entries/{spent.json['id']}/reverse", json={"reason": "wrong", "points": 5})
    assert (back.status_code, back.json["standing"]["balance"]) == (201, 35)
    lines = client.get(f"{BASE}/members/{member_id}/statement").json["items"]
    assert [(line["kind"], line["points"]) for line in lines] == [("reverse", 5), ("spend", -20), ("earn", 50)]
    report = client.get(f"{BASE}/programs/{held.json['program_id']}/report").json
    assert (report["outstanding"], report["issued"], report["liability_minor"]) == (35, 50, 35)


def test_pages_of_a_statement_continue_where_they_ended(client, session, actor):
    holder = member(session, actor)
    for n in range(5):
        client.post(
            f"{BASE}/entries", json={"member_id": str(holder.id), "kind": "earn", "points": n + 1, "reason": ""}
        )
    first = client.get(f"{BASE}/members/{holder.id}/statement?limit=3").json
    rest = client.get(f"{BASE}/members/{holder.id}/statement?limit=3&after={first['next']}").json
    assert sorted(line["points"] for line in first["items"] + rest["items"]) == [1, 2, 3, 4, 5]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"points": 1.5}, 422, "invalid"),
        ({"points": "5"}, 422, "invalid"),
        ({"points": -5}, 422, "points_out_of_range"),
        ({"kind": "steal"}, 422, "invalid"),
        ({"kind": "spend", "points": 5}, 409, "not_enough_points"),
        ({"surprise": 1}, 422, "invalid"),
        ({"member_id": str(new_id())}, 404, "not_found"),
    ],
)
def test_a_wrong_entry_is_a_problem_document(client, session, actor, change, status, code):
    holder = member(session, actor)
    given = {"member_id": str(holder.id), "kind": "earn", "points": 5, "reason": "x", **change}
    answer = client.post(f"{BASE}/entries", json=given)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"


def test_nobody_joins_without_a_programme(client, ann):
    answer = client.post(f"{BASE}/members", json={"contact_id": str(ann.id)})
    assert (answer.status_code, answer.json["code"]) == (409, "no_program")


def test_a_programme_and_its_rules(client):
    made = client.post(f"{BASE}/programs", json={"name": "Club", "validity_months": 12}).json
    changed = client.put(f"{BASE}/programs/{made['id']}", json={"name": "Club 2"}).json
    assert (made["is_default"], changed["name"], changed["validity_months"]) == (True, "Club 2", None)
    rule = {"name": "Visit", "interaction_kind": "visit", "points": 5}
    created = client.post(f"{BASE}/programs/{made['id']}/rules", json=rule)
    assert created.status_code == 201
    forbidden = client.post(f"{BASE}/programs/{made['id']}/rules", json={**rule, "interaction_kind": "like"})
    assert (forbidden.status_code, forbidden.json["code"]) == (422, "bad_rule")
    retired = client.post(f"{BASE}/rules/{created.json['id']}/retire").json
    assert not retired["is_active"]
    assert len(client.get(f"{BASE}/programs/{made['id']}/rules").json["items"]) == 1
    assert client.get(f"{BASE}/programs/{made['id']}").json["id"] == made["id"]
    assert len(client.get(f"{BASE}/programs").json["items"]) == 1


def test_an_offer_is_issued_redeemed_and_undone(client, session, actor, ann):
    made = client.post(f"{BASE}/offers", json={"name": "Twenty", "kind": "percent", "percent": 20})
    offer_id = made.json["id"]
    issued = client.post(f"{BASE}/offers/{offer_id}/issue", json={"contact_ids": [str(ann.id)]})
    assert (issued.status_code, issued.json["left_out"]) == (201, [])
    code = issued.json["vouchers"][0]["code"]
    second = client.post(f"{BASE}/offers/{offer_id}/issue", json={"contact_ids": [str(ann.id)]})
    assert second.json == {"vouchers": [], "left_out": [str(ann.id)]}
    assert client.get(f"{BASE}/vouchers/{code}").json["refusal"] is None
    done = client.post(
        f"{BASE}/vouchers/{code}/redeem", json={"purchase_minor": 1000}, headers={"Idempotency-Key": "r"}
    )
    assert (done.status_code, done.json["discount_minor"]) == (201, 200)
    used = client.post(f"{BASE}/vouchers/{code}/redeem", json={"purchase_minor": 1000})
    assert (used.status_code, used.json["code"]) == (409, "used")
    undone = client.post(f"{BASE}/vouchers/{code}/undo")
    assert (undone.status_code, undone.json["undone_at"] is None) == (200, False)
    assert client.get(f"{BASE}/offers/{offer_id}/report").json["undone"] == 1
    renamed = client.patch(f"{BASE}/offers/{offer_id}", json={"name": "Twenty percent"})
    assert (renamed.status_code, renamed.json["percent"]) == (200, 20)
    assert client.patch(f"{BASE}/offers/{offer_id}", json={"percent": 30}).json["code"] == "promised"
    assert client.post(f"{BASE}/offers/{offer_id}/withdraw").json["state"] == "withdrawn"
    assert client.get(f"{BASE}/vouchers/{code}").json["refusal"] == "withdrawn"


def test_codes_that_are_none_are_not_found(client):
    for code, reason in ((encode(3, 16), "unknown"), ("nonsense", "unreadable")):
        answer = client.get(f"{BASE}/vouchers/{code}")
        assert (answer.status_code, answer.json["code"]) == (404, reason)
    assert client.post(f"{BASE}/vouchers/{encode(4, 16)}/undo").json["code"] == "not_redeemed"


def test_an_offer_for_somebody_unknown_makes_nothing(client, session, actor, ann):
    made = offer(session, actor)
    answer = client.post(f"{BASE}/offers/{made.id}/issue", json={"contact_ids": [str(ann.id), str(new_id())]})
    assert answer.status_code == 404
    assert client.get(f"{BASE}/offers/{made.id}/report").json["given"] == 0


def test_another_workspace_s_things_are_unknown(client, session, actor, other_actor):
    enter_workspace(session, other_actor.workspace_id)
    holder = member(session, other_actor)
    theirs = voucher(session, other_actor, offer_id=offer(session, other_actor).id, contact_id=holder.contact_id)
    code, offer_id, member_id, program_id = theirs.code, theirs.offer_id, holder.id, holder.program_id
    enter_workspace(session, actor.workspace_id)
    paths = [f"offers/{offer_id}", f"offers/{offer_id}/report", f"programs/{program_id}", f"vouchers/{code}"]
    for path in (*paths, f"members/{member_id}", f"members/{member_id}/statement"):
        assert client.get(f"{BASE}/{path}").status_code == 404
    assert client.post(f"{BASE}/vouchers/{code}/redeem", json={}).json["code"] == "unknown"
    assert client.post(f"{BASE}/members/{member_id}/leave").status_code == 404


def test_the_code_of_another_person_is_a_problem_and_stays_good(client, session, actor, ann):
    bob = contact(session, actor, name="Bob Li")
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=bob.id)
    path = f"{BASE}/vouchers/{row.code}/redeem"

    refused = client.post(path, json={"contact_id": str(ann.id)})
    assert (refused.status_code, refused.mimetype) == (409, "application/problem+json")
    assert (refused.json["code"], refused.json["title"]) == ("other_holder", "This code belongs to somebody else.")

    assert client.post(path, json={"contact_id": str(bob.id)}).status_code == 201

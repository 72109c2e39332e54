"""Values that no page offers never break one."""

import pytest
from factories.contacts import contact


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "x"])
def test_the_calendar_stays_at_today_for_an_impossible_day(client, day):
    assert client.get(f"/calendar?from={day}").status_code == 200


def test_an_unknown_purpose_comes_back_beside_its_field(client, session, actor, now):
    person = contact(session, actor, name="Ann Bo", email="ann@example.it", now=now)

    answer = client.post(f"/contacts/{person.id}/write", data={"purpose": "zz", "channel": "email", "body": "x"})

    assert answer.status_code == 422


def test_json_nested_beyond_reason_is_a_problem_document(client):
    bent = '{"name": "x", "rule": ' + "[" * 5000 + "]" * 5000 + "}"

    answer = client.post("/api/v1/segments", data=bent, content_type="application/json")

    assert (answer.status_code, answer.json["code"]) == (422, "bad_json")

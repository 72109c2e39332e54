"""The main story through the API alone, with real processes: from a list of people to points at the till."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from stack.callers import browsing
from stack.running import until

pytestmark = pytest.mark.journey

PEOPLE = """first name;last name;e-mail;city
Zita;Azzurri;zita@studio-azzurri.example;Faenza
Zeno;Bruni;zeno@bruni.example;Ravenna
Zora;Celesti;zora@celesti.example;Faenza
Nobody;Nowhere;not-an-address;Faenza
"""
BODY = "Good morning {{ contact.first_name }},\n\nyour code is {{ voucher.code }}.\n"


def imported(api):
    """The people of the list, found by its tag."""
    work = api.post(
        "imports",
        files={"file": ("people.csv", PEOPLE.encode(), "text/csv")},
        data={"source": "Fair 2026", "basis": "consent", "tag": "journey-api"},
        status=202,
    )
    done = until(lambda: (now := api.get(f"imports/{work['id']}"))["state"] in {"done", "failed"} and now, "the import")
    assert (done["state"], done["created"], done["refused"]) == ("done", 3, 1)
    errors = api.client.get(f"imports/{work['id']}/errors.csv")
    assert "not-an-address" in errors.text
    tag = next(tag for tag in api.get("tags", limit=200)["items"] if tag["name"] == "journey-api")
    return tag["id"]


def test_from_a_list_to_points_at_the_till(stack, api):
    tag = imported(api)

    rule = {"all": [{"field": "tag", "op": "any_of", "value": [tag]}, {"field": "city", "op": "is", "value": "Faenza"}]}
    preview = api.post("segments/preview", {"rule": rule})
    assert preview["count"] == 2
    segment = api.post("segments", {"name": "Journey: Faenza", "rule": rule}, status=201)
    program = api.get("loyalty/programs")["items"][0]
    offer = api.post(
        "loyalty/offers",
        {"name": "A private promotion", "kind": "percent", "percent": 15},
        status=201,
    )

    campaign = api.post(
        "campaigns",
        {
            "name": "Journey through the API",
            "segment_id": segment["id"],
            "offer_id": offer["id"],
            "texts": [{"subject": "Only for you, {{ contact.first_name }}", "body": BODY}],
        },
        status=201,
    )
    path = f"campaigns/{campaign['id']}"
    assert api.get(f"{path}/audience")["writable"] == 2
    prepared = api.post(f"{path}/prepare")
    assert (prepared["drafted"], prepared["missing"]) == (2, 0)

    recipients = api.get(f"{path}/recipients")["items"]
    for one in recipients:
        draft = api.get(f"{path}/recipients/{one['id']}")
        assert "Only for you" in str(draft)
        changed = api.post(f"{path}/approve", {"recipient_ids": [one["id"]]})
        assert len(changed["done"]) == 1
    at = datetime.now(UTC) + timedelta(seconds=10)
    assert api.post(f"{path}/schedule", {"at": at.isoformat()})["scheduled"] == 2

    until(lambda: all(one["sent_at"] for one in api.get(f"{path}/recipients")["items"]), "both messages to leave")
    sent = {one["name"]: one for one in api.get(f"{path}/recipients")["items"]}
    assert all(datetime.fromisoformat(one["sent_at"]) >= at for one in sent.values())
    assert {one["message_state"] for one in sent.values()} == {"sent"}

    zita = sent["Zita Azzurri"]
    assert {entry["kind"] for entry in api.get(f"contacts/{zita['contact_id']}/timeline")["items"]} >= {"message.sent"}
    code = received(stack, "zita@studio-azzurri.example")
    seen = api.get(f"loyalty/vouchers/{code}")
    assert (seen["refusal"], seen["holder_name"]) == (None, "Zita Azzurri")

    answer(stack, "zita@studio-azzurri.example", "Gladly, see you on Friday.")
    heard = [
        entry
        for entry in api.get(f"contacts/{zita['contact_id']}/timeline")["items"]
        if entry["kind"] == "message.received"
    ]
    assert len(heard) == 1
    assert "see you on Friday" in str(heard[0])

    joined = api.post("loyalty/members", {"contact_id": zita["contact_id"]}, status=201)
    before = api.get(f"loyalty/members/{joined['member_id']}")["balance"]
    done = api.post(
        f"loyalty/vouchers/{code}/redeem", {"purchase_minor": 10_000}, status=201, headers={"Idempotency-Key": "till-1"}
    )
    assert done["discount_minor"] == 1_500
    again = api.client.post(
        f"loyalty/vouchers/{code}/redeem", json={"purchase_minor": 10_000}, headers={"Idempotency-Key": "till-2"}
    )
    assert again.status_code == 409
    after = until(
        lambda: (now := api.get(f"loyalty/members/{joined['member_id']}")["balance"]) > before and now, "the points"
    )
    rules = api.get(f"loyalty/programs/{program['id']}/rules")["items"]
    assert after - before == next(rule["points"] for rule in rules if rule["interaction_kind"] == "offer.redeemed")
    report = api.get(f"{path}/report")
    assert report
    assert api.get(f"loyalty/offers/{offer['id']}/report")


def received(stack, address):
    """The code in the letter."""
    body = stack.letter(address)[1].get_body(("plain",))
    assert body is not None
    found = re.search(r"your code is (\S+?)\.?\s", body.get_content())
    assert found, body.get_content()
    return found[1]


def answer(stack, address, text):
    """Write back as that person: the sandbox has a face for people only, so somebody signs in for it."""
    with browsing(stack) as browser:
        browser.post(
            f"/sandbox/{stack.letter(address)[0].id}/answer",
            {"kind": "reply", "text": text},
            of=f"/sandbox?to={address}",
        )

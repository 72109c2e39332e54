"""The pages of consents and suppressed addresses."""

import re
from datetime import UTC, datetime

import pytest
from factories.contacts import consent, contact

from crm.consent import queries

FORM = {"action": "granted", "purpose": "promotional", "channel": "email", "basis": "consent", "source": "fair"}


@pytest.fixture
def ann(session, actor):
    return contact(session, actor, email="ann@example.com")


def text(response):
    return response.get_data(as_text=True)


def test_a_consent_of_the_year_one_is_refused_beside_its_field(client, ann):
    answer = client.post(f"/contacts/{ann.id}/consents", data={**FORM, "happened_on": "0001-01-01"})
    assert answer.status_code == 422
    assert "This day is too far away." in text(answer)


def test_suppressed_addresses_stand_among_the_settings(client):
    page = text(client.get("/suppressions"))

    assert re.search(r'href="/suppressions"[^>]*aria-current="page"', page)
    assert 'href="/settings/people"' in page


def test_a_consent_is_recorded_with_words_and_evidence(client, session, actor, ann):
    url = f"/contacts/{ann.id}/consents"
    given = {**FORM, "happened_on": "2026-01-02", "wording": "Yes please", "wording_version": "v1", "note": "paper 12"}
    assert client.post(url, data=given).status_code == 303
    page = text(client.get(url))
    for shown in ("Yes please", "v1", "paper 12", "fair", "Giulia Ferri", "2 January"):
        assert shown in page, shown
    (event,) = queries.history(session, actor, contact_id=ann.id).items
    assert event.happened_at == datetime(2026, 1, 1, 23, tzinfo=UTC)
    assert "given" in text(client.get(f"/contacts/{ann.id}"))


@pytest.mark.parametrize(
    ("source", "wording", "shown"),
    [
        ("import:01a20898-9bbd-7046-9313-df9c60643f9a", "Fair of Rimini", ("import: Fair of Rimini",)),
        ("one_click", "", ("unsubscribe button",)),
        ("preference_page", "", ("page of their choices",)),
        ("stop_word", "STOP now", ("stop word in an answer", "“STOP now”")),
        ("complaint", "", ("reported as spam",)),
        ("phone call of Friday", "", ("phone call of Friday",)),
    ],
)
def test_where_a_consent_comes_from_is_told_in_words(client, session, actor, ann, now, source, wording, shown):
    consent(session, actor, ann.id, source=source, wording=wording, now=now)
    page = text(client.get(f"/contacts/{ann.id}/consents"))
    assert all(words in page for words in shown)
    assert "import:0" not in page
    assert "_" not in re.sub(r"<[^>]+>", " ", page)


def test_a_withdrawal_shows_at_once_on_the_persons_page(client, ann):
    url = f"/contacts/{ann.id}/consents"
    client.post(url, data={**FORM, "happened_on": "2026-01-02"})
    client.post(url, data={**FORM, "action": "withdrawn", "channel": ""})
    assert "withdrawn" in text(client.get(f"/contacts/{ann.id}"))


@pytest.mark.parametrize(
    ("given", "message"),
    [({"source": ""}, "This field is required"), ({"happened_on": "2099-01-01"}, "This date is still to come")],
)
def test_a_consent_that_can_not_be_is_told_beside_its_field(client, session, actor, ann, given, message):
    refused = client.post(f"/contacts/{ann.id}/consents", data={**FORM, **given})
    assert refused.status_code == 422
    assert message in text(refused)
    assert queries.history(session, actor, contact_id=ann.id).items == []


def test_an_address_is_suppressed_and_allowed_again(client, session, actor, ann):
    assert (
        client.post(
            "/suppressions", data={"channel": "email", "address": "ann@example.com", "reason": "operator"}
        ).status_code
        == 303
    )
    assert "a…@example.com" in text(client.get("/suppressions"))
    assert "gets nothing any more" in text(client.get(f"/contacts/{ann.id}"))
    ((row, _name),) = queries.suppressions(session, actor).items
    assert client.post(f"/suppressions/{row.id}/lift").status_code == 303
    assert "No address is suppressed" in text(client.get("/suppressions"))


def test_an_address_that_is_none_is_told_beside_its_field(client):
    refused = client.post("/suppressions", data={"channel": "email", "address": "nope", "reason": "operator"})
    assert (refused.status_code, "needs an @" in text(refused)) == (422, True)

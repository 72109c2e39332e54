"""Of two records with different values in own fields the chosen ones stay, and an undo gives both back."""

import pytest
from factories import contacts as make
from sqlalchemy import select

from crm.contacts import queries, services
from crm.contacts.custom_inputs import CustomFieldInput
from crm.contacts.kinds import CustomSubject, FactState
from crm.contacts.models import Fact
from crm.errors import InvalidInputError
from crm.lifecycle.services import merging

ANNA = {"taglia": "M", "temi": ["vino", "olio"], "budget": 10}
OTHER = {"taglia": "L", "temi": ["pane", "olio"], "vip": True}


@pytest.fixture
def pair(session, actor, now):
    """Two records of one person with values of own fields."""
    for label, kind, choices in (
        ("Taglia", "text", []),
        ("Temi", "choices", [{"label": "Vino"}, {"label": "Olio"}, {"label": "Pane"}]),
        ("Budget", "number", []),
        ("VIP", "yes_no", []),
        ("Amica", "contact", []),
    ):
        data = CustomFieldInput.model_validate({"label": label, "type": kind, "choices": choices})
        services.create_custom_field(session, actor, data=data, now=now)
    kept = make.contact(session, actor, "Anna Rossi", email="anna@example.it")
    other = make.contact(session, actor, "A. Rossi", email="a.rossi@example.it")
    friend = make.contact(session, actor, "Bea Bo")
    services.set_custom_values(session, actor, contact_id=kept.id, values=ANNA, now=now)
    theirs = {**OTHER, "amica": str(friend.id)}
    services.set_custom_values(session, actor, contact_id=other.id, values=theirs, now=now)
    session.flush()
    return kept, other


def own(session, actor, person):
    session.expire_all()
    fields = queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    values = queries.custom_values_of(session, actor, fields=fields, contact_ids=[person.id]).get(person.id, {})
    return {key: value.plain for key, value in values.items() if key != "amica"}


def facts(session, person):
    wanted = select(Fact.field, Fact.value).where(
        Fact.contact_id == person.id, Fact.state == FactState.CURRENT, Fact.field.like("custom.%")
    )
    return {name: value for name, value in session.execute(wanted) if name != "custom.amica"}


def merge(session, actor, pair, now, **choices):
    given = {f"custom.{name}": side for name, side in choices.items()}
    return merging.merge(session, actor, kept_id=pair[0].id, other_id=pair[1].id, choices=given, now=now)


def test_the_preview_names_own_fields_in_which_both_differ(session, actor, pair, now):
    found = merging.preview(session, actor, kept_id=pair[0].id, other_id=pair[1].id, now=now)
    told = {one.field: (one.kept, one.other, one.side, one.is_open) for one in found.fields}
    assert told["custom.taglia"] == ("M", "L", "kept", True)
    assert told["custom.temi"] == ("vino, olio", "olio, pane", "kept", True)
    assert told["custom.vip"] == ("", "yes", "other", False)
    assert "custom.budget" not in told


def test_the_chosen_values_stay_and_an_undo_gives_both_back(session, actor, pair, now):
    kept, other = pair
    before = own(session, actor, kept), own(session, actor, other), facts(session, kept), facts(session, other)
    done = merge(session, actor, pair, now, temi="other")
    assert own(session, actor, kept) == {"taglia": "M", "temi": ["olio", "pane"], "budget": 10, "vip": True}
    assert facts(session, kept) == {
        "custom.taglia": "M",
        "custom.temi": "olio, pane",
        "custom.budget": "10",
        "custom.vip": "yes",
    }
    merging.undo_merge(session, actor, change_set_id=done.change_set.id, now=now)
    after = own(session, actor, kept), own(session, actor, other), facts(session, kept), facts(session, other)
    assert after == before


def test_a_value_that_somebody_typed_after_the_merge_outlives_its_undo(session, actor, pair, now):
    kept, _other = pair
    done = merge(session, actor, pair, now, taglia="other", temi="other")
    services.set_custom_values(session, actor, contact_id=kept.id, values={"temi": ["vino"], "taglia": "XL"}, now=now)
    merging.undo_merge(session, actor, change_set_id=done.change_set.id, now=now)
    assert own(session, actor, kept) == {"taglia": "XL", "temi": ["vino"], "budget": 10}


def test_a_choice_for_a_field_that_is_not_there_is_refused(session, actor, pair, now):
    for choices in ({"nothing": "other"}, {"taglia": "both"}):
        with pytest.raises(InvalidInputError):
            merge(session, actor, pair, now, **choices)


def test_the_page_and_the_api_offer_the_choice(session, actor, pair, client):
    kept, other = pair
    page = client.get(f"/contacts/{kept.id}/merge/{other.id}").text
    assert '<input type="radio" name="custom.taglia" value="other"' in page
    assert "Vino, Olio" in page
    assert "Bea Bo" in page
    client.post(f"/contacts/{kept.id}/merge/{other.id}", data={"custom.taglia": "other"})
    assert own(session, actor, kept)["taglia"] == "L"

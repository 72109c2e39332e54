"""Fields of the workspace's own: definitions, values, where they came from, and many at once."""

from datetime import timedelta

import pytest
from factories import contacts as make
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.contacts import queries, services
from crm.contacts.custom_models import CustomChoice, CustomValue
from crm.contacts.kinds import CustomSubject, FactOrigin, FactState
from crm.contacts.loading import Source
from crm.contacts.loading_custom import LoadedValue, add_custom_values, read_row
from crm.contacts.models import Contact, Fact
from crm.db import new_id
from crm.errors import ForbiddenError, InvalidInputError


@pytest.fixture
def define(session, actor, now):
    def define(label="Budget", kind="number", **more):
        data = services.CustomFieldInput.model_validate({"label": label, "type": kind, **more})
        return services.create_custom_field(session, actor, data=data, now=now)

    return define


@pytest.fixture
def ann(session, actor):
    return make.contact(session, actor, "Ann Bo", email="ann@example.com")


def kept(session, actor, contact_id):
    fields = queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    values = queries.custom_values_of(session, actor, fields=fields, contact_ids=[contact_id])
    return {key: value.plain for key, value in values.get(contact_id, {}).items()}


def test_a_field_gets_its_key_from_its_label_and_keeps_it(session, actor, now, define):
    field = define("Fatturato annuo")
    renamed = services.update_custom_field(
        session, actor, field_id=field.id, changes={"label": "Turnover", "key": "other"}, now=now
    )
    assert (field.key, renamed.key, renamed.label) == ("fatturato_annuo", "fatturato_annuo", "Turnover")


def test_labels_in_other_scripts_get_keys_that_differ(define):
    assert [define("国").key, define("البلد").key] == ["field", "field_2"]


def test_a_label_or_key_twice_and_limits_in_the_wrong_order_are_refused(define):
    define("Budget")
    for wrong, at in [
        ({"label": "BUDGET "}, "label"),
        ({"label": "Other", "key": "budget"}, "key"),
        ({"label": "Size", "lowest": "5", "highest": "1"}, "highest"),
        ({"label": "Size", "lowest": "many"}, "lowest"),
        ({"label": "Level", "kind": "choice"}, "choices"),
        ({"label": "Level", "kind": "choice", "choices": [{"label": "A"}, {"label": "a"}]}, "choices"),
    ]:
        with pytest.raises(InvalidInputError) as refused:
            define(**wrong)
        assert set(refused.value.fields) == {at}


def test_only_who_manages_the_workspace_defines_fields(session, house, now):
    from dataclasses import replace

    with pytest.raises(ForbiddenError):
        services.create_custom_field(
            session,
            replace(house.actor, role=Role.SALES),
            data=services.CustomFieldInput.model_validate({"label": "Budget"}),
            now=now,
        )


def test_values_are_set_with_their_origin_and_the_version_rises(session, actor, now, define, ann):
    define("Budget")
    define("Level", "choices", choices=[{"label": "Oro"}, {"label": "Argento"}])
    define("Since", "date")
    before = ann.version
    changed = services.set_custom_values(
        session,
        actor,
        contact_id=ann.id,
        values={"budget": "12,5", "level": ["oro", "argento"], "since": ""},
        source="call",
        now=now,
    )
    assert set(changed) == {"budget", "level"}
    assert kept(session, actor, ann.id) == {"budget": 12.5, "level": ["oro", "argento"]}
    assert ann.version == before + 1
    current, _ = queries.facts_of(session, actor, contact_id=ann.id)
    assert (current["custom.budget"].value, current["custom.budget"].source) == ("12.5", "call")
    assert services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 12.5}, now=now) == ()
    services.set_custom_values(session, actor, contact_id=ann.id, values={"level": None}, now=now)
    assert kept(session, actor, ann.id) == {"budget": 12.5}


def test_a_refused_value_is_named_and_nothing_is_written(session, actor, now, define, ann):
    define("Budget", highest="10")
    define("Site", "url")
    with pytest.raises(InvalidInputError) as refused:
        services.set_custom_values(
            session, actor, contact_id=ann.id, values={"budget": 11, "site": "no", "nothing": 1}, now=now
        )
    assert set(refused.value.fields) == {"custom.budget", "custom.site", "custom.nothing"}
    assert kept(session, actor, ann.id) == {}


def test_a_required_value_can_not_be_emptied_and_new_records_need_it(session, actor, now, define, ann):
    define("Budget", required=True)
    services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 1}, now=now)
    with pytest.raises(InvalidInputError):
        services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": ""}, now=now)
    with pytest.raises(InvalidInputError) as refused:
        services.check_required(session, actor, subject=CustomSubject.CONTACT, values={})
    assert set(refused.value.fields) == {"custom.budget"}


def test_two_edits_of_one_field_ask_and_of_two_fields_merge(session, actor, now, define, ann):
    define("Budget")
    define("Shoe size")
    seen = ann.version
    services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 1}, now=now)
    services.set_custom_values(
        session, actor, contact_id=ann.id, values={"shoe_size": 43}, expected_version=seen, now=now
    )
    with pytest.raises(services.EditConflictError) as asked:
        services.set_custom_values(
            session, actor, contact_id=ann.id, values={"budget": 2}, expected_version=seen, now=now
        )
    assert asked.value.theirs == {"custom.budget": "1"}


def test_what_a_machine_finds_fills_gaps_and_leaves_typed_values_alone(session, actor, now, define, ann):
    define("Budget")
    found = {"origin": FactOrigin.FOUND, "source": "site", "now": now}
    services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 1}, **found)
    services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 2}, **found)
    assert kept(session, actor, ann.id) == {"budget": 2}
    services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 3}, now=now)
    assert services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 4}, **found) == ()
    assert kept(session, actor, ann.id) == {"budget": 3}


def test_a_person_is_found_by_name_and_by_address_or_asked_about(session, actor, now, define, ann):
    define("Referee", "contact")
    carl = make.contact(session, actor, "Carl de Dini", email="carl@example.com")
    for text in ("Carl de Dini", "dini, carl de".replace(",", ""), "CARL@example.com", str(carl.id)):
        services.set_custom_values(session, actor, contact_id=ann.id, values={"referee": ""}, now=now)
        services.set_custom_values(session, actor, contact_id=ann.id, values={"referee": text}, now=now)
        assert kept(session, actor, ann.id) == {"referee": str(carl.id)}
    make.contact(session, actor, "Carl de Dini")
    for text in ("Carl de Dini", "Nobody", "nobody@example.com", str(new_id())):
        with pytest.raises(InvalidInputError):
            services.set_custom_values(session, actor, contact_id=ann.id, values={"referee": text}, now=now)


def test_values_of_people_whom_one_may_not_see_stay_hidden(session, house, now, define, ann):
    from dataclasses import replace

    define("Budget")
    services.set_custom_values(session, house.actor, contact_id=ann.id, values={"budget": 1}, now=now)
    stranger = replace(house.actor, role=Role.TILL, user_id=new_id())
    fields = queries.custom_fields(session, house.actor, subject=CustomSubject.CONTACT)
    assert queries.custom_values_of(session, stranger, fields=fields, contact_ids=[ann.id]) == {}
    assert queries.custom_fields(session, stranger, subject=CustomSubject.CONTACT) == ()


def test_companies_have_fields_of_their_own(session, actor, now, define):
    field = define("Sector code", "text", subject="company")
    company = make.company(session, actor, "Bo Ceramiche", now=now)
    services.set_custom_values(session, actor, company_id=company.id, values={"sector_code": "A1"}, now=now)
    values = queries.custom_values_of(session, actor, fields=[field], company_ids=[company.id])
    assert values[company.id]["sector_code"].plain == "A1"
    assert queries.custom_fields(session, actor, subject=CustomSubject.CONTACT) == ()


def test_choices_keep_their_keys_and_used_ones_are_archived_not_lost(session, actor, now, define, ann):
    field = define("Level", "choice", choices=[{"label": "Oro"}, {"label": "Argento"}, {"label": "Bronzo"}])
    services.set_custom_values(session, actor, contact_id=ann.id, values={"level": "oro"}, now=now)
    changed = services.update_custom_field(
        session,
        actor,
        field_id=field.id,
        changes={"choices": [{"key": "argento", "label": "Silver"}, {"label": "Platino"}]},
        now=now,
    )
    assert [(one.key, one.label, one.is_archived) for one in changed.choices] == [
        ("argento", "Silver", False),
        ("platino", "Platino", False),
        ("oro", "Oro", True),
    ]
    assert kept(session, actor, ann.id) == {"level": "oro"}
    back = services.update_custom_field(
        session, actor, field_id=field.id, changes={"choices": [{"label": "oro"}, {"label": "Silver"}]}, now=now
    )
    assert [one.key for one in back.choices] == ["oro", "argento"]


@pytest.mark.parametrize(
    ("kind", "raw", "to", "plain"),
    [
        ("number", "12", "text", "12"),
        ("text", "12,5", "number", 12.5),
        ("number", 3, "money", {"amount": 300, "currency": "EUR"}),
        ("choices", ["a"], "choice", "a"),
        ("choice", "a", "text", "Alpha"),
        ("text", "example.com", "url", "https://example.com"),
        ("text", "alpha", "choice", "a"),
    ],
)
def test_a_type_changes_when_every_value_fits(session, actor, now, define, ann, kind, raw, to, plain):
    choices = [{"key": "a", "label": "Alpha"}]
    field = define("Thing", kind, choices=choices)
    services.set_custom_values(session, actor, contact_id=ann.id, values={"thing": raw}, now=now)
    services.update_custom_field(session, actor, field_id=field.id, changes={"type": to, "choices": choices}, now=now)
    session.expire_all()
    assert kept(session, actor, ann.id) == {"thing": plain}


def test_a_type_stays_when_a_value_does_not_fit(session, actor, now, define, ann):
    field = define("Thing", "text")
    services.set_custom_values(session, actor, contact_id=ann.id, values={"thing": "many"}, now=now)
    for to in ("number", "contact", "date"):
        with pytest.raises(services.TypeHasValuesError) as refused, session.begin_nested():
            services.update_custom_field(session, actor, field_id=field.id, changes={"type": to}, now=now)
        assert "many" in refused.value.fields["type"]
    assert kept(session, actor, ann.id) == {"thing": "many"}


def test_archived_fields_leave_the_pages_and_keep_their_values(session, actor, now, define, ann):
    field = define("Budget")
    services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 1}, now=now)
    services.archive_custom_field(session, actor, field_id=field.id, is_archived=True, now=now)
    assert kept(session, actor, ann.id) == {}
    assert queries.custom_counts(session, actor) == {field.id: 1}
    with pytest.raises(InvalidInputError):
        services.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 2}, now=now)
    services.archive_custom_field(session, actor, field_id=field.id, is_archived=False, now=now)
    assert kept(session, actor, ann.id) == {"budget": 1}


def test_fields_are_put_in_order(session, actor, define):
    first, _second, third = define("A"), define("B"), define("C")
    services.move_custom_field(session, actor, field_id=third.id, to=0)
    services.move_custom_field(session, actor, field_id=first.id, to=99)
    listed = queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    assert [field.label for field in listed] == ["C", "B", "A"]


def test_many_values_are_written_at_once_and_the_same_again_changes_nothing(session, actor, now, define):
    define("Budget")
    define("Level", "choices", choices=[{"label": "Oro"}, {"label": "Argento"}])
    define("Referee", "contact")
    fields = {field.key: field for field in queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)}
    people = [make.contact(session, actor, f"P{number} Bo") for number in range(20)]
    known = {"p0@example.com": people[0].id}
    loaded = []
    for number, person in enumerate(people):
        raw = {"budget": str(number), "level": "Oro; Argento", "referee": "P0@example.com"}
        values, refused = read_row(fields, raw, people=known)
        assert not refused
        loaded += [LoadedValue(person.id, field, value) for field, value in values.items()]
    source = Source("people.csv", new_id())
    write = {"subject": CustomSubject.CONTACT, "values": loaded, "source": source}
    add_custom_values(session, actor, **write, now=now)
    session.expire_all()
    assert kept(session, actor, people[7].id) == {
        "budget": 7,
        "level": ["oro", "argento"],
        "referee": str(people[0].id),
    }
    versions = {row.id: row.version for row in session.scalars(select(Contact))}
    add_custom_values(session, actor, **write, now=now + timedelta(hours=1))
    session.expire_all()
    assert {row.id: row.version for row in session.scalars(select(Contact))} == versions
    later = [LoadedValue(people[7].id, fields["budget"], None)]
    add_custom_values(session, actor, subject=CustomSubject.CONTACT, values=later, source=source, now=now)
    session.expire_all()
    assert "budget" not in kept(session, actor, people[7].id)
    facts = select(Fact).where(Fact.contact_id == people[7].id, Fact.field == "custom.budget")
    states = sorted((fact.state, fact.value) for fact in session.scalars(facts))
    assert states == [(FactState.CURRENT, ""), (FactState.SUPERSEDED, "7")]


def test_a_row_of_a_file_says_what_it_can_not_bring(session, actor, define):
    define("Budget")
    define("Referee", "contact")
    fields = {field.key: field for field in queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)}
    values, refused = read_row(fields, {"budget": "many", "referee": "who@example.com"})
    assert values == {}
    assert set(refused) == {"custom.budget", "custom.referee"}


def test_values_go_with_their_field_or_person(session, actor, now, define, ann):
    field = define("Level", "choice", choices=[{"label": "Oro"}])
    services.set_custom_values(session, actor, contact_id=ann.id, values={"level": "oro"}, now=now)
    session.delete(session.get(Contact, ann.id))
    session.flush()
    assert session.scalars(select(CustomValue)).all() == []
    assert session.scalars(select(CustomChoice.key).where(CustomChoice.field_id == field.id)).all() == ["oro"]

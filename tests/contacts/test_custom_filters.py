"""Rules about the workspace's own fields: SQL and plain evaluator find the same people, by an index, in a sentence."""

import random

import psycopg
import pytest
from conftest import make_house
from factories import contacts as make
from filters.strategies import leaves
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from crm.contacts import queries as contacts
from crm.contacts import services
from crm.contacts.fields import SUBJECT
from crm.contacts.kinds import CustomSubject, CustomType
from crm.db import database_now
from crm.filters.catalogue import bind
from crm.filters.compiler import select_ids
from crm.filters.evaluate import evaluate
from crm.filters.registry import catalogue, catalogue_of
from crm.filters.schema import RuleError, parse
from crm.filters.sentence import plain
from crm.segments import queries
from crm.segments import services as segments
from crm.segments.words import grouped

PHASES = (Phase.explicit, Phase.generate)
CHOICES = [{"key": key, "label": key.title()} for key in ("gold", "silver", "bronze")]
RAW = {
    CustomType.TEXT: ["Anna", "ànna ", "Annalisa", "%", "_"],
    CustomType.URL: ["anna.example", "https://b.example/x"],
    CustomType.NUMBER: [-1, 0, 2, 2.5, 5],
    CustomType.MONEY: [{"amount": number, "currency": code} for number in (-1, 0, 2, 5) for code in ("EUR", "USD")],
    CustomType.DATE: ["2026-11-23", "2026-11-20", "2026-12-01", "2025-11-23"],
    CustomType.CHOICE: ["gold", "silver"],
    CustomType.CHOICES: [["gold"], ["gold", "silver"], ["silver", "bronze"]],
    CustomType.YES_NO: [True, False],
}  # fmt: skip


def define(session, actor, now, *, subject=CustomSubject.CONTACT, types=CustomType):
    for kind in types:
        data = {"subject": subject, "label": f"{kind.value} 100%", "key": kind.value, "type": kind, "choices": CHOICES}
        services.create_custom_field(session, actor, data=services.CustomFieldInput.model_validate(data), now=now)


@pytest.fixture
def people(session, actor, now):
    """Twelve people in three companies, with and without values of every type, on both."""
    dice = random.Random(7)
    firms = [make.company(session, actor, f"Firm {number}", now=now) for number in range(3)]
    found = [
        make.contact(session, actor, f"P{number} Bo", company_id=dice.choice([None, *[firm.id for firm in firms]]))
        for number in range(12)
    ]
    raw = {**RAW, CustomType.CONTACT: [str(person.id) for person in found[:3]]}
    for subject in CustomSubject:
        define(session, actor, now, subject=subject)
    for owner, rows in (("contact_id", found), ("company_id", firms)):
        for row in rows:
            values = {kind.value: dice.choice(values) for kind, values in raw.items() if dice.random() < 0.7}
            services.set_custom_values(session, actor, **{owner: row.id}, values=values, now=now)
    session.flush()
    return found


def names(subject):
    prefix = {"contact": "custom.", "company": "company_custom."}[subject]
    return [f"{prefix}{kind.value}" for kind in CustomType]


@settings(max_examples=8, phases=PHASES)
@given(data=st.data())
@pytest.mark.parametrize("subject", list(CustomSubject))
def test_each_type_finds_the_same_people_in_both_ways(session, actor, now, people, subject, data):
    known = catalogue_of(session, actor.workspace_id)
    context = queries.context_of(session, actor, now=now)
    facts = known.facts(session, context, [person.id for person in people])
    keys = {key: [str(person.id) for person in people[:4]] for key in names(subject)}
    for name in names(subject):
        for rule in data.draw(st.lists(leaves(known.fields[name], keys), min_size=6, max_size=10)):
            bound = bind(parse(rule), known)
            found = set(session.scalars(select_ids(bound, context, SUBJECT)))
            assert found == {one for one in facts if evaluate(bound, facts[one], context, SUBJECT)}, rule


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            {"field": "custom.number", "op": "between", "value": {"from": 1, "to": 3}},
            "People whose “number 100%” is between 1 and 3.",
        ),
        (
            {"field": "company_custom.choice", "op": "any_of", "value": ["gold", "silver"]},
            "People whose company’s “choice 100%” is Gold or Silver.",
        ),
        ({"field": "custom.yes_no", "op": "is", "value": True}, "People for whom “yes_no 100%” is yes."),
        ({"field": "custom.yes_no", "op": "is", "value": False}, "People for whom “yes_no 100%” is not yes."),
        ({"field": "custom.money", "op": "no_value", "value": None}, "People whose “money 100%” is not known."),
    ],
)
def test_rules_about_them_are_said_in_a_sentence(session, actor, people, rule, sentence):
    bound = queries.bound_rule(session, parse(rule), workspace_id=actor.workspace_id)
    assert plain(queries.sentence_of(session, actor, bound)) == sentence


def test_a_segment_of_an_archived_field_goes_on_and_the_field_is_not_offered(session, actor, now, people):
    rule = parse({"all": [{"field": "custom.number", "op": "at_least", "value": 0}]})
    row = segments.create(session, actor, name="Big", rule=rule, now=now)
    condition = queries.condition_of(session, queries.context_of(session, actor, now=now), row)
    before = contacts.list_contacts(session, actor, where=contacts.ContactFilter(also=(condition,)))
    field = next(one for one in contacts.custom_shapes(session) if one.name == "custom.number")
    services.archive_custom_field(session, actor, field_id=field.id, is_archived=True, now=now)
    condition = queries.condition_of(session, queries.context_of(session, actor, now=now), row)
    after = contacts.list_contacts(session, actor, where=contacts.ContactFilter(also=(condition,)))
    assert [one.id for one in after.items] == [one.id for one in before.items] != []
    known = catalogue_of(session, actor.workspace_id)
    offered = {one.name for _group, listed in grouped(known) for one in listed}
    used = {one.name for _group, listed in grouped(known, used=["custom.number"]) for one in listed}
    assert "custom.number" not in offered
    assert "custom.number" in used


def test_another_workspace_does_not_know_the_field(session, people, other_house):
    rule = parse({"field": "custom.number", "op": "has_value", "value": None})
    with pytest.raises(RuleError):
        queries.bound_rule(session, rule, workspace_id=other_house.workspace.id)


def test_rules_without_such_fields_ask_nothing_more(session, actor, people):
    shared = catalogue_of(session, actor.workspace_id, names=["lifecycle", "tag"])
    assert shared is catalogue()


@pytest.fixture
def large(fresh_database):
    """A workspace with 20,000 values of a number and as many of an amount, analysed."""
    with fresh_database.database.scope() as session:
        house = make_house(session, name="Lanterna Dati")
        now = database_now(session)
        define(session, house.actor, now, types=(CustomType.NUMBER, CustomType.MONEY, CustomType.TEXT))
        field_ids = {one.key: one.id for one in contacts.custom_shapes(session)}
    workspace_id = house.workspace.id
    with psycopg.connect(fresh_database.owner_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "insert into contact (id, workspace_id, display_name, sort_name)"
            " select gen_random_uuid(), %s, 'p' || n, 'p' || n from generate_series(1, 20000) n",
            [workspace_id],
        )
        for key, columns, value in (
            ("number", "number", "row_number() over ()"),
            ("money", "amount, currency", "row_number() over (), 'EUR'"),
            ("text", "text_value, text_norm", "'t' || row_number() over (), 't' || row_number() over ()"),
        ):
            connection.execute(
                f"insert into custom_value (id, workspace_id, field_id, contact_id, {columns})"  # noqa: S608 - own names.
                f" select gen_random_uuid(), %s, %s, id, {value} from contact",
                [workspace_id, field_ids[key]],
            )
        connection.execute("vacuum analyze contact, custom_value")
    return fresh_database.database, house


def test_ranges_and_equal_values_are_answered_from_an_index(large):
    database, house = large
    euro = {"from": {"amount": 5, "currency": "EUR"}, "to": {"amount": 50, "currency": "EUR"}}
    with database.scope(house.workspace.id) as session:
        context = queries.context_of(session, house.actor, now=database_now(session))
        known = catalogue_of(session, house.workspace.id)
        for leaf, index in [
            ({"field": "custom.number", "op": "between", "value": {"from": 5, "to": 50}}, "ix_custom_value_number"),
            ({"field": "custom.number", "op": "more_than", "value": 19_950}, "ix_custom_value_number"),
            ({"field": "custom.money", "op": "between", "value": euro}, "ix_custom_value_amount"),
            ({"field": "custom.text", "op": "is", "value": "T7"}, "ix_custom_value_text_norm"),
        ]:
            statement = select_ids(bind(parse(leaf), known), context, SUBJECT)
            compiled = statement.compile(session.connection(), compile_kwargs={"literal_binds": True})
            plan = "\n".join(session.connection().exec_driver_sql(f"explain {compiled}").scalars())
            assert index in plan, plan
            assert "Seq Scan on custom_value" not in plan

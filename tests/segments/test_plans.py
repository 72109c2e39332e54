"""What the planner does for a rule as the application's role: row-level security must not take the indexes away."""

import psycopg
import pytest
from conftest import make_house

from crm.contacts.fields import SUBJECT
from crm.db import database_now
from crm.filters.catalogue import bind
from crm.filters.compiler import select_ids
from crm.filters.registry import catalogue
from crm.filters.schema import parse
from crm.segments import queries

LAST_90 = {"last": {"amount": 90, "unit": "days"}}
PEOPLE, HISTORY = 4_000, 40_000


@pytest.fixture
def large(fresh_database):
    """A workspace with some ten thousand rows, analysed; made by the owner because only a copy is quick enough."""
    with fresh_database.database.scope() as session:
        house = make_house(session, name="Lanterna Dati")
    workspace_id = house.workspace.id
    with psycopg.connect(fresh_database.owner_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "insert into tag (id, workspace_id, name, name_norm) values (gen_random_uuid(), %s, 'vip', 'vip')",
            [workspace_id],
        )
        connection.execute(
            "insert into contact (id, workspace_id, display_name, sort_name, birth_month, birth_day)"
            " select gen_random_uuid(), %s, 'p' || n, 'p' || n, 1 + n %% 12, 1 + n %% 28 from generate_series(1, %s) n",
            [workspace_id, PEOPLE],
        )
        connection.execute(
            "with people as (select id, row_number() over () n from contact)"
            " insert into interaction (id, workspace_id, contact_id, kind, direction, happened_at, sentiment)"
            " select gen_random_uuid(), %s, people.id, (array['call', 'note', 'purchase', 'like'])[1 + g %% 4],"
            " (array['inbound', 'outbound'])[1 + g / 4 %% 2], now() - (g %% 730) * interval '1 day',"
            " case when g %% 1000 = 0 then 'negative' end"
            " from generate_series(1, %s) g join people on people.n = 1 + g %% %s",
            [workspace_id, HISTORY, PEOPLE],
        )
        connection.execute(
            "insert into contact_tag (id, workspace_id, contact_id, tag_id) select gen_random_uuid(), %s, c.id, t.id"
            " from (select id from contact order by id limit 100) c, tag t",
            [workspace_id],
        )
        tag = connection.execute("select id from tag").fetchone()[0]
        connection.execute("vacuum analyze contact, interaction, contact_tag")
    return fresh_database.database, house, tag


def test_conditions_on_the_history_and_on_tags_are_answered_from_their_indexes(large):
    database, house, tag = large
    calls = {"value": 2, "kind": ["call"], "when": LAST_90}
    expected = [
        ({"field": "interactions", "op": "at_least", "value": calls}, "Index Only Scan using ix_interaction_kind"),
        (
            {"field": "interactions", "op": "less_than", "value": {**calls, "direction": ["inbound"]}},
            "Index Only Scan using ix_interaction_kind",
        ),
        (
            {"field": "purchases", "op": "less_than", "value": {"value": 1, "when": LAST_90}},
            "Index Only Scan using ix_interaction_kind",
        ),
        ({"field": "open_complaint", "op": "is", "value": True}, "ix_interaction_complaint"),
        ({"field": "tag", "op": "any_of", "value": [str(tag)]}, "ix_contact_tag_tag"),
    ]
    with database.scope(house.workspace.id) as session:
        context = queries.context_of(session, house.actor, now=database_now(session))
        for leaf, node in expected:
            statement = select_ids(bind(parse(leaf), catalogue()), context, SUBJECT)
            compiled = statement.compile(session.connection(), compile_kwargs={"literal_binds": True})
            plan = "\n".join(session.connection().exec_driver_sql(f"explain {compiled}").scalars())
            assert node in plan, plan
            assert "Seq Scan on interaction" not in plan

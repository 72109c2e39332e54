"""What runs all the time reads few rows: the claim, the gate, and the clock's sweeps, among 20,000 messages."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from conftest import House, cloned, make_house
from factories import outreach
from sqlalchemy import Engine, NullPool, create_engine, event, select, text

from crm import wiring
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.db import Database, database_now, new_id
from crm.outreach import queries
from crm.outreach.models import Message
from crm.outreach.queries.quick import question
from crm.outreach.services.claim import claim, release_held, sendable

#: The module, whose name in the package is the function's.
claims = sys.modules[claim.__module__]

#: Tables that grow with the messages.
BIG = {"message", "contact", "handle", "frozen_content", "conversation", "budget_use", "claim", "inbound_event",
       "interaction", "consent_state", "message_text"}  # fmt: skip
#: A claim takes 64 messages first and asks whether there are 500 more; everything else reads less.
MOST = 700
#: People, conversations, messages in all states, claims and inbound mail; two accounts in three have nothing due.
FILL = (
    """
    insert into contact (id, workspace_id, display_name, sort_name)
    select gen_random_uuid(), :workspace, 'P' || n, 'P' || n from generate_series(1, 5000) n
    """,
    """
    insert into handle (id, workspace_id, contact_id, channel, address, address_norm)
    select gen_random_uuid(), :workspace, id, 'email', display_name || '@x.example', lower(display_name) || '@x.example'
    from contact where workspace_id = :workspace and display_name like 'P%'
    """,
    """
    insert into conversation (id, workspace_id, channel, account_id, contact_id, last_at, last_outbound_at)
    select gen_random_uuid(), :workspace, 'email', :account, id, :now - interval '30 days', :now - interval '30 days'
    from contact where workspace_id = :workspace
    """,
    """
    insert into claim (id, workspace_id, account_id, leased_until, finished_at)
    select gen_random_uuid(), :workspace, :account, :now - interval '1 hour', case when n > 5 then :now end
    from generate_series(1, 3000) n
    """,
    """
    insert into message (id, workspace_id, channel, purpose, state, contact_id, handle_id, account_id, conversation_id,
                         planned_at, due_at, held_until, approved_hash, created_at, sent_at)
    select gen_random_uuid(), :workspace, 'email', (array['personal', 'promotional', 'service'])[1 + n % 3],
           (array['sent', 'sent', 'sent', 'sent', 'sent', 'failed', 'skipped', 'cancelled', 'held', 'scheduled'])
               [1 + (n + turn) % 10],
           id, (select h.id from handle h where h.contact_id = people.id limit 1),
           case n % 3 when 0 then :account else :other end, null,
           :now - n * interval '1 minute', :now + (n - 2500) * interval '1 minute',
           case when n % 7 = 0 then :now - interval '1 minute' else :now + interval '1 day' end,
           'h', :now - n * interval '1 minute', :now - n * interval '1 minute'
    from (select id, row_number() over (order by id) as n from contact where workspace_id = :workspace) people,
         generate_series(0, 3) turn
    """,
    """
    insert into frozen_content (id, workspace_id, message_id, hash, to_address, text)
    select gen_random_uuid(), :workspace, id, 'h', 'p@x.example', 'Ciao' from message where workspace_id = :workspace
    """,
    """
    insert into budget_use (id, workspace_id, message_id, contact_id, purpose, at)
    select gen_random_uuid(), :workspace, id, contact_id, purpose, :now - interval '1 day'
    from message where workspace_id = :workspace and state = 'sent' and purpose <> 'service'
    """,
    """
    insert into inbound_event (id, workspace_id, account_id, external_id, state)
    select gen_random_uuid(), :workspace, :account, n::text, case when n % 500 = 0 then 'stored' else 'handled' end
    from generate_series(1, 5000) n
    """,
)


@dataclass(frozen=True)
class Place:
    """A filled and analysed database: as the application sees it, and as its owner does."""

    database: Database
    owner: Engine
    house: House
    account_id: UUID


@pytest.fixture(scope="module")
def place(postgres) -> Iterator[Place]:
    with cloned(postgres, f"crm_{new_id().hex}") as name:
        database = Database(postgres.url(database=name), handlers=wiring.handlers())
        owner = create_engine(postgres.superuser_url(name), poolclass=NullPool)
        with database.scope() as session:
            house = make_house(session, name="Lanterna Dati")
            now = database_now(session)
            account, other = (outreach.account(session, house.actor, label, now=now) for label in ("One", "Two"))
        given = {"workspace": house.workspace.id, "account": account.id, "other": other.id, "now": now}
        with owner.begin() as connection:
            connection.execute(text("set session_replication_role = replica"))
            for statement in FILL:
                needed = {key: value for key, value in given.items() if f":{key}" in statement}
                connection.execute(text(statement), needed)
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum analyze"))
        yield Place(database, owner, house, account.id)
        database.dispose()
        owner.dispose()


def read(connection: Any, statement: str, parameters: Any) -> list[str]:
    """The nodes of the statement's plan that look at too many rows of a big table, or at all of it."""
    plan = connection.exec_driver_sql(f"explain (analyze, format json) {statement}", parameters).scalar_one()
    return [
        f"{node['Node Type']} of {node['Relation Name']}: {rows:.0f} rows in {statement}"
        for node in nodes(plan[0]["Plan"])
        if node.get("Relation Name") in BIG
        and ((rows := touched(node)) > MOST or (node["Node Type"] == "Seq Scan" and rows > 0))
    ]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def touched(node: dict[str, Any]) -> float:
    unwanted = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return (node["Actual Rows"] + unwanted) * node["Actual Loops"]


def broad(place: Place, work: Any) -> list[str]:
    """Run `work` as the application and say its statements again with their plans; everything is rolled back."""
    heard: list[tuple[str, Any]] = []

    def hear(_connection, _cursor, statement, parameters, *_rest):
        heard.append((statement, parameters))

    def hear_steps(session, *steps):
        heard.extend((step.sql, step.parameters) for step in steps if step is not None)
        return together(session, *steps)

    session = place.database.session(place.house.workspace.id)
    event.listen(place.database.engine, "before_cursor_execute", hear)
    together = claims.together
    claims.together = hear_steps
    try:
        assert work(session), "the question must have an answer, or its plan says nothing"
    finally:
        event.remove(place.database.engine, "before_cursor_execute", hear)
        claims.together = together
        session.rollback()
    found = []
    for statement, parameters in heard:
        if statement.split(maxsplit=1)[0].lower() in {"select", "with", "update", "insert", "delete"}:
            found += read(session.connection(), statement, parameters)
    session.rollback()
    session.close()
    return found


def take(session, place):
    now = database_now(session)
    return claim(
        session, place.house.actor, account_id=place.account_id, worker="test", lease=timedelta(minutes=2), now=now
    )


def test_a_claim_reads_a_few_rows_at_the_head_of_its_account(place):
    assert broad(place, lambda session: take(session, place).items) == []


def test_giving_held_messages_back_reads_those_whose_time_has_come(place):
    assert broad(place, lambda session: release_held(session, place.house.actor, now=database_now(session))) == []


def test_the_gate_of_the_sender_reads_a_few_rows_for_each_message(place):
    session = place.database.session(place.house.workspace.id)
    due = select(Message.id).where(Message.state == "scheduled", Message.purpose == Purpose.PROMOTIONAL).limit(16)
    items = sendable(session, list(session.scalars(due)))
    assert len(items) == 16
    asked = question(session, place.house.actor, items, at=database_now(session))
    steps = [step for step in asked.steps if step is not None]
    assert len(steps) >= 8
    for step in steps:
        assert read(session.connection(), step.sql, step.parameters) == []
    session.rollback()
    session.close()


@pytest.mark.parametrize("purpose", [Purpose.PERSONAL, Purpose.PROMOTIONAL])
def test_the_gate_of_the_pages_reads_a_few_rows_for_each_person(place, purpose):
    def ask(session):
        ids = list(session.scalars(select(Message.contact_id).order_by(Message.created_at.desc()).limit(40)))
        return queries.verdicts(
            session,
            place.house.actor,
            contact_ids=set(ids),
            purpose=purpose,
            channel=ChannelKind.EMAIL,
            now=database_now(session),
        )

    assert broad(place, ask) == []


@pytest.mark.parametrize("function", ["crm_due_accounts", "crm_lapsed_claims", "crm_held_over", "crm_inbound_waiting"])
def test_a_sweep_of_the_clock_reads_a_few_rows(place, function):
    with place.owner.connect() as connection:
        body = connection.scalar(text("select prosrc from pg_proc where proname = :name"), {"name": function})
        # The planner sees the number of rows only when the function is called, and mustn't need it.
        statement = body.replace("limit most", "limit 64")
        assert connection.exec_driver_sql(statement).first() is not None
        assert read(connection, statement, None) == []

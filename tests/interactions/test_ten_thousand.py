"""A person with 10,000 entries opens as one with ten does: the same statements, each looking at a page of rows."""

import time

import pytest
from conftest import make_house
from factories.contacts import contact
from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.engine import make_url

from crm.accounts.services import browsers
from crm.db import database_now
from crm.interactions import queries

#: Rows of the big tables that one page of 30 may look at; the rarest filter walks over all that one person has.
PAGE_ROWS = 200
ALL_ROWS = 11_000
FILL = """
    with made as (
        insert into interaction (id, workspace_id, contact_id, kind, channel, direction, happened_at, author_id)
        select gen_random_uuid(), :workspace, :person,
               (array['note', 'call', 'message.sent', 'message.received'])[1 + n % 4], 'email',
               (array['none', 'outbound', 'outbound', 'inbound'])[1 + n % 4], now() - n * interval '1 hour', :user
        from generate_series(1, :count) as n returning id)
    insert into interaction_body (id, workspace_id, interaction_id, body)
    select gen_random_uuid(), :workspace, id, 'Parole ' || id from made
"""


@pytest.fixture
def place(fresh_database, postgres, lent):
    """Two people, with ten entries and with 10,000, in an analysed database; a signed-in browser."""
    with fresh_database.database.scope() as session:
        house = make_house(session, name="Lanterna Dati")
        few, many, other = (contact(session, house.actor, name) for name in ("Ann Bo", "Bea Sun", "Cy Far"))
        secret = browsers.start(session, user_id=house.user.id, ip="127.0.0.1", agent="t", now=database_now(session))
    server = postgres.superuser_url(make_url(fresh_database.owner_url).database)
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # References are not looked up for every row: the plans don't depend on it, the time of this test does.
        connection.execute(text("set session_replication_role = replica"))
        # The others' entries make the table as large as one where nobody reads it whole.
        for person, count in ((few, 10), (many, 10_000), (other, 30_000)):
            given = {"workspace": house.workspace.id, "person": person.id, "user": house.user.id, "count": count}
            connection.execute(text(FILL), given)
        connection.execute(text("vacuum analyze interaction, interaction_body"))
    engine.dispose()
    app = lent(fresh_database.database, TESTING=True, WTF_CSRF_ENABLED=False)
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(_user_id=house.user.fs_uniquifier, _fresh=True, fs_cc="set", fs_paa=time.time(), key=secret)
        cookie["workspace_id"] = str(house.workspace.id)
    return fresh_database.database, house, few, many, client


def asked(database, work):
    """The statements of `work`."""
    heard = []

    def hear(_connection, _cursor, statement, parameters, *_rest):
        heard.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", hear)
    try:
        work()
    finally:
        event.remove(database.engine, "before_cursor_execute", hear)
    return heard


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def looked_at(session, statement, parameters):
    """The most rows of the timeline's tables that one step of a statement looks at, and its ways of reading them."""
    explain = f"explain (analyze, format json) {statement}"
    plan = session.connection().exec_driver_sql(explain, parameters).scalar_one()[0]["Plan"]
    read = [node for node in nodes(plan) if node.get("Relation Name") in {"interaction", "interaction_body"}]
    rows = [(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in read]
    return max(rows, default=0), {node["Node Type"] for node in read}


FILTERS = (
    (queries.TimelineFilter(), PAGE_ROWS),
    (queries.TimelineFilter(kinds=["note"]), PAGE_ROWS),
    (queries.TimelineFilter(channel="email"), PAGE_ROWS),
    (queries.TimelineFilter(sentiment="negative"), ALL_ROWS),
    (queries.TimelineFilter(kinds=["own.never"]), ALL_ROWS),
)


def test_ten_thousand_entries_open_as_ten_do(place):
    database, house, few, many, client = place
    for where, most in FILTERS:
        with database.scope(house.workspace.id) as session:
            check(session, house.actor, database, many.id, where, most)
    counts = {}
    for person in (few, many):
        client.get(f"/contacts/{person.id}")
        counts[person.id] = len(asked(database, lambda person=person: client.get(f"/contacts/{person.id}")))
    assert counts[many.id] <= counts[few.id] + 1
    assert client.get(f"/contacts/{many.id}").text.count("fd-timeline__item") >= 30


def check(session, actor, database, contact_id, where, most):
    """Two pages in a row, with few statements, none of which looks at more rows than `most` or reads a table whole."""

    def read():
        first = queries.timeline(session, actor, contact_id=contact_id, where=where, limit=30)
        if first.next:
            queries.timeline(session, actor, contact_id=contact_id, where=where, after=first.next, limit=30)

    heard = asked(database, read)
    assert 0 < len(heard) <= 12
    for statement, parameters in heard:
        if statement.lower().startswith("select"):
            rows, ways = looked_at(session, statement, parameters)
            assert rows <= most, statement
            assert "Seq Scan" not in ways, statement

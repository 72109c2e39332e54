"""The board, the list and a deal among ten thousand: as many statements as among a hundred, and few rows each."""

import pytest
from architecture.test_plans import Place, asked, nodes, touched
from conftest import make_house
from sqlalchemy import NullPool, create_engine, select, text
from sqlalchemy.orm import Session

from benchmarks.dealing import begin, fill
from benchmarks.pages import signed_in
from crm.app import create_app
from crm.db import database_now
from crm.deals import queries, services
from crm.deals.kinds import DealSort, Step
from crm.deals.models import Deal
from crm.deals.queries import DealFilter
from crm.deals.services import MoveInput
from crm.desk import counters

MANY = 10_000
#: A page of fifty, its neighbours, and what an index reads beside them.
PAGE = 400
#: The most statements of each page.
PAGES = {
    "/deals": 40,
    "/deals/columns/{stage}": 30,
    "/deals/list": 30,
    "/deals/list?sort=-amount": 30,
    "/deals/{deal}": 45,
}


@pytest.fixture
def place(postgres, fresh_database, settings, jobs):
    """(a workspace with ten thousand deals, how many statements a path takes among a hundred and there)."""
    database, places, clients = fresh_database.database, [], []
    app = create_app(settings, database=database, jobs=jobs)
    app.config.update(TESTING=True, RATELIMIT_ENABLED=False)
    superuser = create_engine(postgres.superuser_url(database.engine.url.database), poolclass=NullPool)
    for number in (100, MANY):
        with database.scope() as session:
            house, now = make_house(session, name=f"House {number}"), database_now(session)
            begin(session, house.actor, now=now)
        with Session(superuser) as session:
            # References are not looked up for every row: the plans don't depend on it, the time of this test does.
            session.execute(text("set session_replication_role = replica"))
            fill(session, house.actor, number=number, now=now)
            session.commit()
        places.append(Place(database, house, house.user.id, "", house.user.id, "", house.actor))
        clients.append(signed_in(app.test_client(), database, house.actor))
    with superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))

    def statements(path):
        found = []
        for one, client in zip(places, clients, strict=True):
            address = path.format(**_ids(one))
            assert client.get(address).status_code == 200
            found.append(len(asked(one, lambda _session, client=client, address=address: client.get(address))[1]))
        return found

    return places[1], statements


def _ids(place):
    with place.database.scope(place.house.workspace.id) as session:
        row = session.scalars(select(Deal).where(Deal.state == "open").order_by(Deal.rank).limit(1)).one()
        return {"deal": row.id, "stage": row.stage_id}


def rows_of_deals(place, heard):
    """The most rows of deals, or of the people in them, that one of the statements looks at."""
    session = place.database.session(place.house.workspace.id)
    found = []
    for one in heard:
        if one.statement.split(maxsplit=1)[0].lower() in {"select", "with", "update"}:
            explain = f"explain (analyze, format json) {one.statement}"
            plan = session.connection().exec_driver_sql(explain, one.parameters).scalar_one()[0]["Plan"]
            found += [touched(node) for node in nodes(plan) if node.get("Relation Name") in {"deal", "deal_contact"}]
    session.rollback()
    session.close()
    return max(found)


def hot(actor, board, now):
    """{what: (work, the most rows it may look at)}: totals read what they sum, everything else its page."""
    first, card = board[0], board[0].cards[5].id
    here = DealFilter(pipeline_id=first.stage.pipeline_id)

    def second_page(session, sort):
        after = queries.list_deals(session, actor, where=DealFilter(), sort=sort, now=now).next
        return queries.list_deals(session, actor, where=DealFilter(), sort=sort, after=after, now=now).items

    def put(session):
        data = MoveInput(stage_id=first.stage.id, after_id=first.cards[9].id)
        return services.move(session, actor, deal_id=card, data=data, now=now)

    def neighbour(session):
        deal = session.get_one(Deal, card)
        return queries.beside(session, actor, deal=deal, where=here, step=Step.UP, now=now)

    def next_cards(session):
        return queries.column(session, actor, stage=first.stage, where=here, after=first.next, now=now).cards

    lists = {f"list by {sort}": (lambda s, sort=sort: second_page(s, sort), PAGE) for sort in DealSort}
    return lists | {
        "board": (lambda s: queries.board(s, actor, where=here, now=now), MANY + PAGE),
        "next cards": (next_cards, first.count + PAGE),
        "a neighbour": (neighbour, PAGE),
        "a place": (put, PAGE),
        "what waits": (lambda s: counters.counts(s, actor, now=now), PAGE),
        "one deal": (lambda s: queries.card(s, actor, deal_id=card, now=now), PAGE),
    }


def test_ten_thousand_deals_take_the_statements_of_a_hundred_and_few_rows(place):
    many, statements = place
    for path, most in PAGES.items():
        few, all_of_them = statements(path)
        assert few == all_of_them, path
        assert all_of_them <= most, path
    actor = many.house.actor
    with many.database.scope(many.house.workspace.id) as session:
        now = database_now(session)
        (pipeline,) = queries.pipelines(session, actor)
        board = queries.board(session, actor, where=DealFilter(pipeline_id=pipeline.id), now=now)
        session.expunge_all()
    assert board[0].count == MANY // 4
    for name, (work, most) in hot(actor, board, now).items():
        found, heard = asked(many, work)
        assert found, name
        assert rows_of_deals(many, heard) <= most, name

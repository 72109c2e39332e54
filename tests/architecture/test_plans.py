"""The hot queries read few rows at any size, as the application's role, and pages ask a flat number of questions."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from conftest import House, cloned, make_house
from factories import accounts as accounts_factory
from factories import loyalty as loyalty_factory
from factories import outreach as outreach_factory
from sqlalchemy import NullPool, create_engine, event, select, text
from sqlalchemy.orm import Session
from stack.running import until

from crm import wiring
from crm.accounts.kinds import ActorKind, RecordAccess, Role
from crm.accounts.models import Membership
from crm.accounts.rules import Actor
from crm.accounts.services import browsers
from crm.app import create_app
from crm.channels.base import ChannelKind
from crm.contacts import queries as contacts
from crm.contacts.models import Company, Contact
from crm.contacts.queries import CompanyFilter, CompanySort, ContactSort
from crm.db import Database, database_now, new_id
from crm.desk import counters, seed
from crm.desk import queue as today
from crm.filters.schema import parse
from crm.interactions import queries as interactions
from crm.interactions.queries import keeping
from crm.loyalty import services as loyalty
from crm.outreach import queries as outreach
from crm.outreach.kinds import ConversationState, MessageState
from crm.outreach.queries.finding import find_threads
from crm.outreach.services.claim import claim
from crm.segments import queries as segments
from crm.segments import services as segment_services

#: Tables that grow with the number of people.
BIG = ("contact", "company", "affiliation", "handle", "interaction", "interaction_body", "consent_state", "message",
       "frozen_content", "conversation", "voucher", "warmth", "cadence", "fact")  # fmt: skip
#: So many rows of a big table may one statement look at, whatever its size: a page of a state that one message in a
#: hundred has is found by walking over as many as this, newest first.
MOST = 6_000
#: Messages, conversations and codes in numbers; the owner writes them, since only their plans are looked at.
MORE = (
    """
    insert into conversation (id, workspace_id, channel, account_id, contact_id, subject, state, last_at)
    select gen_random_uuid(), :workspace, 'email', :account, id, 'Ordine ' || n || case when n % 500 = 0
           then ' è pronto' else '' end, (array['open', 'waiting', 'closed'])[1 + n % 3], :now - n * interval '1 minute'
    from (select id, row_number() over (order by id) as n from contact where workspace_id = :workspace) as people
    """,
    """
    insert into message (id, workspace_id, channel, purpose, state, contact_id, account_id, conversation_id, planned_at,
                         due_at, approved_hash, created_at)
    select gen_random_uuid(), :workspace, 'email', 'personal',
           case n % 100 when 0 then 'scheduled' when 1 then 'draft' else 'sent' end, contact_id, :account, id, last_at,
           last_at, 'h', last_at
    from (select *, row_number() over (order by last_at) as n from conversation where workspace_id = :workspace) as talk
    """,
    """
    insert into frozen_content (id, workspace_id, message_id, hash, to_address, text)
    select gen_random_uuid(), :workspace, id, 'h', 'p@example.com', 'Ciao' from message where workspace_id = :workspace
    """,
    """
    insert into voucher (id, workspace_id, offer_id, contact_id, code, state, active_at)
    select gen_random_uuid(), :workspace, :offer, id, 'C' || n, 'active', :now
    from (select id, row_number() over (order by id) as n from contact where workspace_id = :workspace) as people
    where n > 1
    """,
    # A seller with a few people of their own, some for whom they were named, and restricted ones of others.
    """
    update contact set owner_id = :seller
    from (select id from contact where workspace_id = :workspace order by md5(id::text) limit 400) as chosen
    where contact.id = chosen.id
    """,
    """
    update contact set restricted = true
    from (select id from contact where workspace_id = :workspace order by md5(id::text || 'r') limit 300) as chosen
    where contact.id = chosen.id
    """,
    """
    insert into contact_access (id, workspace_id, contact_id, user_id)
    select gen_random_uuid(), :workspace, id, :seller from contact
    where workspace_id = :workspace and restricted and owner_id <> :seller order by id limit 50
    """,
)


@dataclass(frozen=True)
class Place:
    """A filled and analysed database, seen by the application's role."""

    database: Database
    house: House
    account_id: UUID
    code: str
    contact_id: UUID
    address: str
    seller: Actor


@dataclass(frozen=True)
class Asked:
    """One statement as it went to the database."""

    statement: str
    parameters: Any


@pytest.fixture(scope="module")
def fill(postgres) -> Iterator[Callable[[int], Place]]:
    """Make a database with so many people, three entries of history each; dropped at the end of the module."""
    opened = []

    def fill(people: int) -> Place:
        copy = cloned(postgres, f"crm_{new_id().hex}")
        name = copy.__enter__()
        database = Database(postgres.url(database=name), handlers=wiring.handlers())
        opened.append((copy, database))
        with database.scope() as session:
            house = make_house(session, name="Lanterna Dati")
            now = database_now(session)
            account = outreach_factory.account(session, house.actor, now=now)
            loyalty_factory.program(session, house.actor, now=now)
            offer = loyalty_factory.offer(session, house.actor, now=now)
            user = accounts_factory.user(session, name="Luca Verdi")
            session.add(Membership(user_id=user.id, role=Role.SALES, team="North"))
            seller = Actor(
                workspace_id=house.workspace.id, kind=ActorKind.USER, role=Role.SALES, user_id=user.id, name=user.name
            )
        given = {
            "workspace": house.workspace.id,
            "account": account.id,
            "offer": offer.id,
            "now": now,
            "seller": user.id,
        }
        engine = create_engine(postgres.superuser_url(name), poolclass=NullPool)
        with Session(engine) as session:
            # References are not looked up for every row: the plans don't depend on it, the time of this test does.
            session.execute(text("set session_replication_role = replica"))
            seed.fill(
                session,
                workspace_id=house.workspace.id,
                owner_id=house.user.id,
                size=seed.Size(people, 3 * people),
                seed=1,
                now=now,
            )
            for statement in MORE:
                needed = {key: value for key, value in given.items() if f":{key}" in statement}
                session.execute(text(statement), needed)
            session.commit()
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum analyze"))
        engine.dispose()
        with database.scope(house.workspace.id) as session:
            person = session.scalars(select(Contact).order_by(Contact.id).limit(1)).one()
            code = loyalty_factory.voucher(
                session, house.actor, offer_id=offer.id, contact_id=person.id, now=database_now(session)
            ).code
        return Place(database, house, account.id, code, person.id, person.email, seller)

    yield fill
    for copy, database in opened:
        database.dispose()
        copy.__exit__(None, None, None)


@pytest.fixture(scope="module")
def twenty_thousand(fill) -> Place:
    return fill(20_000)


def _claim(session, place, now):
    return claim(
        session,
        place.house.actor,
        account_id=place.account_id,
        worker="test",
        lease=timedelta(seconds=60),
        now=now + timedelta(days=365),
    )


def _members(session, place, now):
    rule = parse({"all": [{"field": "city", "op": "is", "value": "Firenze"}]})
    made = segment_services.create(session, place.house.actor, name="Firenze", rule=rule, now=now)
    session.execute(text("/* from here on */ select 1"))
    return segments.members(session, place.house.actor, segment=made, now=now).items


def _second_page(session, place, sort):
    first = contacts.list_contacts(session, place.house.actor, sort=sort)
    return contacts.list_contacts(session, place.house.actor, sort=sort, after=first.next).items


def _second_page_of_companies(session, place, sort):
    first = contacts.list_companies(session, place.house.actor, sort=sort)
    return contacts.list_companies(session, place.house.actor, sort=sort, after=first.next).items


def _in_a_city(session):
    city = session.scalars(select(Company.city).where(Company.city != "").limit(1)).one()
    session.execute(text("/* from here on */ select 1"))
    return CompanyFilter(city=city)


def _silent_companies(session, actor):
    """Those of whose people nobody was heard for a year, and when the others were."""
    since = database_now(session) - timedelta(days=365)
    found = contacts.list_companies(session, actor, where=CompanyFilter(quiet_since=since)).items
    contacts.company_exchanges(session, actor, company_ids=[row.id for row in found])
    return found


def _warm_pages(session, actor):
    first = keeping.warmest(session, actor, where=None, after=None)
    return keeping.warmest(session, actor, where=None, after=first.next).items


HOT = {
    "people by name": lambda s, p, _: contacts.list_contacts(s, p.house.actor).items,
    "people by name, second page": lambda s, p, _: _second_page(s, p, ContactSort.NAME),
    "people by last exchange": lambda s, p, _: _second_page(s, p, ContactSort.LAST_EXCHANGE),
    "newest people": lambda s, p, _: _second_page(s, p, ContactSort.NEWEST),
    "people heard last": lambda s, p, _: _second_page(s, p, ContactSort.LATEST_EXCHANGE),
    "the warmest people": lambda s, p, _: _warm_pages(s, p.house.actor),
    "companies by name": lambda s, p, _: _second_page_of_companies(s, p, CompanySort.NAME),
    "newest companies": lambda s, p, _: _second_page_of_companies(s, p, CompanySort.NEWEST),
    "companies of a city": lambda s, p, _: contacts.list_companies(s, p.house.actor, where=_in_a_city(s)).items,
    "my companies": lambda s, p, _: (
        contacts.list_companies(s, p.house.actor, where=CompanyFilter(owner_id=p.house.user.id)).items
    ),
    "one person": lambda s, p, _: contacts.contact(s, p.house.actor, contact_id=p.contact_id),
    "a timeline": lambda s, p, _: interactions.timeline(s, p.house.actor, contact_id=p.contact_id).items,
    "an address": lambda s, p, _: contacts.handle_by_address(
        s, p.house.actor, channel=ChannelKind.EMAIL, address_norm=p.address
    ),
    "members of a segment": _members,
    "due messages": _claim,
    "the inbox": lambda s, p, _: outreach.conversations(s, p.house.actor).items,
    "open conversations": lambda s, p, _: (
        outreach.conversations(s, p.house.actor, where=outreach.InboxFilter(state=ConversationState.OPEN)).items
    ),
    "how many conversations": lambda s, p, _: outreach.counts_by_state(s, p.house.actor),
    "messages": lambda s, p, _: outreach.messages(s, p.house.actor).items,
    "messages in one state": lambda s, p, _: outreach.messages(s, p.house.actor, states=[MessageState.SCHEDULED]).items,
    "today": lambda s, p, now: today.queue(s, p.house.actor, is_mine=True, now=now),
    "what waits": lambda s, p, now: counters.counts(s, p.house.actor, now=now),
    "a code at the till": lambda s, p, now: loyalty.redeem(s, p.house.actor, code=p.code, idempotency_key="k", now=now),
}
#: The lists as somebody reads them who sees their own people, their team's, or all but the restricted.
NARROWED = {
    "people by name": lambda s, a: contacts.list_contacts(s, a).items,
    "people by last exchange": lambda s, a: contacts.list_contacts(s, a, sort=ContactSort.LAST_EXCHANGE).items,
    "newest people": lambda s, a: contacts.list_contacts(s, a, sort=ContactSort.NEWEST).items,
    "the warmest people": lambda s, a: keeping.warmest(s, a, where=None, after=None).items,
    "silent companies": _silent_companies,
    "the inbox": lambda s, a: outreach.conversations(s, a).items,
    "messages": lambda s, a: outreach.messages(s, a).items,
    "today": lambda s, a: today.queue(s, a, is_mine=False, now=database_now(s)),
    "what waits": lambda s, a: counters.counts(s, a, now=database_now(s)),
}
SEARCHES = {
    "two names": "chiara rossi",
    "a fragment": "moret",
    "a misspelt name": "moretit",
    "an address": "persona7@",
    # Every second person has one: which of them changes with the day.
    "a number": "33000000",
    "a company": "vetreria lagorai",
}


def asked(place: Place, work: Callable[[Session], object]) -> tuple[object, list[Asked]]:
    """What `work` answers, and its statements behind the last mark, rolled back at the end."""
    heard: list[Asked] = []

    def hear(_connection, _cursor, statement, parameters, *_rest):
        if "from here on" in statement:
            heard.clear()
        else:
            heard.append(Asked(statement, parameters))

    session = place.database.session(place.house.workspace.id)
    event.listen(place.database.engine, "before_cursor_execute", hear)
    try:
        found = work(session)
    finally:
        event.remove(place.database.engine, "before_cursor_execute", hear)
        session.rollback()
        session.close()
    return found, heard


def broad_reads(place: Place, heard: list[Asked]) -> list[str]:
    """The statements, said again in one transaction, that touch more rows of a big table than a page can need."""
    found = []
    session = place.database.session(place.house.workspace.id)
    for one in heard:
        if one.statement.split(maxsplit=1)[0].lower() in {"select", "with", "update", "insert", "delete"}:
            explain = f"explain (analyze, format json) {one.statement}"
            plan = session.connection().exec_driver_sql(explain, one.parameters).scalar_one()[0]["Plan"]
            found += [
                f"{node['Node Type']} of {node['Relation Name']}: {rows:.0f} rows\n{one.statement}"
                for node in nodes(plan)
                if node.get("Relation Name") in BIG and (rows := touched(node)) > MOST
            ]
    session.rollback()
    session.close()
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's node and everything below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def touched(node: dict[str, Any]) -> float:
    """The rows that a node looked at, those included that it did not want."""
    unwanted = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return (node["Actual Rows"] + unwanted) * node["Actual Loops"]


def check_hot(place: Place, name: str) -> None:
    def work(session):
        return HOT[name](session, place, database_now(session))

    found, heard = asked(place, work)
    assert found, "the question must have an answer, or its plan says nothing"
    assert heard
    assert broad_reads(place, heard) == []


@pytest.mark.parametrize("name", HOT)
def test_a_hot_question_reads_a_few_rows_of_big_tables(twenty_thousand, name):
    check_hot(twenty_thousand, name)


@pytest.mark.parametrize("reach", list(RecordAccess))
@pytest.mark.parametrize("name", NARROWED)
def test_a_list_reads_a_few_rows_for_who_does_not_see_everybody(twenty_thousand, name, reach):
    seller = twenty_thousand.seller
    reader = replace(seller, sees=reach, team=frozenset({seller.user_id}))
    found, heard = asked(twenty_thousand, lambda session: NARROWED[name](session, reader))
    assert found
    assert broad_reads(twenty_thousand, heard) == []


def sequential_reads(place: Place) -> dict[str, int]:
    """How often each big table was read from end to end until now, functions included."""
    with place.database.scope() as session:
        rows = session.execute(
            text("select relname, seq_scan from pg_stat_user_tables where relname = any(:names)"), {"names": list(BIG)}
        )
        return {row.relname: row.seq_scan for row in rows}


def is_alone(place: Place) -> bool:
    """Whether nobody else is connected to the database."""
    with place.database.scope() as session:
        others = text(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        return session.scalar(others) == 0


#: Of threads, by their subject: words that few have, and words like them.
THREADS = {"words of a subject": "è pronto", "a misspelt word": "prontto"}


def check_search(
    place: Place,
    query: str,
    search: Callable[[Session, Actor, str], object] = lambda s, a, q: contacts.search(s, a, text=q),
) -> None:
    # What other sessions still hold back of their own counts must not be taken for this search's: each hands them in
    # when it ends, and the server ends it in its own time.
    place.database.dispose()
    until(lambda: is_alone(place), "the end of the other sessions")
    before = sequential_reads(place)
    with place.database.scope(place.house.workspace.id) as session:
        found = search(session, place.house.actor, query)
        session.execute(text("select pg_stat_force_next_flush()"))
    assert found
    assert sequential_reads(place) == before


@pytest.mark.parametrize("name", SEARCHES)
def test_search_reads_no_big_table_whole(twenty_thousand, name):
    check_search(twenty_thousand, SEARCHES[name])


@pytest.mark.parametrize("name", THREADS)
def test_search_for_threads_reads_no_big_table_whole(twenty_thousand, name):
    check_search(twenty_thousand, THREADS[name], lambda s, a, q: find_threads(s, a, text=q))


def statements_of(place: Place, settings, jobs, path: str) -> int:
    """How many statements a signed-in owner's GET of `path` takes, once everything that is kept is warm."""
    app = create_app(settings, database=place.database, jobs=jobs)
    app.config.update(TESTING=True, RATELIMIT_ENABLED=False)
    client = app.test_client()
    with place.database.scope() as session:
        now = database_now(session)
        key = browsers.start(session, user_id=place.house.user.id, ip="127.0.0.1", agent="test", now=now)
    with client.session_transaction() as cookie:
        cookie.update(_user_id=place.house.user.fs_uniquifier, _fresh=True, fs_cc="set", fs_paa=time.time(), key=key,
                      workspace_id=str(place.house.workspace.id))  # fmt: skip
    assert client.get(path).status_code == 200
    _, heard = asked(place, lambda _session: client.get(path))
    return len(heard)


#: How many statements each page may take.
PAGES = {
    "/contacts": 21,
    "/contacts?sort=last_exchange": 21,
    "/contacts?sort=warmth": 22,
    "/companies": 14,
    "/contacts/{id}": 27,
    "/search?q=moretti": 24,
    "/": 34,
}


def test_the_pages_of_people_ask_a_bounded_number_of_questions_at_any_size(fill, twenty_thousand, settings, jobs):
    few = fill(1_000)

    for path, most in PAGES.items():
        small = statements_of(few, settings, jobs, path.format(id=few.contact_id))
        large = statements_of(twenty_thousand, settings, jobs, path.format(id=twenty_thousand.contact_id))
        assert large <= small <= most, path


@pytest.mark.long
def test_at_a_hundred_thousand_people_questions_read_as_few_rows_and_searches_no_table_whole(fill):
    place = fill(100_000)

    for name in HOT:
        check_hot(place, name)
    for query in SEARCHES.values():
        check_search(place, query)

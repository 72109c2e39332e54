"""Server time and statements of the board, a column, the list and a deal, among 100 and among 10,000 deals."""

import random
import statistics
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from benchmarks.pages import Watch, explain, signed_in
from benchmarks.stand import Stand, percentile, table
from crm.accounts.rules import Actor
from crm.app import create_app
from crm.contacts.inputs import parsed
from crm.db import Database, database_now
from crm.deals import queries, services
from crm.deals.models import Deal
from crm.deals.services import MoveInput, StageInput
from crm.embedded import ValkeyServer
from crm.settings import Settings

FEW, MANY = 100, 10_000
WARM_UP, ROUNDS = 5, 60
_STAGES = (
    ("First talk", "open", 10, 14),
    ("Offer", "open", 50, 10),
    ("Won", "won", 100, None),
    ("Lost", "lost", 0, None),
)
#: Each deal with a main person of its own, one in three with a company; every day of the year ends some.
_ROWS = (
    """
    insert into contact (id, workspace_id, display_name, sort_name, owner_id)
    select gen_random_uuid(), :w, 'Person ' || n, 'person ' || n, :user
    from generate_series(1, :many) n
    """,
    """
    insert into company (id, workspace_id, name, name_norm)
    select gen_random_uuid(), :w, 'Firm ' || n, 'firm ' || n
    from generate_series(1, :many / 10) n
    """,
    """
    insert into deal (id, workspace_id, pipeline_id, stage_id, state, title, title_norm, amount_minor, closes_on,
    owner_id, stage_since, closed_at, created_by_id, created_at)
    select gen_random_uuid(), :w, s.pipeline_id, s.id, s.kind, 'Deal ' || n, 'deal ' || n, n % 977 * 1000,
    cast(:now as date) + n % 365, :user, :now - n % 60 * interval '1 day',
    case s.kind when 'open' then null else :now - n % 60 * interval '1 day' end, :user, :now
    from generate_series(1, :many) n
    join (select *, row_number() over (order by position) as place
    from deal_stage where workspace_id = :w) s on s.place = 1 + n % 4
    """,
    """
    insert into deal_contact (id, workspace_id, deal_id, contact_id, is_main)
    select gen_random_uuid(), :w, d.id, c.id, true
    from (select id, row_number() over (order by id) as place
    from deal where workspace_id = :w) d
    join (select id, row_number() over (order by id) as place
    from contact where workspace_id = :w) c using (place)
    """,
    """
    insert into deal_company (id, workspace_id, deal_id, company_id)
    select gen_random_uuid(), :w, d.id, c.id
    from (select id, row_number() over (order by id) as place
    from deal where workspace_id = :w) d
    join (select id, row_number() over (order by id) as place
    from company where workspace_id = :w) c on d.place % 3 = 0 and c.place = 1 + d.place % (:many / 10)
    """,
    """
    insert into deal_stage_change (id, workspace_id, deal_id, stage_id, at, user_id)
    select gen_random_uuid(), :w, id, stage_id, stage_since, :user
    from deal where workspace_id = :w
    """,
)


def begin(session: Session, actor: Actor, *, now: datetime) -> None:
    """A pipeline of four stages."""
    stages = [
        parsed(StageInput, {"name": name, "kind": kind, "probability": chance, "rot_days": days})
        for name, kind, chance, days in _STAGES
    ]
    services.create_pipeline(session, actor, name="Sales", stages=stages, now=now)


def fill(session: Session, actor: Actor, *, number: int, now: datetime) -> None:
    """So many deals in the stages of the workspace's pipeline, a quarter in each, with as many people."""
    given = {"w": actor.workspace_id, "user": actor.user_id, "many": number, "now": now}
    for statement in _ROWS:
        session.execute(text(statement), {name: value for name, value in given.items() if f":{name}" in statement})


def measure(place: Stand) -> None:
    """Print what each page and a move take, at both sizes, and how the larger compares to the smaller one."""
    actors = {number: place.empty(f"deals-{number}") for number in (FEW, MANY)}
    for number, actor in actors.items():
        with place.database.scope(actor.workspace_id) as session:
            now = database_now(session)
            begin(session, actor, now=now)
            fill(session, actor, number=number, now=now)
    place.settle()
    rows: dict[str, dict[int, tuple[float, float, int]]] = {}
    with ValkeyServer(place.home) as valkey:
        settings = Settings.load(redis_url=valkey.url)
        database = Database(place.url, handlers=place.database.handlers)
        watch = Watch()
        watch.on(database.engine)
        app = create_app(settings, database=database)
        for number, actor in actors.items():
            client = signed_in(app.test_client(), database, actor)
            for name, act in _acts(database, actor, client.get).items():
                rows.setdefault(name, {})[number] = _taken(act, watch)
        told = [
            (
                name,
                f"{few[0]:.0f} ms",
                f"{many[0]:.0f} ms",
                f"{many[1]:.0f} ms",
                f"{many[0] / few[0]:.1f}",
                few[2],
                many[2],
            )
            for name, found in rows.items()
            for few, many in [(found[FEW], found[MANY])]
        ]
        head = (f"{FEW} and {MANY:,} deals", "median few", "median many", "p95 many", "ratio", "statements few", "many")
        table(head, told)
        explain(place, actors[MANY], *watch.slowest())
        database.dispose()


def _acts(database: Database, actor: Actor, get: Callable[[str], object]) -> dict[str, Callable[[], object]]:
    with database.scope(actor.workspace_id) as session:
        ids = list(session.scalars(select(Deal.id).where(Deal.state == "open").order_by(Deal.id).limit(300)))
        stage = queries.stages(session, actor)[0]
        stage_id = stage.id
        board = queries.board(
            session, actor, where=queries.DealFilter(pipeline_id=stage.pipeline_id), now=database_now(session)
        )
        after = board[0].next
    chance = random.Random(1)

    def move() -> None:
        with database.scope(actor.workspace_id) as session:
            one, other = chance.sample(ids, 2)
            beside = queries.deal(session, actor, deal_id=other)
            data = MoveInput(stage_id=beside.stage_id, after_id=other)
            services.move(session, actor, deal_id=one, data=data, now=database_now(session))

    return {
        "board": lambda: get("/deals"),
        "next cards of a column": lambda: get(f"/deals/columns/{stage_id}?after={after}"),
        "list by closing day": lambda: get("/deals/list"),
        "list by amount": lambda: get("/deals/list?sort=-amount"),
        "a deal": lambda: get(f"/deals/{chance.choice(ids)}"),
        "put a card elsewhere": move,
    }


def _taken(act: Callable[[], object], watch: Watch) -> tuple[float, float, int]:
    """(median, p95) in milliseconds, and the most statements."""
    times: list[float] = []
    counts: list[int] = []
    for number in range(WARM_UP + ROUNDS):
        watch.reset()
        started = time.perf_counter()
        answer = act()
        seconds = time.perf_counter() - started
        assert getattr(answer, "status_code", 200) == 200, answer
        if number >= WARM_UP:
            times.append(seconds * 1000)
            counts.append(watch.count)
    return statistics.median(times), percentile(times, 0.95), max(counts)

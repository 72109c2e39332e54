"""A small catalogue of its own for the tests of the language: one person table, one table of rows, one of visits."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, DateTime, Integer, MetaData, SmallInteger, Table, Text, Uuid

from crm.filters import sources
from crm.filters.catalogue import Catalogue, Field, Option, RuleContext, Subject, join
from crm.filters.evaluate import YearDay, count_within
from crm.filters.schema import Op
from crm.filters.text import normalise
from crm.filters.values import Choice, FieldType, Money

NOW = datetime(2027, 2, 26, 8, 30, tzinfo=UTC)
WORKSPACE = UUID(int=1)
ELSEWHERE = UUID(int=2)
TAGS = tuple(UUID(int=100 + number) for number in range(4))
CONTEXT = RuleContext(workspace_id=WORKSPACE, now=NOW, tz="Europe/Rome")

metadata = MetaData()
person = Table(
    "rule_person",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", Uuid, nullable=False),
    Column("name", Text),
    Column("name_norm", Text),
    Column("points", Integer),
    Column("amount", Integer),
    Column("currency", Text),
    Column("since", Date),
    Column("seen_at", DateTime(timezone=True)),
    Column("tier", Text),
    Column("month", SmallInteger),
    Column("day", SmallInteger),
    prefixes=["TEMPORARY"],
)
tagged = Table(
    "rule_tag",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("person_id", Uuid),
    Column("tag_id", Uuid),
    prefixes=["TEMPORARY"],
)
visit = Table(
    "rule_visit",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("person_id", Uuid),
    Column("kind", Text),
    Column("at", DateTime(timezone=True)),
    Column("spent", Integer),
    prefixes=["TEMPORARY"],
)

KINDS = (Choice("shop", "shop"), Choice("web", "web"))
TIERS = (Choice("gold", "Gold"), Choice("silver", "Silver"))


def load_tags(_session: Any, _workspace_id: UUID) -> list[Choice]:
    return [Choice(str(tag), f"tag {number}") for number, tag in enumerate(TAGS)]


def _visits(ask):
    conditions = [sources.within(visit.c.at, sources.window_of(ask))]
    if kinds := ask.options.get("kind"):
        conditions.append(visit.c.kind.in_(kinds))
    return conditions


tags = sources.Rows(tagged, tagged.c.person_id, tagged.c.workspace_id)
visits = sources.Rows(visit, visit.c.person_id, visit.c.workspace_id, _visits)
all_visits = sources.Rows(visit, visit.c.person_id, visit.c.workspace_id)


def _chosen(facts: Mapping[str, Any], ask) -> list[dict[str, Any]]:
    kinds, interval = ask.options.get("kind"), sources.window_of(ask)
    return [
        item
        for item in facts["visits"]
        if (kinds is None or item["kind"] in kinds) and count_within([item["at"]], interval)
    ]


def _money(facts: Mapping[str, Any], _ask) -> Money | None:
    return None if facts["amount"] is None else Money(amount=facts["amount"], currency=facts["currency"])


def _birthday(facts: Mapping[str, Any], _ask) -> YearDay | None:
    return None if facts["month"] is None else YearDay(facts["month"], facts["day"])


def _fact(name: str):
    return lambda facts, _ask: facts[name]


OPTIONS = (Option("kind", "choice", "Kind", KINDS, phrase="in the %(value)s"), Option("when", "window", "When"))
FIELDS = (
    Field("name", FieldType.TEXT, "Name", "Person", "whose name", sources.column(person.c.name_norm), _fact("name")),
    Field(
        "points",
        FieldType.NUMBER,
        "Points",
        "Person",
        "with %(value)s points",
        sources.column(person.c.points),
        _fact("points"),
        whole=True,
    ),
    Field(
        "spent",
        FieldType.MONEY,
        "Spent",
        "Person",
        "whose spending",
        sources.money(person.c.amount, person.c.currency),
        _money,
    ),
    Field("since", FieldType.DATE, "Since", "Person", "whose start", sources.column(person.c.since), _fact("since")),
    Field(
        "seen",
        FieldType.DATETIME,
        "Last seen",
        "Person",
        "whose last visit",
        sources.column(person.c.seen_at),
        _fact("seen_at"),
        phrases={Op.NOT_IN_LAST: "whom we did not see in the last %(value)s %(never)s"},
    ),
    Field(
        "tier", FieldType.CHOICE, "Tier", "Person", "whose tier", sources.column(person.c.tier), _fact("tier"), TIERS
    ),
    Field(
        "birthday",
        FieldType.ANNIVERSARY,
        "Birthday",
        "Person",
        "whose birthday",
        sources.anniversary(person.c.month, person.c.day),
        _birthday,
    ),
    Field(
        "tag",
        FieldType.MULTI,
        "Tag",
        "Person",
        "whose tags",
        sources.any_row(tags, tagged.c.tag_id),
        _fact("tags"),
        load_tags,
    ),
    Field(
        "visited",
        FieldType.BOOLEAN,
        "Visited",
        "Visits",
        "who visited",
        sources.has_row(visits),
        lambda facts, ask: bool(_chosen(facts, ask)),
        options=OPTIONS,
        phrases={Op.IS: "who came", Op.IS_NOT: "who did not come"},
    ),
    Field(
        "visits",
        FieldType.COUNT,
        "Visits",
        "Visits",
        "with %(value)s visits",
        sources.count_rows(visits),
        lambda facts, ask: len(_chosen(facts, ask)),
        options=OPTIONS,
    ),
    Field(
        "paid",
        FieldType.COUNT,
        "Paid",
        "Visits",
        "with %(value)s paid",
        sources.sum_rows(visits, visit.c.spent),
        lambda facts, ask: sum(item["spent"] for item in _chosen(facts, ask)),
        options=OPTIONS,
    ),
    Field(
        "first_visit",
        FieldType.DATETIME,
        "First visit",
        "Visits",
        "whose first visit",
        sources.first_row(all_visits, visit.c.at),
        lambda facts, _ask: min((item["at"] for item in facts["visits"]), default=None),
    ),
)
CATALOGUE: Catalogue = join(Subject(person, person.c.id, person.c.workspace_id), (FIELDS, lambda *_: {}))


def person_row(number: int, **values: Any) -> dict[str, Any]:
    """The facts of one person, all absent unless given."""
    empty = dict.fromkeys(("name", "points", "amount", "currency", "since", "seen_at", "tier", "month", "day"))
    return {**empty, "id": UUID(int=1000 + number), "workspace_id": WORKSPACE, "tags": (), "visits": (), **values}


def store(connection: Any, people: list[dict[str, Any]]) -> None:
    """Write people into the (emptied) temporary tables."""
    for table in (visit, tagged, person):
        connection.execute(table.delete())
    columns = [column.name for column in person.columns if column.name != "name_norm"]
    for one in people:
        row = {name: one[name] for name in columns}
        row["name_norm"] = None if one["name"] is None else normalise(one["name"])
        connection.execute(person.insert().values(**row))
        belongs = {"workspace_id": one["workspace_id"], "person_id": one["id"]}
        if one["tags"]:
            connection.execute(tagged.insert(), [{**belongs, "tag_id": tag} for tag in one["tags"]])
        if one["visits"]:
            connection.execute(visit.insert(), [{**belongs, **item} for item in one["visits"]])

"""The count of a compiled rule beside SQL that a person writes for the same question, as the same role."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import text

from benchmarks.stand import Stand, alternating, table
from crm.accounts.rules import Actor
from crm.clock import days_before, start_of_day
from crm.contacts.fields import SUBJECT
from crm.db import database_now
from crm.filters.catalogue import bind
from crm.filters.compiler import condition
from crm.filters.registry import catalogue
from crm.filters.schema import parse
from crm.segments import queries

ROUNDS = 7

LAST_90 = {"last": {"amount": 90, "unit": "days"}}
QUESTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "three conditions": (
        {
            "all": [
                {"field": "lifecycle", "op": "any_of", "value": ["customer"]},
                {"field": "city", "op": "is", "value": "Firenze"},
                {"field": "interactions", "op": "at_least", "value": {"value": 2, "kind": ["call"], "when": LAST_90}},
            ]
        },
        """
        select count(*) from contact c
        where c.deleted_at is null and c.lifecycle = 'customer' and c.city_norm = 'firenze'
          and c.id in (
            select contact_id from interaction
            where kind = 'call' and happened_at >= :since and happened_at <= :now
              and removed_at is null and visibility <> 'private'
            group by contact_id having count(*) >= 2)
        """,
    ),
    "nested, two windows": (
        {
            "any": [
                {
                    "all": [
                        {"field": "lifecycle", "op": "any_of", "value": ["customer", "prospect"]},
                        {
                            "field": "interactions",
                            "op": "at_least",
                            "value": {"value": 2, "kind": ["message.received"], "when": LAST_90},
                        },
                    ]
                },
                {
                    "not": {
                        "field": "interactions",
                        "op": "at_least",
                        "value": {"value": 1, "kind": ["call", "comment"], "when": LAST_90},
                    }
                },
            ]
        },
        """
        select count(*) from contact c
        where c.deleted_at is null and (
          c.lifecycle in ('customer', 'prospect') and c.id in (
            select contact_id from interaction
            where kind = 'message.received' and happened_at >= :since and happened_at <= :now
              and removed_at is null and visibility <> 'private'
            group by contact_id having count(*) >= 2)
          or c.id not in (
            select contact_id from interaction
            where kind in ('call', 'comment') and happened_at >= :since and happened_at <= :now
              and removed_at is null and visibility <> 'private' and contact_id is not null))
        """,
    ),
}


def measure(stand: Stand) -> None:
    actor = stand.seeded()
    table(
        ["rule", "people", "compiled", "by hand", "ratio"],
        [_row(stand, actor, name, rule, by_hand) for name, (rule, by_hand) in QUESTIONS.items()],
    )


def _row(stand: Stand, actor: Actor, name: str, rule: dict[str, Any], by_hand: str) -> tuple[object, ...]:
    with stand.database.scope(actor.workspace_id) as session:
        now = database_now(session)
        context = queries.context_of(session, actor, now=now)
        since = start_of_day(days_before(now, 90, tz=context.tz), tz=context.tz)
        wanted = condition(bind(parse(rule), catalogue()), context, SUBJECT)
        given = {"now": now, "since": since}
        ways = {
            "rule": partial(_counted, lambda: queries.count(session, actor, condition=wanted)),
            "hand": partial(_counted, lambda: session.execute(text(by_hand), given).scalar_one()),
        }
        counts = {way: call()[1] for way, call in ways.items()}
        assert counts["rule"] == counts["hand"], counts
        taken = alternating(ROUNDS, **{way: partial(_seconds, call) for way, call in ways.items()})
    ratio = f"{taken['rule'] / taken['hand']:.2f}"
    return name, counts["rule"], _ms(taken["rule"]), _ms(taken["hand"]), ratio


def _counted(ask: Callable[[], int]) -> tuple[float, int]:
    started = time.perf_counter()
    found = ask()
    return time.perf_counter() - started, found


def _seconds(call: Callable[[], tuple[float, int]]) -> float:
    return call()[0]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"

"""Real processes on one real database: one code, one limit, one member, a kill in the middle, refusals that last."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import make_house
from factories import races
from factories.contacts import contact
from factories.loyalty import earn, key, member, offer, voucher
from sqlalchemy import func, select

from crm import wiring
from crm.accounts.models import Throttle
from crm.db import Database
from crm.errors import AppError
from crm.interactions import services as interactions
from crm.interactions.models import Interaction
from crm.loyalty import queries, services
from crm.loyalty.models import LedgerTransaction, Offer, Redemption, Voucher
from crm.loyalty.rules.codes import encode

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)

# Children start as copies of this process: fifty new interpreters would spend a minute on importing.
processes = multiprocessing.get_context("fork")


@pytest.fixture
def place(fresh_database):
    """A committed workspace: (its database address, its actor)."""
    with fresh_database.database.scope() as session:
        actor = make_house(session, name="Lanterna Dati").actor
    fresh_database.database.engine.dispose()
    return fresh_database, actor


def in_processes(place, jobs: list[Callable[[Any, Any], object]]) -> list[str]:
    """The answers or refusals of jobs(session, actor), each in a process of its own."""
    fresh, actor = place
    return races.in_processes(fresh.url, actor, jobs)


def built(place, build):
    fresh, actor = place
    with fresh.database.scope(actor.workspace_id) as session:
        made = build(session, actor)
    fresh.database.engine.dispose()
    return made


def test_fifty_processes_redeem_one_code_exactly_once(place):
    code = built(
        place,
        lambda session, actor: (
            voucher(session, actor, offer_id=offer(session, actor).id, contact_id=contact(session, actor).id).code
        ),
    )

    def redeem(number):
        return lambda session, actor: (
            services.redeem(session, actor, code=code, idempotency_key=f"k{number}", now=NOW).voucher_id
        )

    answers = Counter(in_processes(place, [redeem(number) for number in range(50)]))
    assert answers.pop("used") == 49
    assert list(answers.values()) == [1]
    assert built(place, lambda session, _: session.scalar(select(func.count(Redemption.id)))) == 1
    assert built(place, lambda session, _: session.scalar(select(Offer.redeemed))) == 1


def test_a_key_sent_by_many_at_once_gives_them_all_the_same_redemption(place):
    code = built(
        place,
        lambda session, actor: (
            voucher(session, actor, offer_id=offer(session, actor).id, contact_id=contact(session, actor).id).code
        ),
    )
    answers = in_processes(
        place,
        [lambda session, actor: services.redeem(session, actor, code=code, idempotency_key="k", now=NOW).id] * 12,
    )
    assert len(set(answers)) == 1
    assert "used" not in answers


@pytest.mark.parametrize(("redeemers", "limit"), [(12, 5), (4, 9)])
def test_as_many_succeed_as_redeemers_and_the_limit_allow(place, redeemers, limit):
    def build(session, actor):
        made = offer(session, actor, limit_total=limit)
        return [
            voucher(session, actor, offer_id=made.id, contact_id=contact(session, actor, name=f"P {n}").id).code
            for n in range(redeemers)
        ]

    jobs = [
        lambda session, actor, code=code: (
            services.redeem(session, actor, code=code, idempotency_key=code, now=NOW) and "done"
        )
        for code in built(place, build)
    ]
    expected = Counter(done=min(redeemers, limit), limit_total=max(0, redeemers - limit))
    assert Counter(in_processes(place, jobs)) == +expected


def test_one_member_spent_by_many_never_goes_below_zero(place):
    def build(session, actor):
        return member(session, actor, points=50).id

    member_id = built(place, build)

    def spend(number):
        return lambda session, actor: (
            services.spend(
                session, actor, member_id=member_id, points=8, reason="x", idempotency_key=f"k{number}", now=NOW
            )
            and "spent"
        )

    answers = Counter(in_processes(place, [spend(number) for number in range(12)]))
    assert answers == {"spent": 6, "not_enough_points": 6}
    assert built(place, queries.verify).discrepancies == []


def test_an_entry_reversed_by_many_at_once_is_reversed_once(place):
    entry_id = built(place, lambda session, actor: earn(session, actor, member(session, actor).id, 50).id)

    def reverse(number):
        return lambda session, actor: (
            services.reverse(session, actor, entry_id=entry_id, reason="x", idempotency_key=f"k{number}", now=NOW)
            and "reversed"
        )

    answers = Counter(in_processes(place, [reverse(number) for number in range(8)]))
    assert answers == {"reversed": 1, "not_reversible": 7}
    assert built(place, queries.verify).discrepancies == []


def test_undo_by_many_at_once_gives_the_limit_back_once(place):
    def build(session, actor):
        made = offer(session, actor, limit_total=3)
        rows = [
            voucher(session, actor, offer_id=made.id, contact_id=contact(session, actor, name=f"P {n}").id)
            for n in range(2)
        ]
        done = [services.redeem(session, actor, code=row.code, idempotency_key=row.code, now=NOW) for row in rows]
        return done[0].id

    redemption_id = built(place, build)
    job = lambda session, actor: services.undo_redemption(session, actor, redemption_id=redemption_id, now=NOW).id  # noqa: E731
    assert set(in_processes(place, [job] * 8)) == {str(redemption_id)}
    assert built(place, lambda session, _: session.scalar(select(Offer.redeemed))) == 1


@pytest.mark.parametrize("moment", ["before the timeline", "before the commit"])
def test_a_kill_between_two_writes_leaves_nothing_half_done(place, monkeypatch, moment):
    code = built(
        place,
        lambda session, actor: (
            voucher(
                session, actor, offer_id=offer(session, actor).id, contact_id=member(session, actor).contact_id
            ).code
        ),
    )
    fresh, actor = place

    def die(*_args, **_more):
        os.kill(os.getpid(), signal.SIGKILL)

    def run() -> None:
        database = Database(fresh.url, handlers=wiring.handlers(), pooled=False)
        if moment == "before the timeline":
            monkeypatch.setattr(interactions, "log", die)
        with database.scope(actor.workspace_id) as session:
            services.redeem(session, actor, code=code, idempotency_key="k", now=NOW)
            die()

    child = processes.Process(target=run)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL

    def left(session, _actor):
        return (
            session.scalar(select(Voucher.state)),
            session.scalar(select(Offer.redeemed)),
            session.scalar(select(func.count(Redemption.id))),
            session.scalar(select(func.count(Interaction.id)).where(Interaction.kind == "offer.redeemed")),
            session.scalar(select(func.count(LedgerTransaction.id))),
        )

    assert built(place, left) == ("active", 0, 0, 0, 0)
    done = built(place, lambda session, actor: services.redeem(session, actor, code=code, idempotency_key="k", now=NOW))
    assert done.undone_at is None


def test_counters_against_guessing_survive_the_refused_requests(place):
    def guess(number):
        return lambda session, actor: services.redeem(
            session, actor, code=encode(number, 16), idempotency_key=key(), now=NOW
        )

    for number in range(20):
        assert in_one_transaction(place, guess(number)) == "unknown"
    assert in_one_transaction(place, guess(21)) == "too_many_guesses"
    tries = built(place, lambda session, _: dict(session.execute(select(Throttle.key, Throttle.tries)).all()))
    assert set(tries.values()) == {20}


def in_one_transaction(place, job):
    fresh, actor = place
    try:
        with fresh.database.scope(actor.workspace_id) as session:
            return job(session, actor)
    except AppError as refusal:
        return refusal.code

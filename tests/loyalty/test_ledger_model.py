"""The ledger against a slow, obvious model: points are moved one by one, by lots in a plain list."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from factories.loyalty import earn, key, member, spend
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from crm.loyalty import queries, services
from crm.loyalty.errors import NotEnoughPointsError, NotReversibleError
from crm.loyalty.models import Lot
from crm.loyalty.rules.ledger import expiry


@dataclass
class PlainLot:
    earned: int
    left: int
    expires: datetime | None
    pending: bool = False
    taken_back: int = 0
    expired: int = 0


@dataclass
class PlainSpend:
    points: list[PlainLot]
    """The lot of each point, in the order of taking."""


@dataclass
class PlainBook:
    """What the ledger should do, without any cleverness."""

    now: datetime
    lots: list[PlainLot] = field(default_factory=list)
    debt: int = 0

    def expire(self) -> None:
        for lot in self.lots:
            if lot.expires is not None and lot.expires <= self.now:
                lot.expired += lot.left
                lot.left = 0

    def next_lot(self) -> PlainLot | None:
        """The lot that the next point comes from."""
        able = [lot for lot in self.lots if lot.left and not lot.pending]
        never = [lot for lot in able if lot.expires is None]
        ending = [lot for lot in able if lot.expires is not None]
        # min() takes the first of equals, and lots are kept in the order in which they came.
        return min(ending, key=lambda lot: lot.expires) if ending else never[0] if never else None

    def repay(self) -> None:
        while self.debt and (lot := self.next_lot()):
            lot.left -= 1
            self.debt -= 1

    def earn(self, points: int, expires: datetime | None, *, pending: bool) -> PlainLot:
        lot = PlainLot(points, points, expires, pending)
        self.lots.append(lot)
        self.repay()
        return lot

    def spend(self, points: int) -> PlainSpend | None:
        if sum(lot.left for lot in self.lots if not lot.pending) < points:
            return None
        taken = []
        for _ in range(points):
            lot = self.next_lot()
            lot.left -= 1
            taken.append(lot)
        return PlainSpend(taken)

    def cancel(self, spent: PlainSpend, points: int) -> None:
        for _ in range(points):
            spent.points.pop().left += 1
        self.repay()
        self.expire()

    def take_back(self, lot: PlainLot, points: int) -> None:
        lot.taken_back += points
        for _ in range(points):
            source = lot if lot.left else self.next_lot()
            if source is None:
                self.debt += 1
            else:
                source.left -= 1

    def available(self) -> int:
        return sum(lot.left for lot in self.lots if not lot.pending)

    def pending(self) -> int:
        return sum(lot.left for lot in self.lots if lot.pending)


class LedgerMachine(RuleBasedStateMachine):
    session: Any
    actor: Any
    start: datetime
    compared: int = 0

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = self.session.begin_nested()
        self.book = PlainBook(self.start)
        self.holder = member(self.session, self.actor, now=self.start)
        self.earned: list[tuple[Any, PlainLot]] = []
        self.spent: list[tuple[Any, PlainSpend]] = []

    def teardown(self) -> None:
        self.savepoint.rollback()

    @rule(points=st.integers(1, 30), months=st.sampled_from([1, 1, 2, 3, None]), pending=st.booleans())
    def earns(self, points, months, pending):
        self.book.expire()
        entry = earn(
            self.session, self.actor, self.holder.id, points, now=self.book.now, validity_months=months, pending=pending
        )
        expires = expiry(self.book.now, validity_months=months, tz="Europe/Rome")
        self.earned.append((entry, self.book.earn(points, expires, pending=pending)))

    @rule(points=st.integers(1, 40))
    def spends(self, points):
        self.book.expire()
        plain = self.book.spend(points)
        if plain is None:
            with pytest.raises(NotEnoughPointsError):
                spend(self.session, self.actor, self.holder.id, points, now=self.book.now)
            return
        self.spent.append((spend(self.session, self.actor, self.holder.id, points, now=self.book.now), plain))

    @precondition(lambda self: any(lot.pending for _, lot in self.earned))
    @rule(data=st.data())
    def confirms(self, data):
        self.book.expire()
        entry, lot = data.draw(st.sampled_from([pair for pair in self.earned if pair[1].pending]))
        wanted = {"entry_id": entry.id, "idempotency_key": key(), "now": self.book.now}
        if not lot.left:
            with pytest.raises(NotReversibleError):
                services.confirm(self.session, self.actor, **wanted)
            return
        services.confirm(self.session, self.actor, **wanted)
        lot.pending = False
        self.book.repay()

    @precondition(lambda self: self.spent)
    @rule(data=st.data())
    def cancels_a_spending(self, data):
        self.book.expire()
        entry, plain = data.draw(st.sampled_from(self.spent))
        if not plain.points:
            self.refuses_to_reverse(entry)
            return
        points = data.draw(st.integers(1, len(plain.points)))
        self.reverse(entry, points)
        self.book.cancel(plain, points)

    @precondition(lambda self: self.earned)
    @rule(data=st.data())
    def takes_an_earning_back(self, data):
        self.book.expire()
        entry, lot = data.draw(st.sampled_from(self.earned))
        left = lot.earned - lot.taken_back - lot.expired
        if left <= 0:
            self.refuses_to_reverse(entry)
            return
        points = data.draw(st.integers(1, left))
        self.reverse(entry, points)
        self.book.take_back(lot, points)

    @rule(hours=st.integers(1, 24 * 45))
    def time_passes(self, hours):
        self.book.now += timedelta(hours=hours)

    @rule()
    def sweeps(self):
        self.book.expire()
        services.expire_due(self.session, self.actor, member_ids=[self.holder.id], now=self.book.now)
        held = self.session.scalars(
            select(Lot)
            .where(Lot.member_id == self.holder.id)
            .order_by(Lot.id)
            .execution_options(populate_existing=True)
        )
        assert [lot.remaining for lot in held] == [lot.left for lot in self.book.lots]

    def reverse(self, entry, points):
        services.reverse(
            self.session, self.actor, entry_id=entry.id, points=points, reason="x", idempotency_key=key(),
            now=self.book.now,
        )  # fmt: skip

    def refuses_to_reverse(self, entry):
        with pytest.raises(NotReversibleError):
            self.reverse(entry, 1)

    @invariant()
    def stands_as_the_model_says(self):
        self.book.expire()
        standing = queries.member_standing(self.session, self.actor, member_id=self.holder.id, now=self.book.now)
        assert (standing.balance, standing.debt, standing.pending) == (
            self.book.available(), self.book.debt, self.book.pending()
        )  # fmt: skip
        assert queries.verify(self.session, self.actor).discrepancies == []
        type(self).compared += 1


def test_any_sequence_of_movements_leaves_what_the_model_says(session, actor, now):
    machine = type("Machine", (LedgerMachine,), {"session": session, "actor": actor, "start": now})
    run_state_machine_as_test(machine, settings=settings(max_examples=14, stateful_step_count=30))
    assert machine.compared > 14

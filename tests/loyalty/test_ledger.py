"""The ledger: what comes in, what goes out, what is undone, and what can't be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from factories.loyalty import earn, key, member, program, spend
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from crm.accounts.kinds import Role
from crm.accounts.rules import system_actor
from crm.clock import end_of_day
from crm.db import enter_workspace
from crm.errors import ForbiddenError, InvalidInputError, NotFoundError
from crm.interactions.models import Interaction
from crm.loyalty import queries, services
from crm.loyalty.errors import KeyReusedError, NotEnoughPointsError, NotMemberError, NotReversibleError
from crm.loyalty.kinds import EntryKind
from crm.loyalty.models import LedgerTransaction, Lot, LotUse, Posting

DAY = timedelta(days=1)


@pytest.fixture
def holder(session, actor, now):
    """A member whose points last one month."""
    program(session, actor, validity_months=1, now=now)
    return member(session, actor, now=now)


def standing_of(session, actor, holder, at):
    return queries.member_standing(session, actor, member_id=holder.id, now=at)


def balance(session, actor, holder, at):
    standing = standing_of(session, actor, holder, at)
    return standing.balance - standing.debt


def proven(session, actor):
    assert queries.verify(session, actor).discrepancies == []


def remaining(session, entry):
    return session.scalar(
        select(Lot.remaining).where(Lot.transaction_id == entry.id).execution_options(populate_existing=True)
    )


def test_earning_writes_postings_that_sum_to_zero_and_a_lot(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 40, now=now)
    postings = {row.account: row.points for row in session.scalars(select(Posting))}
    assert postings == {"available": 40, "issued": -40}
    assert remaining(session, entry) == 40
    assert balance(session, actor, holder, now) == 40
    proven(session, actor)


@pytest.mark.parametrize("points", [1.0, 0.5, "5", True, None, 0, -3, 10**12])
def test_only_whole_positive_points_are_taken(session, actor, holder, now, points):
    with pytest.raises(InvalidInputError):
        earn(session, actor, holder.id, points, now=now)
    assert session.scalars(select(LedgerTransaction)).all() == []


def test_spending_takes_the_earliest_expiry_first_then_the_oldest_then_what_never_expires(session, actor, holder, now):
    late = earn(session, actor, holder.id, 10, now=now, validity_months=6)
    soon_old = earn(session, actor, holder.id, 10, now=now, validity_months=2)
    soon_new = earn(session, actor, holder.id, 10, now=now + timedelta(seconds=1), validity_months=2)
    forever = earn(session, actor, holder.id, 10, now=now - DAY)
    session.execute(text("update lot set expires_at = null where transaction_id = :id"), {"id": forever.id})
    for points, expected in ((5, (5, 10, 10, 10)), (10, (0, 5, 10, 10)), (10, (0, 0, 5, 10)), (10, (0, 0, 0, 5))):
        spend(session, actor, holder.id, points, now=now + timedelta(seconds=2))
        assert tuple(remaining(session, entry) for entry in (soon_old, soon_new, late, forever)) == expected
    proven(session, actor)


def test_more_than_there_is_is_refused_and_nothing_is_written(session, actor, holder, now):
    earn(session, actor, holder.id, 10, now=now)
    with pytest.raises(NotEnoughPointsError):
        spend(session, actor, holder.id, 11, now=now)
    assert balance(session, actor, holder, now) == 10
    assert session.scalars(select(LotUse)).all() == []


def test_pending_points_are_never_spent_and_confirming_makes_them_spendable(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 10, now=now, pending=True)
    with pytest.raises(NotEnoughPointsError):
        spend(session, actor, holder.id, 1, now=now)
    assert standing_of(session, actor, holder, now).pending == 10
    services.confirm(session, actor, entry_id=entry.id, idempotency_key=key(), now=now)
    spend(session, actor, holder.id, 10, now=now)
    assert balance(session, actor, holder, now) == 0
    with pytest.raises(NotReversibleError):
        services.confirm(session, actor, entry_id=entry.id, idempotency_key=key(), now=now)
    proven(session, actor)


def test_a_lot_past_its_expiry_is_never_spent_though_no_sweep_ran(session, actor, holder, now):
    earn(session, actor, holder.id, 10, now=now)
    after = now + timedelta(days=40)
    assert balance(session, actor, holder, after) == 0
    with pytest.raises(NotEnoughPointsError):
        spend(session, actor, holder.id, 1, now=after)


def test_the_sweep_dates_its_entry_at_the_true_expiry(session, actor, holder, now):
    earn(session, actor, holder.id, 10, now=now)
    swept = services.expire_due(
        session, system_actor(actor.workspace_id), member_ids=[holder.id], now=now + timedelta(days=90)
    )
    assert swept == 10
    entry = session.scalars(select(LedgerTransaction).where(LedgerTransaction.kind == EntryKind.EXPIRE)).one()
    assert entry.at == end_of_day(datetime(2026, 12, 23, tzinfo=UTC).date(), tz="Europe/Rome")
    assert entry.at < now + timedelta(days=90)
    proven(session, actor)


def test_sweeping_twice_writes_once(session, actor, holder, now):
    earn(session, actor, holder.id, 10, now=now)
    for _ in range(2):
        services.expire_due(
            session, system_actor(actor.workspace_id), member_ids=[holder.id], now=now + timedelta(days=90)
        )
    assert len(session.scalars(select(LedgerTransaction)).all()) == 2


def test_the_same_key_and_request_give_the_same_entry(session, actor, holder, now):
    first = earn(session, actor, holder.id, 10, now=now, idempotency_key="k")
    again = earn(session, actor, holder.id, 10, now=now + DAY, idempotency_key="k")
    assert again.id == first.id
    assert balance(session, actor, holder, now) == 10


@pytest.mark.parametrize("change", [{"points": 11}, {"reason": "other"}, {"pending": True}])
def test_the_same_key_with_another_request_is_refused(session, actor, holder, now, change):
    earn(session, actor, holder.id, 10, now=now, idempotency_key="k")
    given = {"points": 10, **change}
    with pytest.raises(KeyReusedError) as refused:
        earn(session, actor, holder.id, given.pop("points"), now=now, idempotency_key="k", **given)
    assert refused.value.status == 409
    assert balance(session, actor, holder, now) == 10


def test_a_key_used_for_another_member_is_refused(session, actor, holder, now):
    other = member(session, actor, name="Bea Ci", now=now)
    earn(session, actor, holder.id, 10, now=now, idempotency_key="k")
    with pytest.raises(KeyReusedError):
        earn(session, actor, other.id, 10, now=now, idempotency_key="k")


def test_a_reversed_spending_returns_to_its_lots_with_their_old_expiry(session, actor, holder, now):
    first = earn(session, actor, holder.id, 10, now=now)
    second = earn(session, actor, holder.id, 10, now=now + DAY)
    spent = spend(session, actor, holder.id, 15, now=now + 2 * DAY)
    expiries = session.scalars(select(Lot.expires_at).order_by(Lot.expires_at)).all()
    services.reverse(session, actor, entry_id=spent.id, reason="back", idempotency_key=key(), now=now + 3 * DAY)
    assert (remaining(session, first), remaining(session, second)) == (10, 10)
    assert session.scalars(select(Lot.expires_at).order_by(Lot.expires_at)).all() == expiries
    proven(session, actor)


def test_spend_and_cancel_does_not_prolong_a_life(session, actor, holder, now):
    earn(session, actor, holder.id, 10, now=now)
    spent = spend(session, actor, holder.id, 10, now=now + DAY)
    later = now + timedelta(days=60)
    services.reverse(session, actor, entry_id=spent.id, reason="back", idempotency_key=key(), now=later)
    assert balance(session, actor, holder, later) == 0
    assert session.scalars(select(LedgerTransaction.kind).order_by(LedgerTransaction.id.desc())).first() == "expire"
    proven(session, actor)


def test_a_partial_reversal_gives_back_what_was_taken_last(session, actor, holder, now):
    first = earn(session, actor, holder.id, 10, now=now)
    second = earn(session, actor, holder.id, 10, now=now + DAY)
    spent = spend(session, actor, holder.id, 15, now=now + DAY)
    for points, expected in ((3, (0, 8)), (4, (2, 10)), (8, (10, 10))):
        services.reverse(
            session, actor, entry_id=spent.id, points=points, reason="back", idempotency_key=key(), now=now + DAY
        )
        assert (remaining(session, first), remaining(session, second)) == expected
    with pytest.raises(NotReversibleError):
        services.reverse(session, actor, entry_id=spent.id, reason="back", idempotency_key=key(), now=now + DAY)
    proven(session, actor)


def test_reversals_never_exceed_the_entry(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 10, now=now)
    services.reverse(session, actor, entry_id=entry.id, points=6, reason="x", idempotency_key=key(), now=now)
    with pytest.raises(NotReversibleError) as refused:
        services.reverse(session, actor, entry_id=entry.id, points=5, reason="x", idempotency_key=key(), now=now)
    assert refused.value.code == "more_than_entry"
    assert balance(session, actor, holder, now) == 4


def test_taking_spent_points_back_leaves_a_debt_that_the_next_earnings_repay(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 10, now=now)
    spend(session, actor, holder.id, 7, now=now)
    back = services.reverse(session, actor, entry_id=entry.id, reason="fake", idempotency_key=key(), now=now)
    assert back.kind == EntryKind.CLAW_BACK
    assert balance(session, actor, holder, now) == -7
    with pytest.raises(NotEnoughPointsError):
        spend(session, actor, holder.id, 1, now=now)
    earn(session, actor, holder.id, 5, now=now)
    assert balance(session, actor, holder, now) == -2
    fresh = earn(session, actor, holder.id, 5, now=now)
    assert balance(session, actor, holder, now) == 3
    assert remaining(session, fresh) == 3
    proven(session, actor)


def test_a_claw_back_takes_other_lots_before_it_leaves_a_debt(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 10, now=now)
    spend(session, actor, holder.id, 10, now=now)
    earn(session, actor, holder.id, 6, now=now)
    services.reverse(session, actor, entry_id=entry.id, reason="fake", idempotency_key=key(), now=now)
    assert balance(session, actor, holder, now) == -4
    proven(session, actor)


def test_undoing_both_the_earning_and_its_spending_leaves_nobody_in_debt(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 10, now=now)
    spent = spend(session, actor, holder.id, 10, now=now)
    later = now + timedelta(days=60)
    services.reverse(session, actor, entry_id=entry.id, reason="fake", idempotency_key=key(), now=later)
    assert balance(session, actor, holder, later) == -10
    services.reverse(session, actor, entry_id=spent.id, reason="back", idempotency_key=key(), now=later)
    assert balance(session, actor, holder, later) == 0
    proven(session, actor)


def test_what_expired_unused_is_not_taken_back_again(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 10, now=now)
    spend(session, actor, holder.id, 4, now=now)
    later = now + timedelta(days=60)
    services.reverse(session, actor, entry_id=entry.id, reason="fake", idempotency_key=key(), now=later)
    assert balance(session, actor, holder, later) == -4
    proven(session, actor)


def test_reversing_pending_points_makes_them_void(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 10, now=now, pending=True)
    back = services.reverse(session, actor, entry_id=entry.id, reason="gone", idempotency_key=key(), now=now)
    assert back.kind == EntryKind.VOID
    assert standing_of(session, actor, holder, now).pending == 0
    proven(session, actor)


def test_an_expiry_and_a_reversal_have_no_reversal(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 10, now=now)
    back = services.reverse(session, actor, entry_id=entry.id, reason="x", idempotency_key=key(), now=now)
    with pytest.raises(NotReversibleError):
        services.reverse(session, actor, entry_id=back.id, reason="x", idempotency_key=key(), now=now)


def test_an_adjustment_goes_both_ways_but_never_below_zero(session, actor, holder, now):
    services.adjust(session, actor, member_id=holder.id, points=10, reason="up", idempotency_key=key(), now=now)
    services.adjust(session, actor, member_id=holder.id, points=-4, reason="down", idempotency_key=key(), now=now)
    assert balance(session, actor, holder, now) == 6
    with pytest.raises(NotEnoughPointsError):
        services.adjust(session, actor, member_id=holder.id, points=-7, reason="down", idempotency_key=key(), now=now)
    proven(session, actor)


def test_a_member_who_left_keeps_the_points_and_earns_nothing_more(session, actor, holder, now):
    earn(session, actor, holder.id, 10, now=now)
    services.leave(session, actor, member_id=holder.id, now=now)
    with pytest.raises(NotMemberError):
        earn(session, actor, holder.id, 1, now=now)
    assert balance(session, actor, holder, now) == 10


def test_the_movement_stands_on_the_timeline_with_its_reason_and_its_author(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 40, now=now, reason="helpful comment")
    row = session.scalars(select(Interaction).where(Interaction.source_id == entry.id)).one()
    assert (row.kind, row.points, row.contact_id, row.author_id) == (
        "points.earned", 40, holder.contact_id, actor.user_id
    )  # fmt: skip
    line = queries.statement(session, actor, member_id=holder.id).items[0]
    assert (line.points, line.note, line.by_name) == (40, "helpful comment", actor.name)


def test_the_ledger_itself_holds_no_words(session, actor, holder, now):
    earn(session, actor, holder.id, 40, now=now, reason="thanks to Anna Bo")
    stored = session.execute(text("select row_to_json(t)::text from ledger_transaction t")).scalars().all()
    assert "Anna" not in "".join(stored)


@pytest.mark.parametrize("table", ["ledger_transaction", "posting", "lot_use"])
@pytest.mark.parametrize("statement", ["update {} set workspace_id = workspace_id", "delete from {}", "truncate {}"])
def test_the_application_may_only_append(session, actor, holder, now, table, statement):
    earn(session, actor, holder.id, 40, now=now)
    with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
        session.execute(text(statement.format(table)))


def test_verify_finds_a_balance_that_was_tampered_with_and_rebuild_mends_it(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 40, now=now)
    spend(session, actor, holder.id, 15, now=now)
    waiting = earn(session, actor, holder.id, 5, now=now, pending=True)
    session.execute(text("update member set balance = 999, pending = 1 where id = :id"), {"id": holder.id})
    session.execute(text("update lot set remaining = 40 where transaction_id = :id"), {"id": entry.id})
    session.execute(text("update lot set is_pending = false where transaction_id = :id"), {"id": waiting.id})
    broken = {(finding.law, finding.id) for finding in queries.verify(session, actor).discrepancies}
    assert {law for law, _ in broken} == {
        queries.Law.BALANCE_IS_POSTINGS,
        queries.Law.PENDING_IS_POSTINGS,
        queries.Law.BALANCE_IS_LOTS,
        queries.Law.PENDING_IS_LOTS,
        queries.Law.LOT_IS_USES,
    }
    services.rebuild(session, actor, member_id=holder.id, now=now)
    proven(session, actor)
    assert balance(session, actor, holder, now) == 25
    assert standing_of(session, actor, holder, now).pending == 5


def test_verify_finds_an_entry_that_does_not_sum_to_zero(session, actor, holder, now):
    entry = earn(session, actor, holder.id, 40, now=now)
    session.add(Posting(transaction_id=entry.id, program_id=holder.program_id, account="issued", points=1))
    session.flush()
    laws = {finding.law for finding in queries.verify(session, actor).discrepancies}
    assert laws == {queries.Law.ENTRY_SUMS_TO_ZERO, queries.Law.PROGRAM_SUMS_TO_ZERO}


def test_another_workspace_sees_no_member_and_moves_no_points(session, actor, other_actor, holder, now):
    earn(session, actor, holder.id, 40, now=now)
    member_id = holder.id
    enter_workspace(session, other_actor.workspace_id)
    session.expunge_all()
    with pytest.raises(NotFoundError):
        earn(session, other_actor, member_id, 1, now=now)
    with pytest.raises(NotFoundError):
        queries.member_standing(session, other_actor, member_id=member_id, now=now)


def test_who_may_not_adjust_points_moves_none(session, actor, holder, now):
    with pytest.raises(ForbiddenError):
        earn(session, replace(actor, role=Role.VIEWER), holder.id, 1, now=now)

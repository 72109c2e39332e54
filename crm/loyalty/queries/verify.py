"""Proves the ledger: every sum that must agree is computed from the rows and compared."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor


class Law(StrEnum):
    """What must hold."""

    ENTRY_SUMS_TO_ZERO = "entry_sums_to_zero"
    BALANCE_IS_POSTINGS = "balance_is_postings"
    PENDING_IS_POSTINGS = "pending_is_postings"
    BALANCE_IS_LOTS = "balance_is_lots"
    PENDING_IS_LOTS = "pending_is_lots"
    LOT_IS_USES = "lot_is_uses"
    PROGRAM_SUMS_TO_ZERO = "program_sums_to_zero"
    REVERSAL_WITHIN_ENTRY = "reversal_within_entry"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A broken law: on which row, what the row says and what the others add up to."""

    law: Law
    id: UUID
    stated: int
    proven: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What was looked at and what does not agree."""

    members: int
    entries: int
    lots: int
    discrepancies: list[Discrepancy]


# Each statement returns (id, stated, proven) of the rows that break its law. Row-level security keeps it to the
# session's workspace. A member in debt has no points in lots; pending lots and postings never go below zero.
_LAWS = {
    Law.ENTRY_SUMS_TO_ZERO: """
        select t.id, 0, coalesce(sum(p.points), 0) from ledger_transaction t
        left join posting p on p.transaction_id = t.id
        group by t.id having coalesce(sum(p.points), 0) <> 0 or count(p.id) < 2""",
    Law.BALANCE_IS_POSTINGS: """
        select m.id, m.balance, coalesce(sum(p.points), 0) from member m
        left join posting p on p.member_id = m.id and p.account = 'available'
        group by m.id having m.balance <> coalesce(sum(p.points), 0)""",
    Law.PENDING_IS_POSTINGS: """
        select m.id, m.pending, coalesce(sum(p.points), 0) from member m
        left join posting p on p.member_id = m.id and p.account = 'pending'
        group by m.id having m.pending <> coalesce(sum(p.points), 0)""",
    Law.BALANCE_IS_LOTS: """
        select m.id, m.balance, coalesce(sum(l.points - l.used), 0) from member m
        left join lots l on l.member_id = m.id and not l.was_pending
        group by m.id having greatest(m.balance, 0) <> coalesce(sum(l.points - l.used), 0)""",
    Law.PENDING_IS_LOTS: """
        select m.id, m.pending, coalesce(sum(l.points - l.used), 0) from member m
        left join lots l on l.member_id = m.id and l.was_pending
        group by m.id having m.pending <> coalesce(sum(l.points - l.used), 0)""",
    Law.LOT_IS_USES: """
        select l.id, l.remaining, l.points - l.used from lots l
        where l.remaining <> l.points - l.used or l.is_pending <> l.was_pending""",
    Law.PROGRAM_SUMS_TO_ZERO: """
        select p.program_id, 0, sum(p.points) from posting p group by p.program_id having sum(p.points) <> 0""",
    Law.REVERSAL_WITHIN_ENTRY: """
        with moved as (
            select t.id, t.reverses_id, abs(sum(p.points)) as points
            from ledger_transaction t join posting p on p.transaction_id = t.id and p.member_id is not null
            group by t.id, t.reverses_id
        )
        select o.id, o.points, sum(r.points) from moved o join moved r on r.reverses_id = o.id
        group by o.id, o.points having sum(r.points) > o.points""",
}

# A lot with what its uses add up to, and whether its points wait: they came to `pending` and no entry confirmed them.
_LOTS = """
    with lots as (
        select l.id, l.member_id, l.points, l.remaining, l.is_pending,
            coalesce((select sum(u.points) from lot_use u where u.lot_id = l.id), 0) as used,
            exists (
                select from posting p
                where p.transaction_id = l.transaction_id and p.account = 'pending' and p.points > 0
            ) and not exists (
                select from ledger_transaction c where c.cause_id = l.transaction_id and c.kind = 'confirm'
            ) as was_pending
        from lot l
    )
"""


def verify(session: Session, actor: Actor) -> Proof:
    """Check every law of the ledger over the whole workspace; raises `ForbiddenError`."""
    actor.require(Permission.MANAGE_LOYALTY)
    found: list[Discrepancy] = []
    for law, statement in _LAWS.items():
        with_lots = " lots l" in statement
        rows = session.execute(text(_LOTS + statement if with_lots else statement))
        found += [Discrepancy(law, id_, int(stated), int(proven)) for id_, stated, proven in rows]
    members, entries, lots = session.execute(
        text("select (select count(*) from member), (select count(*) from ledger_transaction),"
             " (select count(*) from lot)")
    ).one()  # fmt: skip
    return Proof(members=members, entries=entries, lots=lots, discrepancies=found)

"""What was reversed between a merge and its undo: it follows the person whose entry it was, whoever held the points.

The kept person's book reversed the other one's entries meanwhile. At the undo that is netted with the points that go
back; the rest is one pair of entries, which together change no total of the programme.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.loyalty.kinds import EntryKind, LedgerAccount
from crm.loyalty.models import LedgerTransaction, Lot, LotUse, Posting
from crm.loyalty.rules import ledger as rules
from crm.loyalty.services.book import Book, Entry, lot_facts

_AVAILABLE, _ISSUED = LedgerAccount.AVAILABLE, LedgerAccount.ISSUED
CAUSE = "change_set"


@dataclass(slots=True, kw_only=True)
class Late:
    """Reversals since a merge in the kept person's book: `theirs` of entries of the other one, `own` of the rest.

    `uses` are (entry, lot, points) of all of them; `net` is what theirs brought (above zero) or took, and is not yet
    accounted for.
    """

    theirs: set[UUID]
    own: set[UUID]
    uses: list[tuple[UUID, UUID, int]]
    net: int

    def taken_from(self, lots: Collection[UUID]) -> int:
        """Points that reversals of the other's entries took from these lots, which brought theirs: accounted for."""
        points = sum(used for entry, lot, used in self.uses if entry in self.theirs and lot in lots and used > 0)
        self.net += points
        return points

    def settle_with(self, points: int) -> int:
        """How much of what theirs took elsewhere is kept from `points` that would go back: accounted for."""
        kept = max(0, min(points, -self.net))
        self.net += kept
        return kept

    def paid_for_giver(self, lots: Collection[UUID]) -> int:
        """Points that reversals of the kept person's own entries took from these lots."""
        return sum(used for entry, lot, used in self.uses if entry in self.own and lot in lots and used > 0)


def reversed_since(session: Session, *, member_id: UUID, origin_ids: Collection[UUID], change_set_id: UUID) -> Late:
    """The reversals in a member's book since the merge of that change set; `origin_ids` are the other's memberships."""
    rows = session.scalars(
        select(LedgerTransaction).where(
            LedgerTransaction.member_id == member_id,
            LedgerTransaction.reverses_id.is_not(None),
            LedgerTransaction.cause_kind != CAUSE,
            # Ids follow time, and both books were held while the change set had its own.
            LedgerTransaction.id > change_set_id,
        )
    ).all()
    of_theirs = set(
        session.scalars(
            select(LedgerTransaction.id).where(
                LedgerTransaction.id.in_([row.reverses_id for row in rows]),
                LedgerTransaction.member_id.in_(list(origin_ids)),
            )
        )
    )
    theirs = {row.id for row in rows if row.reverses_id in of_theirs}
    uses = session.execute(
        select(LotUse.transaction_id, LotUse.lot_id, LotUse.points)
        .where(LotUse.transaction_id.in_([row.id for row in rows]))
        .order_by(LotUse.id)
    )
    moved = session.scalars(
        select(Posting.points).where(Posting.transaction_id.in_(theirs), Posting.member_id.is_not(None))
    )
    return Late(
        theirs=theirs,
        own={row.id for row in rows} - theirs,
        uses=[(entry_id, lot_id, int(points)) for entry_id, lot_id, points in uses],
        net=int(sum(moved)),
    )


def settle(giver: Book, taker: Book, change_set_id: UUID, late: Late) -> int:
    """Bring the rest of what was reversed to whose entries it was; answers what of it was spent meanwhile."""
    if late.net < 0:
        _bring_debit(giver, taker, change_set_id, late, -late.net)
        return 0
    return _bring_credit(giver, taker, change_set_id, late) if late.net else 0


def _entry(book: Book, change_set_id: UUID) -> Entry:
    return Entry(
        kind=EntryKind.MERGE,
        key=f"merge:{change_set_id}:{book.member.id}:late",
        request={"change_set": change_set_id, "member": book.member.id, "part": "late"},
        at=book.now,
        cause_kind=CAUSE,
        cause_id=change_set_id,
    )


def _bring_debit(giver: Book, taker: Book, change_set_id: UUID, late: Late, points: int) -> None:
    """The kept person gets back what paid for it, and the other one pays or owes it."""
    made = giver.write(_entry(giver, change_set_id), [(_AVAILABLE, points), (_ISSUED, -points)])
    taken = [(lot_id, used) for entry_id, lot_id, used in late.uses if entry_id in late.theirs and used > 0]
    giver.move(made, [(lot_id, -amount) for lot_id, amount in rules.give_back(taken, points).uses])
    giver.repay(made)
    giver.write_off_expired()
    owed = taker.write(_entry(taker, change_set_id), [(_AVAILABLE, -points), (_ISSUED, points)])
    taker.move(owed, rules.draw(map(lot_facts, taker.available()), points, at=taker.now).uses)


def _bring_credit(giver: Book, taker: Book, change_set_id: UUID, late: Late) -> int:
    """What a reversed spending gave back goes to whose it was, as far as it is there."""
    lots = list(giver.session.scalars(select(Lot).where(Lot.transaction_id.in_(late.theirs)).order_by(Lot.id)))
    ids = {lot.id for lot in lots}
    expired = _expired(giver, ids)
    paid = sum(used for entry_id, lot_id, used in late.uses if lot_id in ids and entry_id in late.theirs and used > 0)
    wanted = max(0, late.net - expired)
    points = min(wanted, giver.spendable() + paid)
    if points <= 0:
        return wanted
    gone = giver.write(_entry(giver, change_set_id), [(_AVAILABLE, -points), (_ISSUED, points)])
    own = [lot for lot in giver.available() if lot.id in ids]
    rest = [lot for lot in giver.available() if lot.id not in ids]
    first = rules.draw(map(lot_facts, own), points, at=giver.now)
    giver.move(gone, [*first.uses, *rules.draw(map(lot_facts, rest), first.missing, at=giver.now).uses])
    come = taker.write(_entry(taker, change_set_id), [(_AVAILABLE, points), (_ISSUED, -points)])
    left = points
    for lot in lots:
        amount = min(lot.points, left)
        if amount:
            taker.add_lot(come, points=amount, expires_at=lot.expires_at)
            left -= amount
    taker.repay(come)
    taker.write_off_expired()
    return wanted - points


def _expired(book: Book, lots: Collection[UUID]) -> int:
    found = book.session.scalars(
        select(LotUse.points)
        .join(LedgerTransaction, LedgerTransaction.id == LotUse.transaction_id)
        .where(LotUse.lot_id.in_(lots), LedgerTransaction.kind == EntryKind.EXPIRE.value)
    )
    return int(sum(found))

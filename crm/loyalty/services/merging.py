"""Moves the points of a membership to another one of the same programme, and back: what a merge and its undo do.

Each direction is one entry per membership, and both together change no total of the programme: what one gives back to
`issued`, the other takes from there in the same transaction.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.loyalty.kinds import EntryKind, LedgerAccount
from crm.loyalty.models import LedgerTransaction, Lot, LotUse, Posting
from crm.loyalty.rules import ledger as rules
from crm.loyalty.services.book import Book, Entry, lot_facts
from crm.loyalty.services.late import CAUSE, Late, reversed_since, settle
from crm.loyalty.services.lineage import IN, OUT, part_of

_AVAILABLE, _PENDING, _ISSUED = LedgerAccount.AVAILABLE, LedgerAccount.PENDING, LedgerAccount.ISSUED


@dataclass(frozen=True, slots=True)
class Returned:
    """Points that went back, and those that were spent meanwhile and could not."""

    points: int
    shortfall: int


def carry_points(
    session: Session, actor: Actor, *, from_member_id: UUID, to_member_id: UUID, change_set_id: UUID, now: datetime
) -> int:
    """Bring all points of one membership, waiting ones and a debt included, to another one; returns how many.

    They keep their expiry. The cause of the entries is the change set, by which `return_points` finds them.
    """
    giver, taker = _books(session, actor, from_member_id, to_member_id, now=now)
    giver.load()
    taker.load()
    moved = _carry_available(giver, taker, change_set_id)
    for lot in sorted((lot for lot in giver.lots.values() if lot.is_pending and lot.remaining), key=_lot_id):
        moved += _carry_pending(giver, taker, change_set_id, lot)
    session.flush()
    return moved


def _books(session: Session, actor: Actor, one: UUID, two: UUID, *, now: datetime) -> tuple[Book, Book]:
    """Both books, locked in the order of ids so that two of these can't block each other."""
    books = {key: Book.open(session, actor, member_id=key, now=now) for key in sorted((one, two))}
    return books[one], books[two]


def _lot_id(lot: Lot) -> UUID:
    return lot.id


def _entry(book: Book, change_set_id: UUID, part: str, *, reverses: LedgerTransaction | None = None) -> Entry:
    return Entry(
        kind=EntryKind.MERGE if reverses is None else EntryKind.REVERSE,
        key=f"merge:{change_set_id}:{book.member.id}:{part}",
        request={"change_set": change_set_id, "member": book.member.id, "part": part},
        at=book.now,
        cause_kind=CAUSE,
        cause_id=change_set_id,
        reverses_id=reverses.id if reverses else None,
    )


def _carry_available(giver: Book, taker: Book, change_set_id: UUID) -> int:
    points = giver.member.balance
    lots = giver.available()
    if points == 0:
        return 0
    gone = giver.write(_entry(giver, change_set_id, OUT), [(_AVAILABLE, -points), (_ISSUED, points)])
    giver.move(gone, [(lot.id, lot.remaining) for lot in lots])
    come = taker.write(_entry(taker, change_set_id, IN), [(_AVAILABLE, points), (_ISSUED, -points)])
    by_end: dict[datetime | None, int] = defaultdict(int)
    for lot_id, used in _uses(giver, gone):
        by_end[giver.lots[lot_id].expires_at] += used
    for expires_at, amount in sorted(by_end.items(), key=lambda pair: (pair[0] is None, pair[0] or giver.now)):
        taker.add_lot(come, points=amount, expires_at=expires_at)
    # A debt of either is paid by the points of the other.
    taker.repay(come)
    return points


def _carry_pending(giver: Book, taker: Book, change_set_id: UUID, lot: Lot) -> int:
    points = lot.remaining
    gone = giver.write(_entry(giver, change_set_id, f"{OUT}:{lot.id}"), [(_PENDING, -points), (_ISSUED, points)])
    giver.move(gone, [(lot.id, points)])
    come = taker.write(_entry(taker, change_set_id, f"{IN}:{lot.id}"), [(_PENDING, points), (_ISSUED, -points)])
    taker.add_lot(come, points=points, expires_at=lot.expires_at, is_pending=True)
    return points


def _uses(book: Book, entry: LedgerTransaction) -> list[tuple[UUID, int]]:
    found = book.session.execute(
        select(LotUse.lot_id, LotUse.points).where(LotUse.transaction_id == entry.id).order_by(LotUse.id)
    )
    return [(lot_id, int(points)) for lot_id, points in found]


def return_points(
    session: Session,
    actor: Actor,
    *,
    from_member_id: UUID,
    to_member_id: UUID,
    change_set_id: UUID,
    origin_ids: Collection[UUID],
    now: datetime,
) -> Returned:
    """Undo `carry_points` by reversing entries: `to_member_id` is whose they were.

    `origin_ids` are all memberships whose entries are theirs again: what was reversed of those entries meanwhile is
    theirs too. What was spent meanwhile beyond the points that the other one had is a shortfall; nobody goes below
    zero for it. What expired meanwhile is expired for its owner too, and no shortfall.
    """
    giver, taker = _books(session, actor, from_member_id, to_member_id, now=now)
    giver.load()
    taker.load()
    late = reversed_since(session, member_id=from_member_id, origin_ids=origin_ids, change_set_id=change_set_id)
    entries = session.scalars(
        select(LedgerTransaction).where(
            LedgerTransaction.cause_id == change_set_id,
            LedgerTransaction.kind == EntryKind.MERGE.value,
            LedgerTransaction.member_id.in_([from_member_id, to_member_id]),
        )
    ).all()
    by_key = {entry.idempotency_key: entry for entry in entries}
    points = shortfall = 0
    for come in sorted(entries, key=lambda one: one.idempotency_key, reverse=True):
        part = part_of(come)
        if come.member_id != from_member_id or not part.startswith(IN):
            continue
        gone = by_key[f"merge:{change_set_id}:{to_member_id}:{OUT}{part.removeprefix(IN)}"]
        back, missing = _return(giver, taker, change_set_id, come=come, gone=gone, late=late)
        points, shortfall = points + back, shortfall + missing
    shortfall += settle(giver, taker, change_set_id, late)
    session.flush()
    return Returned(points, shortfall)


def _return(
    giver: Book, taker: Book, change_set_id: UUID, *, come: LedgerTransaction, gone: LedgerTransaction, late: Late
) -> tuple[int, int]:
    part = part_of(come)
    moved = _moved(giver, come)
    lots = list(giver.session.scalars(select(Lot).where(Lot.transaction_id == come.id)))
    if moved < 0:
        return _return_debt(giver, taker, change_set_id, come=come, gone=gone, part=part, debt=-moved), 0
    was_pending = part != IN
    is_pending = any(lot.is_pending for lot in lots)
    own = [giver.lots[lot.id] for lot in lots if lot.id in giver.lots and giver.lots[lot.id].remaining > 0]
    expired = _expired(giver, come)
    # What was reversed meanwhile of the other's own entries is theirs no more.
    moved -= late.taken_from({lot.id for lot in lots})
    if not is_pending:
        moved -= late.settle_with(moved - expired)
    if is_pending or was_pending:
        back = min(moved, sum(lot.remaining for lot in own))
    else:
        # What the points paid of the other's own debt comes back too, and the debt with it.
        paid = sum(points for _lot, points in _uses(giver, come) if points > 0)
        paid += late.paid_for_giver({lot.id for lot in lots})
        back = max(0, min(moved - expired, giver.spendable() + paid))
    if back <= 0:
        return 0, max(0, moved - expired) if not is_pending else 0
    entry = giver.write(
        _entry(giver, change_set_id, f"back:{part}", reverses=come),
        [(_PENDING if is_pending else _AVAILABLE, -back), (_ISSUED, back)],
    )
    first = rules.draw(map(lot_facts, own), back, at=giver.now)
    others = rules.draw(map(lot_facts, giver.available(beside=come.id)), first.missing, at=giver.now)
    giver.move(entry, [*first.uses, *others.uses])
    taken = _uses(taker, gone)
    plan = rules.give_back(taken, back)
    again = taker.write(
        _entry(taker, change_set_id, f"again:{part}", reverses=gone),
        [(_PENDING if was_pending else _AVAILABLE, back), (_ISSUED, -back)],
    )
    taker.move(again, [(lot_id, -points) for lot_id, points in plan.uses])
    if was_pending and not is_pending:
        _confirm(taker, change_set_id, part, [lot_id for lot_id, _points in plan.uses])
    taker.repay(again)
    taker.write_off_expired()
    return back, max(0, moved - expired - back)


def _confirm(book: Book, change_set_id: UUID, part: str, lots: Collection[UUID]) -> None:
    """What was confirmed while it was the other's stays so."""
    for lot_id in lots:
        lot = book.lots[lot_id]
        entry = Entry(
            kind=EntryKind.CONFIRM,
            key=f"merge:{change_set_id}:{book.member.id}:confirmed:{part}:{lot_id}",
            request={"change_set": change_set_id, "lot": lot_id},
            at=book.now,
            cause_kind="ledger_transaction",
            cause_id=lot.transaction_id,
        )
        book.write(entry, [(_PENDING, -lot.remaining), (_AVAILABLE, lot.remaining)])
        lot.is_pending = False
    book.session.flush()


def _return_debt(
    giver: Book,
    taker: Book,
    change_set_id: UUID,
    *,
    come: LedgerTransaction,
    gone: LedgerTransaction,
    part: str,
    debt: int,
) -> int:
    """The debt is its owner's again, and the points that paid it return."""
    entry = giver.write(
        _entry(giver, change_set_id, f"back:{part}", reverses=come), [(_AVAILABLE, debt), (_ISSUED, -debt)]
    )
    giver.move(entry, [(lot_id, -points) for lot_id, points in _uses(giver, come)])
    giver.repay(entry)
    giver.write_off_expired()
    again = taker.write(
        _entry(taker, change_set_id, f"again:{part}", reverses=gone), [(_AVAILABLE, -debt), (_ISSUED, debt)]
    )
    taker.repay(again)
    return -debt


def _moved(book: Book, entry: LedgerTransaction) -> int:
    found = book.session.scalars(
        select(Posting.points).where(Posting.transaction_id == entry.id, Posting.member_id.is_not(None))
    )
    return int(sum(found))


def _expired(book: Book, entry: LedgerTransaction) -> int:
    """How much of the lots of an entry expired."""
    found = book.session.scalars(
        select(LotUse.points)
        .join(Lot, Lot.id == LotUse.lot_id)
        .join(LedgerTransaction, LedgerTransaction.id == LotUse.transaction_id)
        .where(Lot.transaction_id == entry.id, LedgerTransaction.kind == EntryKind.EXPIRE.value)
    )
    return int(sum(found))

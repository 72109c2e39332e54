"""Undoes entries of the ledger, whole or in part, by new ones that name them."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.errors import worded
from crm.loyalty.errors import NotReversibleError
from crm.loyalty.kinds import EntryKind, LedgerAccount
from crm.loyalty.models import LedgerTransaction, Lot, LotUse, Posting
from crm.loyalty.rules import ledger as rules
from crm.loyalty.services.book import Book, Entry, lot_facts
from crm.loyalty.services.ledger import entry_of, note_of, tell
from crm.loyalty.services.lineage import lots_of, open_heir

_AVAILABLE, _PENDING, _ISSUED = LedgerAccount.AVAILABLE, LedgerAccount.PENDING, LedgerAccount.ISSUED
_REVERSIBLE = frozenset({EntryKind.EARN, EntryKind.SPEND, EntryKind.ADJUST})


def reverse(
    session: Session,
    actor: Actor,
    *,
    entry_id: UUID,
    reason: str,
    idempotency_key: str,
    points: int | None = None,
    now: datetime,
) -> LedgerTransaction:
    """Undo an earning, a spending or an adjustment, whole or `points` of it, by a new entry that names it.

    A spending returns to the lots it was taken from, which keep their expiry. An earning is taken from its own lot;
    what was spent of it already is taken from other lots and then left as a debt that the next earnings repay: the
    only way below zero. What expired of an earning can't be taken back. The entry of somebody who went up in another
    person is reversed in that person's book, where the points are.

    Raises `NotReversibleError` when nothing is left of it, `InvalidInputError` for more than is left, `KeyReusedError`,
    `NotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.ADJUST_POINTS)
    if points is not None:
        points = rules.whole_points(points)
    original = entry_of(session, entry_id)
    request = {"do": "reverse", "entry": entry_id, "points": points, "reason": reason}
    book = open_heir(session, actor, member_id=original.member_id, now=now)
    answered = book.answered(idempotency_key, request)
    if answered is not None:
        return answered
    book.load()
    if original.kind not in _REVERSIBLE:
        raise NotReversibleError(worded("An entry of this kind can't be reversed."))
    left, direction = _reversible(session, original)
    if left == 0:
        raise NotReversibleError(worded("Nothing of this entry is left to reverse."))
    wanted = left if points is None else points
    if wanted > left:
        sentence = worded("This is more than is left of the entry.")
        raise NotReversibleError(sentence, code="more_than_entry", fields={"points": sentence})
    entry = Entry(
        kind=EntryKind.REVERSE,
        key=idempotency_key,
        request=request,
        at=now,
        cause_kind=original.cause_kind,
        cause_id=original.cause_id,
        rule_id=original.rule_id,
        local_day=original.local_day,
        reverses_id=original.id,
        note=note_of(reason),
    )
    made = _put_back(book, original, entry, wanted) if direction < 0 else _claw_back(book, original, entry, wanted)
    tell(book, made, points=-direction * wanted, subject=note_of(reason))
    return made


def _reversible(session: Session, original: LedgerTransaction) -> tuple[int, int]:
    """(points of the entry that can still be reversed, +1 for a credit or -1 for a debit)."""
    moved = _member_points(session, Posting.transaction_id == original.id)
    reversed_points = _member_points(session, _is_reversal_of(original))
    expired = 0
    if moved > 0:
        expired = session.scalar(
            select(func.coalesce(func.sum(LotUse.points), 0))
            .join(Lot, Lot.id == LotUse.lot_id)
            .join(LedgerTransaction, LedgerTransaction.id == LotUse.transaction_id)
            .where(Lot.id.in_(lots_of(session, original)), LedgerTransaction.kind == EntryKind.EXPIRE.value)
        ) or 0  # fmt: skip
    # A reversal may have taken other lots, whose place this one's points then expired in: never less than nothing.
    return max(0, int(abs(moved) - abs(reversed_points) - expired)), 1 if moved > 0 else -1


def _is_reversal_of(original: LedgerTransaction) -> ColumnElement[bool]:
    reversals = select(LedgerTransaction.id).where(LedgerTransaction.reverses_id == original.id)
    return Posting.transaction_id.in_(reversals)


def _member_points(session: Session, which: ColumnElement[bool]) -> int:
    return session.scalar(
        select(func.coalesce(func.sum(Posting.points), 0)).where(which, Posting.member_id.is_not(None))
    ) or 0  # fmt: skip


def _put_back(book: Book, original: LedgerTransaction, entry: Entry, points: int) -> LedgerTransaction:
    """Return a spending to its lots, last taken first; what had expired meanwhile is written off at once."""
    uses = book.session.execute(
        select(Lot, LotUse.points)
        .join(LotUse, LotUse.lot_id == Lot.id)
        .where(LotUse.transaction_id == original.id)
        .order_by(LotUse.id)
    ).all()
    lots = {lot.id: lot for lot, _amount in uses}
    taken = [(lot.id, int(amount)) for lot, amount in uses]
    returned = dict(rules.give_back(taken, _member_points(book.session, _is_reversal_of(original))).uses)
    left = [(lot_id, amount - returned.get(lot_id, 0)) for lot_id, amount in taken]
    plan = rules.give_back(left, points)
    into = LedgerAccount.REDEEMED if original.kind == EntryKind.SPEND else _ISSUED
    made = book.write(entry, [(_AVAILABLE, points), (into, -points)])
    if book.member.id == original.member_id:
        book.move(made, [(lot_id, -amount) for lot_id, amount in plan.uses])
    else:
        # Those lots are of another book: here they are new ones that end with them.
        for lot_id, amount in plan.uses:
            book.add_lot(made, points=amount, expires_at=lots[lot_id].expires_at)
    book.repay(made)
    book.write_off_expired()
    return made


def _claw_back(book: Book, original: LedgerTransaction, entry: Entry, points: int) -> LedgerTransaction:
    """Take an earning back: from its own lot first, then from others, the rest as a debt."""
    brought = lots_of(book.session, original)
    own_lots = [lot for lot in book.lots.values() if lot.id in brought and lot.remaining > 0]
    account = _PENDING if any(lot.is_pending for lot in own_lots) else _AVAILABLE
    own = rules.draw(map(lot_facts, own_lots), points, at=book.now)
    kind = EntryKind.VOID if account is _PENDING else EntryKind.REVERSE
    if own.missing:
        kind = EntryKind.CLAW_BACK
    made = book.write(
        replace(entry, kind=kind),
        [(account, -points), (_ISSUED, points - own.missing), (LedgerAccount.CLAWED_BACK, own.missing)],
    )
    rest = [lot for lot in book.available() if lot.id not in brought]
    others = rules.draw(map(lot_facts, rest), own.missing, at=book.now)
    book.move(made, [*own.uses, *others.uses])
    return made

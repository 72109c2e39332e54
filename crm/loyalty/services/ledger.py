"""Moves points: earn, confirm, spend, adjust, expire, and rebuild what is cached."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import case, exists, func, select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.rules import Actor
from crm.errors import NotFoundError, worded
from crm.interactions import services as interactions
from crm.interactions.kinds import InteractionKind
from crm.loyalty.errors import NotEnoughPointsError, NotMemberError, NotReversibleError
from crm.loyalty.kinds import EntryKind, LedgerAccount
from crm.loyalty.models import LedgerTransaction, Lot, LotUse, Member, Posting
from crm.loyalty.queries.members import require_member
from crm.loyalty.rules import ledger as rules
from crm.loyalty.services.book import Book, Entry, lot_facts
from crm.loyalty.services.lineage import lots_of, open_heir

LONGEST_NOTE = 200

_AVAILABLE, _PENDING, _ISSUED = LedgerAccount.AVAILABLE, LedgerAccount.PENDING, LedgerAccount.ISSUED


def earn(
    session: Session,
    actor: Actor,
    *,
    member_id: UUID,
    points: int,
    reason: str,
    idempotency_key: str,
    cause_kind: str = "manual",
    cause_id: UUID | None = None,
    rule_id: UUID | None = None,
    day: date | None = None,
    validity_months: int | None = None,
    pending: bool = False,
    request: Mapping[str, object] | None = None,
    now: datetime,
) -> LedgerTransaction:
    """Give `points` (whole, above zero) to a member, as a lot that expires as the programme says.

    `reason` is what people read (kept apart from the ledger); `validity_months` overrides the programme; `day` is the
    local day the points count toward; `pending` points can't be spent until confirmed; `request` replaces what a
    repeated key is compared by. An open debt is repaid first. The same key and request give the same entry again.

    Raises `InvalidInputError`, `NotMemberError` for a member who left, `KeyReusedError`, `ForbiddenError`.
    """
    actor.require(Permission.ADJUST_POINTS)
    points = rules.whole_points(points)
    request = request or {
        "do": "earn", "member": member_id, "points": points, "reason": reason, "cause": cause_id, "pending": pending
    }  # fmt: skip
    book = Book.open(session, actor, member_id=member_id, now=now)
    answered = book.answered(idempotency_key, request)
    if answered is not None:
        return answered
    _require_membership(book)
    book.load()
    entry = book.write(
        Entry(
            kind=EntryKind.EARN,
            key=idempotency_key,
            request=request,
            at=now,
            cause_kind=cause_kind,
            cause_id=cause_id,
            rule_id=rule_id,
            local_day=day,
            # A rule has its own name; only what a person typed needs a place that erasure can empty.
            note="" if rule_id else note_of(reason),
        ),
        [(_PENDING if pending else _AVAILABLE, points), (_ISSUED, -points)],
    )
    months = validity_months if validity_months is not None else book.program.validity_months
    expires_at = rules.expiry(now, validity_months=months, tz=book.program.time_zone)
    book.add_lot(entry, points=points, expires_at=expires_at, is_pending=pending)
    book.repay(entry)
    tell(book, entry, points=points, subject=note_of(reason))
    return entry


def confirm(
    session: Session, actor: Actor, *, entry_id: UUID, idempotency_key: str, now: datetime
) -> LedgerTransaction:
    """Make the pending points of an entry spendable, with the expiry they had.

    Raises `NotReversibleError` (code `not_pending`) when nothing of it is pending any more.
    """
    actor.require(Permission.ADJUST_POINTS)
    original = entry_of(session, entry_id)
    request = {"do": "confirm", "entry": entry_id}
    book = open_heir(session, actor, member_id=original.member_id, now=now)
    require_member(session, actor, member_id=book.member.id)
    answered = book.answered(idempotency_key, request)
    if answered is not None:
        return answered
    book.load()
    brought = lots_of(session, original)
    lot = next((lot for lot in book.lots.values() if lot.id in brought and lot.is_pending), None)
    if lot is None or lot.remaining == 0:
        raise NotReversibleError(worded("Nothing of this entry is pending any more."), code="not_pending")
    entry = book.write(
        Entry(
            kind=EntryKind.CONFIRM,
            key=idempotency_key,
            request=request,
            at=now,
            cause_kind="ledger_transaction",
            # Of points that a merge carried, the entry that brought them into this book.
            cause_id=lot.transaction_id,
        ),
        [(_PENDING, -lot.remaining), (_AVAILABLE, lot.remaining)],
    )
    lot.is_pending = False
    book.repay(entry)
    session.flush()
    return entry


def spend(
    session: Session,
    actor: Actor,
    *,
    member_id: UUID,
    points: int,
    reason: str,
    idempotency_key: str,
    cause_kind: str = "manual",
    cause_id: UUID | None = None,
    now: datetime,
) -> LedgerTransaction:
    """Take `points` (whole, above zero) for something given: earliest expiry first, then oldest.

    Raises `NotEnoughPointsError`, `InvalidInputError`, `KeyReusedError`, `NotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.ADJUST_POINTS)
    points = rules.whole_points(points)
    request = {"do": "spend", "member": member_id, "points": points, "reason": reason, "cause": cause_id}
    entry = Entry(
        kind=EntryKind.SPEND,
        key=idempotency_key,
        request=request,
        at=now,
        cause_kind=cause_kind,
        cause_id=cause_id,
        note=note_of(reason),
    )
    return _take(session, actor, member_id=member_id, points=points, entry=entry, into=LedgerAccount.REDEEMED)


def adjust(
    session: Session,
    actor: Actor,
    *,
    member_id: UUID,
    points: int,
    reason: str,
    idempotency_key: str,
    now: datetime,
) -> LedgerTransaction:
    """Correct a balance by hand: `points` up (they expire as the programme says) or down (never below zero).

    Raises `NotEnoughPointsError`, `InvalidInputError`, `KeyReusedError`, `NotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.ADJUST_POINTS)
    points = rules.whole_points(points, signed=True)
    request = {"do": "adjust", "member": member_id, "points": points, "reason": reason}
    entry = Entry(
        kind=EntryKind.ADJUST, key=idempotency_key, request=request, at=now, cause_kind="manual", note=note_of(reason)
    )
    if points < 0:
        return _take(session, actor, member_id=member_id, points=-points, entry=entry, into=_ISSUED)
    book = Book.open(session, actor, member_id=member_id, now=now)
    answered = book.answered(idempotency_key, request)
    if answered is not None:
        return answered
    book.load()
    made = book.write(entry, [(_AVAILABLE, points), (_ISSUED, -points)])
    expires_at = rules.expiry(now, validity_months=book.program.validity_months, tz=book.program.time_zone)
    book.add_lot(made, points=points, expires_at=expires_at)
    book.repay(made)
    tell(book, made, points=points, subject=note_of(reason))
    return made


def expire_due(session: Session, actor: Actor, *, member_ids: list[UUID], now: datetime) -> int:
    """Write off what expired of these members; returns the points. Locks in the order of ids, so sweeps can't deadlock.

    Only the system sweeps.
    """
    return sum(Book.open(session, actor, member_id=member_id, now=now).load() for member_id in sorted(member_ids))


def rebuild(session: Session, actor: Actor, *, member_id: UUID, now: datetime) -> Member:
    """Recompute what is cached of a member from the append-only rows: what lots hold, balance, pending.

    Raises `NotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.MANAGE_LOYALTY)
    book = Book.open(session, actor, member_id=member_id, now=now)
    used = select(func.coalesce(func.sum(LotUse.points), 0)).where(LotUse.lot_id == Lot.id).scalar_subquery()
    was_pending = exists().where(
        Posting.transaction_id == Lot.transaction_id, Posting.account == _PENDING.value, Posting.points > 0
    )
    confirmed = exists().where(
        LedgerTransaction.cause_id == Lot.transaction_id, LedgerTransaction.kind == EntryKind.CONFIRM.value
    )
    session.execute(
        update(Lot)
        .where(Lot.member_id == member_id)
        .values(remaining=Lot.points - used, is_pending=was_pending & ~confirmed)
        .execution_options(synchronize_session=False)
    )
    balance, pending = session.execute(
        select(_sum_of(_AVAILABLE), _sum_of(_PENDING)).where(Posting.member_id == member_id)
    ).one()
    book.member.balance, book.member.pending = int(balance), int(pending)
    session.flush()
    session.expire_all()
    return book.member


def _sum_of(account: LedgerAccount):  # noqa: ANN202 - a column expression.
    return func.coalesce(func.sum(case((Posting.account == account.value, Posting.points), else_=0)), 0)


def entry_of(session: Session, entry_id: UUID) -> LedgerTransaction:
    """An entry of the ledger; raises `NotFoundError`."""
    found = session.get(LedgerTransaction, entry_id)
    if found is None:
        raise NotFoundError(worded("There is no such entry."))
    return found


def _require_membership(book: Book) -> None:
    if book.member.left_at is not None:
        raise NotMemberError(worded("This person has left the programme."))


def _take(
    session: Session, actor: Actor, *, member_id: UUID, points: int, entry: Entry, into: LedgerAccount
) -> LedgerTransaction:
    book = Book.open(session, actor, member_id=member_id, now=entry.at)
    answered = book.answered(entry.key, entry.request)
    if answered is not None:
        return answered
    book.load()
    plan = rules.draw(map(lot_facts, book.available()), points, at=entry.at)
    if plan.missing:
        sentence = worded("There are not that many points.")
        raise NotEnoughPointsError(sentence, fields={"points": sentence})
    made = book.write(entry, [(_AVAILABLE, -points), (into, points)])
    book.move(made, plan.uses)
    tell(book, made, points=-points, subject=entry.note)
    return made


def note_of(reason: str) -> str:
    """A reason as it is kept: one line of so many characters."""
    return " ".join(reason.split())[:LONGEST_NOTE]


def tell(book: Book, entry: LedgerTransaction, *, points: int, subject: str) -> None:
    """Put the movement on the person's timeline, where its cause stands too."""
    if book.member.contact_id is None:
        return
    interactions.log(
        book.session,
        book.actor,
        kind=InteractionKind.POINTS_EARNED if points > 0 else InteractionKind.POINTS_SPENT,
        contact_id=book.member.contact_id,
        happened_at=book.now,
        subject=subject,
        source_kind="ledger_transaction",
        source_id=entry.id,
        is_automatic=book.actor.kind is ActorKind.SYSTEM,
        points=points,
        now=book.now,
    )

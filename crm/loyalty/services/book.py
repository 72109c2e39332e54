"""Owns one member's book while its row is locked: writes entries, postings, lots and lot uses that agree."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.clock import local_day
from crm.db import new_id
from crm.errors import NotFoundError, worded
from crm.loyalty.errors import KeyReusedError
from crm.loyalty.kinds import EntryKind, LedgerAccount
from crm.loyalty.models import LedgerNote, LedgerTransaction, Lot, LotUse, Member, Posting, Program
from crm.loyalty.rules import ledger as rules

_MEMBERS_OWN = frozenset({LedgerAccount.AVAILABLE, LedgerAccount.PENDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an entry is about; `request` is what makes a repeated key the same request."""

    kind: EntryKind
    key: str
    request: Mapping[str, object]
    at: datetime
    cause_kind: str = ""
    cause_id: UUID | None = None
    rule_id: UUID | None = None
    local_day: date | None = None
    reverses_id: UUID | None = None
    note: str = ""


def lot_facts(lot: Lot) -> rules.LotFacts:
    """The lot as decisions see it, now."""
    return rules.LotFacts(lot.id, lot.remaining, lot.available_from, lot.expires_at)


class Book:
    """A member's account, opened under the member's row lock.

    Every write keeps: postings of an entry sum to zero, the cached balance follows the postings, and the lots that
    can be spent hold exactly the balance, or nothing while the member is in debt.
    """

    def __init__(self, session: Session, actor: Actor, *, member: Member, program: Program, now: datetime) -> None:
        self.session = session
        self.actor = actor
        self.member = member
        self.program = program
        self.now = now
        self.lots: dict[UUID, Lot] = {}

    @classmethod
    def open(cls, session: Session, actor: Actor, *, member_id: UUID, now: datetime) -> "Book":
        """Lock the member's row; raises `NotFoundError` for an unknown member."""
        member = session.scalar(
            select(Member).where(Member.id == member_id).with_for_update().execution_options(populate_existing=True)
        )
        if member is None:
            raise NotFoundError(worded("There is no such member."))
        program = session.get_one(Program, member.program_id)
        return cls(session, actor, member=member, program=program, now=now)

    def answered(self, key: str, request: Mapping[str, object]) -> LedgerTransaction | None:
        """The entry this key already made; raises `KeyReusedError` when it was another request's."""
        found = self.session.scalar(select(LedgerTransaction).where(LedgerTransaction.idempotency_key == key))
        if found is not None and found.request_hash != rules.request_hash(request):
            raise KeyReusedError(worded("This key was used for another request."))
        return found

    def load(self) -> int:
        """Read the lots that hold something and write off what expired before now; returns the points written off."""
        rows = self.session.scalars(
            select(Lot)
            .where(Lot.member_id == self.member.id, Lot.remaining > 0)
            .execution_options(populate_existing=True)
        )
        self.lots = {lot.id: lot for lot in rows}
        return self.write_off_expired()

    def available(self, *, beside: UUID | None = None) -> list[Lot]:
        """The lots that can pay: not pending, not empty; without the lots of entry `beside`."""
        return [
            lot
            for lot in self.lots.values()
            if lot.remaining > 0 and not lot.is_pending and lot.transaction_id != beside
        ]

    def spendable(self) -> int:
        """Points that can be spent now."""
        return sum(lot.remaining for lot in self.available() if not rules.is_over(lot.expires_at, self.now))

    def write(self, entry: Entry, postings: Iterable[tuple[LedgerAccount, int]]) -> LedgerTransaction:
        """Append an entry with its postings (account, points; zeros are left out) and move the cached balance.

        Raises `KeyReusedError` when another member's entry took the key meanwhile.
        """
        moves = [(account, points) for account, points in postings if points]
        if sum(points for _, points in moves) != 0:
            raise AssertionError("postings of an entry sum to zero")
        transaction_id = new_id()
        made = self.session.execute(
            upsert(LedgerTransaction)
            .values(
                id=transaction_id,
                workspace_id=self.actor.workspace_id,
                program_id=self.program.id,
                member_id=self.member.id,
                kind=entry.kind.value,
                at=entry.at,
                cause_kind=entry.cause_kind,
                cause_id=entry.cause_id,
                rule_id=entry.rule_id,
                local_day=entry.local_day or local_day(entry.at, tz=self.program.time_zone),
                idempotency_key=entry.key,
                request_hash=rules.request_hash(entry.request),
                reverses_id=entry.reverses_id,
                user_id=self.actor.user_id,
            )
            .on_conflict_do_nothing(index_elements=["workspace_id", "idempotency_key"])
            .returning(LedgerTransaction.id)
        ).scalar()
        if made is None:
            raise KeyReusedError(worded("This key was used for another request."))
        self.session.execute(
            insert(Posting),
            [
                {
                    "workspace_id": self.actor.workspace_id,
                    "transaction_id": transaction_id,
                    "program_id": self.program.id,
                    "account": account.value,
                    "member_id": self.member.id if account in _MEMBERS_OWN else None,
                    "points": points,
                }
                for account, points in moves
            ],
        )
        if entry.note:
            self.session.add(LedgerNote(transaction_id=transaction_id, note=entry.note))
        self.member.balance += sum(points for account, points in moves if account is LedgerAccount.AVAILABLE)
        self.member.pending += sum(points for account, points in moves if account is LedgerAccount.PENDING)
        return self.session.get_one(LedgerTransaction, transaction_id)

    def add_lot(
        self, entry: LedgerTransaction, *, points: int, expires_at: datetime | None, is_pending: bool = False
    ) -> Lot:
        """A new lot of the points that `entry` brought."""
        lot = Lot(
            id=new_id(),
            workspace_id=self.actor.workspace_id,
            member_id=self.member.id,
            transaction_id=entry.id,
            points=points,
            remaining=points,
            available_from=self.now,
            expires_at=expires_at,
            is_pending=is_pending,
        )
        self.session.add(lot)
        self.session.flush()
        self.lots[lot.id] = lot
        return lot

    def move(self, entry: LedgerTransaction, uses: Iterable[tuple[UUID, int]]) -> None:
        """Take points from lots (+) or put them back (-) on account of `entry`."""
        for lot_id, points in uses:
            lot = self.lots.get(lot_id)
            if lot is None:
                # An emptied lot comes back into the book when points return to it.
                lot = self.lots[lot_id] = self.session.get_one(Lot, lot_id, populate_existing=True)
            lot.remaining -= points
            self.session.add(LotUse(lot_id=lot_id, transaction_id=entry.id, points=points))
        self.session.flush()

    def repay(self, entry: LedgerTransaction) -> None:
        """Let the lots pay an open debt: afterwards they hold the balance, or nothing while it is below zero.

        Points that a reversed spending brought back pay it even when their time is over: otherwise somebody whose
        earning and spending are both undone would owe what he never had.
        """
        excess = sum(lot.remaining for lot in self.available()) - max(self.member.balance, 0)
        if excess > 0:
            self.move(entry, rules.draw(map(lot_facts, self.available()), excess, at=None).uses)

    def write_off_expired(self) -> int:
        """Expire every lot whose time is over, also pending ones; returns the points written off.

        Each entry is dated at the lot's true expiry, or at the return of points to a lot that had expired before.
        """
        gone = sorted(
            (lot for lot in self.lots.values() if lot.remaining > 0 and rules.is_over(lot.expires_at, self.now)),
            key=lambda lot: rules.spending_order(lot_facts(lot)),
        )
        total = 0
        for lot in gone:
            account = LedgerAccount.PENDING if lot.is_pending else LedgerAccount.AVAILABLE
            points = lot.remaining
            moves, ended_at = self._ended(lot)
            entry = self.write(
                # The count of the lot's earlier moves makes the key its own when points come back and expire again.
                Entry(
                    kind=EntryKind.EXPIRE,
                    key=f"expire:{lot.id}:{moves}",
                    request={"lot": lot.id, "points": points},
                    at=ended_at,
                ),
                [(account, -points), (LedgerAccount.EXPIRED, points)],
            )
            self.move(entry, [(lot.id, points)])
            total += points
        return total

    def _ended(self, lot: Lot) -> tuple[int, datetime]:
        """How often the lot was moved, and since when what it holds is expired."""
        moves, returned_at = self.session.execute(
            select(func.count(LotUse.id), func.max(LedgerTransaction.at).filter(LotUse.points < 0))
            .join(LedgerTransaction, LedgerTransaction.id == LotUse.transaction_id)
            .where(LotUse.lot_id == lot.id)
        ).one()
        expired_at = lot.expires_at or self.now
        return moves, max(expired_at, returned_at) if returned_at is not None else expired_at

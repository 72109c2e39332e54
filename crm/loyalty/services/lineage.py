"""Follows points through merges of people: whose book an old entry acts on now, and in which lots its points are."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from crm.accounts.rules import Actor
from crm.contacts.models import Contact
from crm.loyalty.kinds import EntryKind
from crm.loyalty.models import LedgerTransaction, Lot, LotUse, Member
from crm.loyalty.services.book import Book

#: The parts of a merge in the keys of its entries: what left one book, and what came into the other.
OUT, IN = "out", "in"


def part_of(entry: LedgerTransaction) -> str:
    """Which part of a merge an entry is: its key is `merge:<change set>:<member>:<part>`."""
    return entry.idempotency_key.split(":", 3)[3]


def open_heir(session: Session, actor: Actor, *, member_id: UUID, now: datetime) -> Book:
    """The book in which a member's entries go on: their own, or that of the person in whom theirs went up.

    Locked in the order of ids; raises `NotFoundError`.
    """
    while True:
        heir_id = _heir(session, member_id)
        books = {key: Book.open(session, actor, member_id=key, now=now) for key in sorted({member_id, heir_id})}
        # A merge or its undo may have ended while this waited.
        if _heir(session, member_id) == heir_id:
            return books[heir_id]


def _heir(session: Session, member_id: UUID) -> UUID:
    mine, theirs = aliased(Member), aliased(Member)
    found = session.scalar(
        select(theirs.id)
        .join(Contact, Contact.merged_into_id == theirs.contact_id)
        .join(mine, (mine.contact_id == Contact.id) & (mine.program_id == theirs.program_id))
        .where(mine.id == member_id)
    )
    return found or member_id


def lots_of(session: Session, entry: LedgerTransaction) -> set[UUID]:
    """The lots that an entry brought, and those into which merges carried their points, each with the same expiry."""
    found: dict[UUID, datetime | None] = {}
    fresh = dict(_brought(session, [entry.id]))
    while fresh:
        found |= fresh
        fresh = {key: end for key, end in _carried(session, fresh).items() if key not in found}
    return set(found)


def _brought(session: Session, entry_ids: Collection[UUID]) -> list[tuple[UUID, datetime | None]]:
    rows = session.execute(select(Lot.id, Lot.expires_at).where(Lot.transaction_id.in_(entry_ids)))
    return [(lot_id, expires_at) for lot_id, expires_at in rows]


def _carried(session: Session, lots: dict[UUID, datetime | None]) -> dict[UUID, datetime | None]:
    """The lots that the next merge made of these."""
    gone = session.execute(
        select(LedgerTransaction, LotUse.lot_id)
        .join(LotUse, LotUse.transaction_id == LedgerTransaction.id)
        .where(LotUse.lot_id.in_(list(lots)), LedgerTransaction.kind == EntryKind.MERGE.value, LotUse.points > 0)
    ).all()
    ends: dict[tuple[UUID | None, str], set[datetime | None]] = {}
    for entry, lot_id in gone:
        if part_of(entry).startswith(OUT):
            ends.setdefault((entry.cause_id, part_of(entry).removeprefix(OUT)), set()).add(lots[lot_id])
    come = session.scalars(
        select(LedgerTransaction).where(
            LedgerTransaction.cause_id.in_({cause_id for cause_id, _part in ends}),
            LedgerTransaction.kind == EntryKind.MERGE.value,
        )
    ).all()
    found: dict[UUID, datetime | None] = {}
    for entry in come:
        wanted = ends.get((entry.cause_id, part_of(entry).removeprefix(IN)), set())
        if part_of(entry).startswith(IN):
            found |= {lot_id: end for lot_id, end in _brought(session, [entry.id]) if end in wanted}
    return found

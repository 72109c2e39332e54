"""Reads members: what they have, how it came, and the lists of pages."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.clock import local_day
from crm.contacts.models import Contact
from crm.contacts.queries import Scope, scope, visible
from crm.db import database_now, new_id
from crm.errors import NotFoundError, worded
from crm.loyalty.kinds import EntryKind
from crm.loyalty.models import EarningRule, LedgerNote, LedgerTransaction, Lot, Member, Posting, Program
from crm.loyalty.queries.offers import VoucherView, vouchers_of
from crm.loyalty.rules.ledger import is_over
from crm.web.paging import Page, decode_cursor, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a member has at an instant, in points; what expired counts no more, even before the sweep."""

    member_id: UUID
    program_id: UUID
    program_name: str
    number: str
    contact_id: UUID | None
    joined_at: datetime
    left_at: datetime | None
    balance: int
    """Points that can be spent."""
    debt: int
    """Points taken back after they were spent; the next earnings repay them."""
    pending: int
    next_expiry: datetime | None
    """The instant at which points expire next."""
    next_expiry_on: date | None
    """The last local day on which they count."""
    next_expiry_points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """A line of the list of members."""

    member_id: UUID
    contact_id: UUID
    name: str
    number: str
    balance: int
    pending: int
    joined_at: datetime
    left_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One movement with its why: the rule's name, what a person typed, or the kind itself."""

    id: UUID
    kind: EntryKind
    at: datetime
    points: int
    is_pending: bool
    rule_name: str
    note: str
    cause_kind: str
    cause_id: UUID | None
    by_name: str
    reverses_id: UUID | None
    reversed_points: int

    @property
    def can_reverse(self) -> bool:
        """True for an entry of which something may be left to reverse."""
        kinds = {EntryKind.EARN, EntryKind.SPEND, EntryKind.ADJUST}
        return self.kind in kinds and self.reversed_points < abs(self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactCard:
    """Points and offers of one person, for the card of the contact page."""

    contact_id: UUID
    has_program: bool
    standing: Standing | None
    vouchers: list[VoucherView]
    may_give_points: bool
    may_give_offer: bool
    may_join: bool
    key: str
    """Makes a repeated click on "Give points" one entry."""


def standing(session: Session, actor: Actor, *, contact_id: UUID, now: datetime | None = None) -> Standing | None:
    """A person's standing in the default programme; None for somebody who is no member or can't be seen."""
    actor.require(Permission.VIEW_OWN)
    row = session.execute(
        select(Member, Program)
        .join(Program, Program.id == Member.program_id)
        .join(Contact, Contact.id == Member.contact_id)
        .where(Member.contact_id == contact_id, visible(actor))
        .order_by(Program.is_default.desc(), Member.joined_at, Member.id)
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()
    return _standing(session, row[0], row[1], now=now or database_now(session)) if row else None


def member_standing(session: Session, actor: Actor, *, member_id: UUID, now: datetime) -> Standing:
    """A member's standing; raises `NotFoundError`, also for a person the actor may not see."""
    actor.require(Permission.VIEW_OWN)
    row = session.execute(
        select(Member, Program)
        .join(Program, Program.id == Member.program_id)
        .outerjoin(Contact, Contact.id == Member.contact_id)
        .where(Member.id == member_id, visible(actor))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFoundError(worded("There is no such member."))
    return _standing(session, row[0], row[1], now=now)


def require_member(session: Session, actor: Actor, *, member_id: UUID) -> None:
    """Raise `NotFoundError` unless there is such a member and the actor may see the person."""
    known = select(Member.id).outerjoin(Contact, Contact.id == Member.contact_id)
    if session.scalar(known.where(Member.id == member_id, visible(actor))) is None:
        raise NotFoundError(worded("There is no such member."))


def may_be_named(session: Session, actor: Actor, *, contact_id: UUID) -> bool:
    """Whether the till shows a code's holder: always to whom sees nobody elsewhere, for the holder stands there."""
    if scope(actor) is Scope.NOTHING:
        return True
    return session.scalar(select(Contact.id).where(Contact.id == contact_id, visible(actor))) is not None


def points_of_holder(session: Session, *, contact_id: UUID, now: datetime) -> int | None:
    """The spendable points of a person for the till, None for somebody who is no member."""
    row = session.execute(
        select(Member, Program)
        .join(Program, Program.id == Member.program_id)
        .where(Member.contact_id == contact_id, Member.left_at.is_(None))
        .order_by(Program.is_default.desc(), Member.joined_at)
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()
    return _standing(session, row[0], row[1], now=now).balance if row else None


def list_members(
    session: Session,
    actor: Actor,
    *,
    program_id: UUID | None = None,
    text: str = "",
    after: str | None = None,
    limit: int = 50,
) -> Page[MemberRow]:
    """Members with the most points first, paged by key; `text` is the beginning of a family name or a member number."""
    actor.require(Permission.VIEW_OWN)
    wanted = (
        select(Member, Contact.id, Contact.display_name)
        .join(Contact, Contact.id == Member.contact_id)
        .where(Contact.deleted_at.is_(None), visible(actor))
        .order_by(Member.balance.desc(), Member.id.desc())
        .limit(limit + 1)
        .execution_options(populate_existing=True)
    )
    if program_id is not None:
        wanted = wanted.where(Member.program_id == program_id)
    if text.strip():
        wanted = wanted.where(_matches(text))
    if after:
        balance, member_id = decode_cursor(after, int, UUID)
        wanted = wanted.where(tuple_(Member.balance, Member.id) < (balance, member_id))
    rows = [
        MemberRow(
            member_id=member.id,
            contact_id=contact_id,
            name=name,
            number=member.number,
            balance=member.balance,
            pending=member.pending,
            joined_at=member.joined_at,
            left_at=member.left_at,
        )
        for member, contact_id, name in session.execute(wanted)
    ]
    return page_of(rows, limit=limit, key=lambda row: (row.balance, row.member_id))


def statement(
    session: Session, actor: Actor, *, member_id: UUID, after: str | None = None, limit: int = 50
) -> Page[StatementLine]:
    """A member's movements with their why, newest first, paged by key; raises `NotFoundError`."""
    actor.require(Permission.VIEW_OWN)
    seen = session.scalar(
        select(Member.id)
        .outerjoin(Contact, Contact.id == Member.contact_id)
        .where(Member.id == member_id, visible(actor))
    )
    if seen is None:
        raise NotFoundError(worded("There is no such member."))
    points = (
        select(func.coalesce(func.sum(Posting.points), 0))
        .where(Posting.transaction_id == LedgerTransaction.id, Posting.member_id.is_not(None))
        .scalar_subquery()
    )
    pending = (
        select(func.count())
        .where(Posting.transaction_id == LedgerTransaction.id, Posting.account == "pending")
        .scalar_subquery()
    )
    later = LedgerTransaction.__table__.alias("later")
    reversed_points = (
        select(func.coalesce(func.sum(func.abs(Posting.points)), 0))
        .join(later, later.c.id == Posting.transaction_id)
        .where(later.c.reverses_id == LedgerTransaction.id, Posting.member_id.is_not(None))
        .scalar_subquery()
    )
    wanted = (
        select(LedgerTransaction, points, pending, reversed_points, EarningRule.name, LedgerNote.note, User.name)
        .outerjoin(EarningRule, EarningRule.id == LedgerTransaction.rule_id)
        .outerjoin(LedgerNote, LedgerNote.transaction_id == LedgerTransaction.id)
        .outerjoin(User, User.id == LedgerTransaction.user_id)
        .where(LedgerTransaction.member_id == member_id)
        .order_by(LedgerTransaction.at.desc(), LedgerTransaction.id.desc())
        .limit(limit + 1)
    )
    if after:
        at, entry_id = decode_cursor(after, datetime, UUID)
        wanted = wanted.where(tuple_(LedgerTransaction.at, LedgerTransaction.id) < (at, entry_id))
    lines = [
        StatementLine(
            id=entry.id,
            kind=EntryKind(entry.kind),
            at=entry.at,
            points=int(moved),
            is_pending=bool(waiting),
            rule_name=rule_name or "",
            note=note or "",
            cause_kind=entry.cause_kind,
            cause_id=entry.cause_id,
            by_name=by_name or "",
            reverses_id=entry.reverses_id,
            reversed_points=int(back),
        )
        for entry, moved, waiting, back, rule_name, note, by_name in session.execute(wanted)
    ]
    return page_of(lines, limit=limit, key=lambda line: (line.at, line.id))


def contact_card(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> ContactCard:
    """Everything the card "offers and points" of a contact page shows; of a person who can't be seen, nothing."""
    actor.require(Permission.VIEW_OWN)
    row = session.execute(
        select(Member, Program, select(Program.id).where(Program.is_default).correlate(None).exists())
        .select_from(Contact)
        .outerjoin(Member, Member.contact_id == Contact.id)
        .outerjoin(Program, Program.id == Member.program_id)
        .where(Contact.id == contact_id, visible(actor))
        .order_by(Program.is_default.desc().nulls_last(), Member.joined_at, Member.id)
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()
    member, program, has_program = row or (None, None, False)
    held = _standing(session, member, program, now=now) if member and program else None
    return ContactCard(
        contact_id=contact_id,
        has_program=has_program,
        standing=held,
        vouchers=vouchers_of(session, actor, contact_id=contact_id, now=now),
        may_give_points=held is not None and held.left_at is None and actor.may(Permission.ADJUST_POINTS),
        may_give_offer=actor.may(Permission.WRITE),
        may_join=(held is None or held.left_at is not None) and actor.may(Permission.EDIT),
        key=str(new_id()),
    )


def _standing(session: Session, member: Member, program: Program, *, now: datetime) -> Standing:
    lots = session.scalars(
        select(Lot).where(Lot.member_id == member.id, Lot.remaining > 0).execution_options(populate_existing=True)
    ).all()
    gone = [lot for lot in lots if is_over(lot.expires_at, now)]
    balance = member.balance - sum(lot.remaining for lot in gone if not lot.is_pending)
    pending = member.pending - sum(lot.remaining for lot in gone if lot.is_pending)
    ending = [(lot.expires_at, lot.remaining) for lot in lots if not lot.is_pending and lot.expires_at is not None]
    ending = [(at, points) for at, points in ending if at > now]
    next_expiry = min((at for at, _ in ending), default=None)
    tz = program.time_zone
    return Standing(
        member_id=member.id,
        program_id=program.id,
        program_name=program.name,
        number=member.number,
        contact_id=member.contact_id,
        joined_at=member.joined_at,
        left_at=member.left_at,
        balance=max(balance, 0),
        debt=max(-balance, 0),
        pending=pending,
        next_expiry=next_expiry,
        next_expiry_on=local_day(next_expiry - timedelta(microseconds=1), tz=tz) if next_expiry else None,
        next_expiry_points=sum(
            points
            for at, points in ending
            if next_expiry is not None and local_day(at, tz=tz) == local_day(next_expiry, tz=tz)
        ),
    )


def _matches(text: str):  # noqa: ANN202 - a condition.
    from crm.filters.text import normalise
    from crm.loyalty.rules.codes import MEMBER_SYMBOLS, read_code

    number = read_code(text, MEMBER_SYMBOLS)
    if number is not None:
        return Member.number == number
    start = normalise(text)
    # A range, not LIKE: only comparisons can use the index under row-level security.
    return (Contact.sort_name >= start) & (Contact.sort_name < start + "\U0010ffff")

"""Reads programmes, their rules and their figures."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.errors import NotFoundError, worded
from crm.loyalty.kinds import LedgerAccount
from crm.loyalty.models import EarningRule, LedgerTransaction, Lot, Member, Posting, Program


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFigures:
    """A programme in figures: points, and what the open ones may cost in minor units."""

    members: int
    outstanding: int
    """Points that members could spend now."""
    pending: int
    owed: int
    """Points that members owe after a claw-back."""
    liability_minor: int
    """Outstanding and pending points at the programme's value of a point."""
    issued: int
    redeemed: int
    expired: int
    clawed_back: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """An earning rule and what it gave so far, net of what was taken back."""

    rule: EarningRule
    awards: int
    points: int


def programs(session: Session, actor: Actor) -> list[Program]:
    """All programmes, the default one first."""
    actor.require(Permission.VIEW_OWN)
    return list(session.scalars(select(Program).order_by(Program.is_default.desc(), Program.name, Program.id)))


def program(session: Session, actor: Actor, *, program_id: UUID) -> Program:
    """One programme; raises `NotFoundError`."""
    actor.require(Permission.VIEW_OWN)
    found = session.get(Program, program_id)
    if found is None:
        raise NotFoundError(worded("There is no such programme."))
    return found


def default_program(session: Session, actor: Actor) -> Program | None:
    """The programme that is meant when none is named."""
    actor.require(Permission.VIEW_OWN)
    return session.scalar(select(Program).where(Program.is_default))


def figures(session: Session, actor: Actor, *, program_id: UUID, now: datetime) -> ProgramFigures:
    """The programme's figures now; what expired counts no more, even before the sweep. Raises `NotFoundError`."""
    found = program(session, actor, program_id=program_id)
    members, owed = session.execute(
        select(
            func.count(Member.id).filter(Member.left_at.is_(None)),
            func.coalesce(func.sum(func.greatest(-Member.balance, 0)), 0),
        ).where(Member.program_id == program_id)
    ).one()
    outstanding, pending = session.execute(
        select(
            func.coalesce(func.sum(case((~Lot.is_pending, Lot.remaining))), 0),
            func.coalesce(func.sum(case((Lot.is_pending, Lot.remaining))), 0),
        )
        .join(Member, Member.id == Lot.member_id)
        .where(Member.program_id == program_id, Lot.remaining > 0, or_(Lot.expires_at.is_(None), Lot.expires_at > now))
    ).one()
    sums = session.execute(
        select(Posting.account, func.sum(Posting.points).label("points"))
        .where(Posting.program_id == program_id, Posting.member_id.is_(None))
        .group_by(Posting.account)
    )
    totals = {row.account: row.points for row in sums}
    return ProgramFigures(
        members=members,
        outstanding=int(outstanding),
        pending=int(pending),
        owed=int(owed),
        liability_minor=(int(outstanding) + int(pending)) * found.point_value_minor,
        issued=-int(totals.get(LedgerAccount.ISSUED, 0)),
        redeemed=int(totals.get(LedgerAccount.REDEEMED, 0)),
        expired=int(totals.get(LedgerAccount.EXPIRED, 0)),
        clawed_back=int(totals.get(LedgerAccount.CLAWED_BACK, 0)),
    )


def rules(session: Session, actor: Actor, *, program_id: UUID) -> list[RuleRow]:
    """The earning rules of a programme: those in force first, then the newest."""
    actor.require(Permission.VIEW_OWN)
    given = (
        select(
            LedgerTransaction.rule_id,
            func.count(LedgerTransaction.id.distinct()).filter(LedgerTransaction.reverses_id.is_(None)).label("awards"),
            func.sum(Posting.points).label("points"),
        )
        .join(Posting, Posting.transaction_id == LedgerTransaction.id)
        .where(
            LedgerTransaction.program_id == program_id,
            LedgerTransaction.rule_id.is_not(None),
            Posting.member_id.is_not(None),
        )
        .group_by(LedgerTransaction.rule_id)
        .subquery()
    )
    rows = session.execute(
        select(EarningRule, func.coalesce(given.c.awards, 0), func.coalesce(given.c.points, 0))
        .outerjoin(given, given.c.rule_id == EarningRule.id)
        .where(EarningRule.program_id == program_id)
        .order_by(EarningRule.is_active.desc(), EarningRule.created_at.desc(), EarningRule.id)
    )
    return [RuleRow(rule=rule, awards=awards, points=int(points)) for rule, awards, points in rows]

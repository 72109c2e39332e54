"""Reads what rules gave and would give."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.clock import local_day
from crm.loyalty.models import EarningRule, LedgerTransaction, Member, Posting, Program
from crm.loyalty.rules.ledger import within_cap


def points_given(session: Session, *, rule_id: UUID, member_id: UUID, day: date) -> int:
    """What a rule gave a member on a local day, net of what was taken back."""
    return int(
        session.scalar(
            select(func.coalesce(func.sum(Posting.points), 0))
            .join(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
            .where(
                LedgerTransaction.rule_id == rule_id,
                LedgerTransaction.member_id == member_id,
                LedgerTransaction.local_day == day,
                Posting.member_id.is_not(None),
            )
        )
        or 0
    )


def points_for(session: Session, *, contact_id: UUID, kind: str, at: datetime) -> int:
    """What an interaction of this kind, on no channel, would earn a person at that instant, caps included."""
    rows = session.execute(
        select(EarningRule, Member.id, Program.time_zone)
        .join(Program, Program.id == EarningRule.program_id)
        .join(Member, Member.program_id == EarningRule.program_id)
        .where(
            EarningRule.interaction_kind == kind,
            EarningRule.is_active,
            EarningRule.created_at <= at,
            EarningRule.channel.is_(None),
            EarningRule.direction.is_(None),
            Member.contact_id == contact_id,
            Member.left_at.is_(None),
            Member.joined_at <= at,
        )
    )
    return sum(
        within_cap(
            rule.points,
            cap=rule.cap_per_day,
            given=points_given(session, rule_id=rule.id, member_id=member_id, day=local_day(at, tz=tz)),
        )
        for rule, member_id, tz in rows
    )

"""Reads sender accounts with their health, and templates."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.errors import NotFoundError
from crm.outreach.domain_pace import slow_domains
from crm.outreach.facts import AccountFacts
from crm.outreach.inbound_models import InboundEvent
from crm.outreach.kinds import AccountState, MessageState
from crm.outreach.models import Message, SenderAccount, Template
from crm.outreach.pace import used


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceLine:
    """One cap of an account: what counts, how much is used, and when it is free again."""

    span: str
    used: int
    cap: int
    free_at: datetime


@dataclass(frozen=True, slots=True)
class SlowLine:
    """A mail domain that asked us to slow down, and until when it is left alone."""

    domain: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHealth:
    """How an account does: what is due and not yet gone, what waits for later, its caps, slow domains, its problem."""

    due: int
    waiting: int
    uncertain: int
    pace: tuple[PaceLine, ...]
    slow: tuple[SlowLine, ...]
    state: str
    problem: str
    problem_until: datetime | None


def accounts(session: Session, actor: Actor, *, channel: ChannelKind | None = None) -> list[SenderAccount]:
    """The workspace's live sender accounts, oldest first."""
    wanted = select(SenderAccount).where(
        SenderAccount.workspace_id == actor.workspace_id, SenderAccount.deleted_at.is_(None)
    )
    if channel is not None:
        wanted = wanted.where(SenderAccount.channel == channel)
    return list(session.scalars(wanted.order_by(SenderAccount.created_at, SenderAccount.id)))


def account(session: Session, actor: Actor, *, account_id: UUID) -> SenderAccount:
    """One live sender account; raises `NotFoundError`."""
    found = session.scalars(
        select(SenderAccount).where(
            SenderAccount.id == account_id,
            SenderAccount.workspace_id == actor.workspace_id,
            SenderAccount.deleted_at.is_(None),
        )
    ).one_or_none()
    if found is None:
        raise NotFoundError(N_("There is no such sender account."), code="account_not_found")
    return found


def last_call(session: Session, actor: Actor, *, account_id: UUID) -> datetime | None:
    """When the platform of an account told us anything last; None when it never did."""
    account(session, actor, account_id=account_id)
    # Ids grow with time, so that the newest event stands at the end of their index.
    newest = select(InboundEvent.received_at).where(InboundEvent.account_id == account_id)
    return session.scalars(newest.order_by(InboundEvent.id.desc()).limit(1)).one_or_none()


def account_health(session: Session, actor: Actor, *, account_id: UUID, now: datetime) -> AccountHealth:
    """What an account's line in the settings shows."""
    found = account(session, actor, account_id=account_id)
    due, waiting = session.execute(
        select(
            func.count().filter(Message.due_at <= now),
            func.count().filter(Message.due_at > now),
        ).where(Message.account_id == account_id, Message.state == MessageState.SCHEDULED)
    ).one()
    uncertain = session.scalar(
        select(func.count()).where(
            Message.workspace_id == actor.workspace_id,
            Message.state == MessageState.UNCERTAIN,
            Message.account_id == account_id,
        )
    )
    return AccountHealth(
        due=due,
        waiting=waiting,
        uncertain=uncertain or 0,
        pace=tuple(
            PaceLine(span=span.name, used=count, cap=span.cap, free_at=span.next_at)
            for span, count in used(session, account=found, now=now)
        ),
        slow=tuple(
            SlowLine(row.domain, row.slow_until)
            for row in slow_domains(session, account_id=account_id, now=now)
            if row.slow_until is not None
        ),
        state=found.state,
        problem=found.hold_reason or found.last_error_code,
        problem_until=found.hold_until,
    )


def account_facts(session: Session, row: SenderAccount, *, now: datetime) -> AccountFacts:
    """What the gate knows about an account: whether it works, and when an exhausted cap is free again."""
    full = {span.name: span.next_at for span, count in used(session, account=row, now=now) if count >= span.cap}
    short = [at for name, at in full.items() if name != "day"]
    return AccountFacts(
        state=AccountState(row.state),
        held_until=row.hold_until,
        pace_free_at=max(short, default=None),
        day_free_at=full.get("day"),
    )


def templates(session: Session, actor: Actor) -> list[Template]:
    """The workspace's live templates by name."""
    return list(
        session.scalars(
            select(Template)
            .where(Template.workspace_id == actor.workspace_id, Template.deleted_at.is_(None))
            .order_by(Template.name, Template.id)
        )
    )


def template(session: Session, actor: Actor, *, template_id: UUID) -> Template:
    """One live template; raises `NotFoundError`."""
    found = session.scalars(
        select(Template).where(
            Template.id == template_id, Template.workspace_id == actor.workspace_id, Template.deleted_at.is_(None)
        )
    ).one_or_none()
    if found is None:
        raise NotFoundError(N_("There is no such template."), code="template_not_found")
    return found

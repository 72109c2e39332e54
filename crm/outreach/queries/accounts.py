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
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message, SenderAccount, Template
from crm.outreach.pace import used


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceLine:
    """One cap of an account: what counts, how much is used, and when it is free again."""

    span: str
    used: int
    cap: int
    free_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHealth:
    """How an account does: what is due and not yet gone, what waits for later, its caps, its problem."""

    due: int
    waiting: int
    uncertain: int
    pace: tuple[PaceLine, ...]
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
        state=found.state,
        problem=found.hold_reason or found.last_error_code,
        problem_until=found.hold_until,
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

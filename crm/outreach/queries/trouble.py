"""Reads what goes wrong with a sender account: its last errors, and the domains it waits for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import OutcomeKind
from crm.contacts.models import Contact, Handle
from crm.outreach.domain_pace import Lane, rate, steps_left
from crm.outreach.links import hide_tokens
from crm.outreach.models import Attempt, AttemptEvidence, AttemptOutcome, Message, SenderAccount
from crm.outreach.pace_models import DomainPace
from crm.outreach.queries.life import DECIDED
from crm.outreach.queries.messages import READ_BACK, visible_to
from crm.outreach.reasons import KEPT_BACK

ERRORS_SHOWN: Final = 20
#: Errors older than this say nothing about the account as it is.
ERRORS_SPAN: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountError:
    """A try that did not end well: for whom, how, at which stage, and the server's words."""

    message_id: UUID
    name: str
    at: datetime
    code: str
    stage: str
    words: str


@dataclass(frozen=True, slots=True)
class SlowDomain:
    """A mail domain that asked for fewer messages: left alone until, then so many a minute."""

    domain: str
    until: datetime | None
    per_minute: int


def account_errors(session: Session, actor: Actor, *, account_id: UUID, now: datetime) -> list[AccountError]:
    """The last errors of an account, the newest first; of people the actor may not see, none."""
    rows = session.execute(
        select(Attempt.message_id, Contact.display_name, Handle.address, AttemptOutcome, AttemptEvidence.detail)
        .join(AttemptOutcome, AttemptOutcome.attempt_id == Attempt.id)
        .join(Message, Message.id == Attempt.message_id)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .outerjoin(Handle, Handle.id == Message.handle_id)
        .outerjoin(AttemptEvidence, AttemptEvidence.attempt_id == Attempt.id)
        .where(
            Attempt.workspace_id == actor.workspace_id,
            Attempt.account_id == account_id,
            Attempt.started_at > now - ERRORS_SPAN,
            AttemptOutcome.kind != OutcomeKind.ACCEPTED,
            AttemptOutcome.stage.not_in([READ_BACK, DECIDED]),
            # What the sender itself kept back says nothing about the account.
            AttemptOutcome.code.not_in(KEPT_BACK),
            visible_to(actor),
        )
        .order_by(Attempt.started_at.desc(), AttemptOutcome.at.desc())
        .limit(ERRORS_SHOWN)
    )
    return [
        AccountError(
            message_id=message_id,
            name=name or address or "",
            at=outcome.at,
            code=outcome.code or outcome.kind,
            stage=outcome.stage,
            words=hide_tokens(detail or ""),
        )
        for message_id, name, address, outcome, detail in rows
    ]


def slow_domains(session: Session, actor: Actor, *, account: SenderAccount, now: datetime) -> list[SlowDomain]:
    """The domains to which this account writes more slowly than it may, the slowest first."""
    rows = session.scalars(
        select(DomainPace)
        .where(DomainPace.workspace_id == actor.workspace_id, DomainPace.account_id == account.id, DomainPace.steps > 0)
        .order_by(DomainPace.steps.desc(), DomainPace.domain)
        .limit(ERRORS_SHOWN)
    )
    found = [(row.domain, _lane(row)) for row in rows]
    return [
        SlowDomain(
            domain=domain,
            until=lane.slow_until if lane.slow_until and lane.slow_until > now else None,
            per_minute=rate(lane, cap=account.per_domain, now=now) or 1,
        )
        for domain, lane in found
        if steps_left(lane, now=now) > 0
    ]


def _lane(row: DomainPace) -> Lane:
    return Lane(
        minute=row.minute,
        used=row.used,
        tail=row.tail,
        tail_used=row.tail_used,
        slow_until=row.slow_until,
        steps=row.steps,
    )

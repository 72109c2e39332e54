"""Keeps earning rules and applies them to what happens on the timeline."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.clock import local_day
from crm.contacts.models import Contact
from crm.errors import NotFoundError, worded
from crm.interactions.kinds import Direction, InteractionKind
from crm.loyalty.errors import BadRuleError, NotReversibleError
from crm.loyalty.models import EarningRule, LedgerTransaction, Member, Program
from crm.loyalty.queries.points import points_given
from crm.loyalty.rules.ledger import MOST_POINTS, within_cap
from crm.loyalty.services import ledger, reversing
from crm.loyalty.services.programs import program_or_default

# Points for points would never end, and what we write ourselves is no merit of theirs.
NEVER_EARN = frozenset(
    {
        InteractionKind.POINTS_EARNED,
        InteractionKind.POINTS_SPENT,
        InteractionKind.OFFER_GIVEN,
        InteractionKind.FIELD_CHANGED,
        InteractionKind.CONSENT_CHANGED,
        InteractionKind.MESSAGE_SENT,
        InteractionKind.NOTE,
    }
)

# The networks' terms treat points for these as buying reach; thank by hand afterwards instead.
FORBIDDEN_BY_NETWORKS = frozenset({InteractionKind.LIKE, InteractionKind.SHARE, InteractionKind.FOLLOW})


class RuleInput(BaseModel):
    """An earning rule: points for a kind of interaction, at most `cap_per_day` per member and local day."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=80)
    interaction_kind: str = Field(min_length=1, max_length=64)
    points: int = Field(ge=1, le=MOST_POINTS, strict=True)
    channel: ChannelKind | None = None
    direction: Direction | None = None
    cap_per_day: int | None = Field(None, ge=1, le=MOST_POINTS, strict=True)
    validity_months: int | None = Field(None, ge=1, le=120, strict=True)


def create_rule(
    session: Session, actor: Actor, *, data: RuleInput, program_id: UUID | None = None, now: datetime
) -> EarningRule:
    """Switch on a rule; what happened before `now` earns nothing by it.

    Raises `BadRuleError` for a kind that can't earn, or that networks forbid to reward, `NoProgramError`,
    `NotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.MANAGE_LOYALTY)
    if data.interaction_kind in NEVER_EARN:
        sentence = worded("This can't earn points: it is nothing that they do.")
        raise BadRuleError(sentence, fields={"interaction_kind": sentence})
    if data.interaction_kind in FORBIDDEN_BY_NETWORKS:
        sentence = worded("The networks forbid rewards for likes, shares and follows. Thank by hand afterwards.")
        raise BadRuleError(sentence, fields={"interaction_kind": sentence})
    if data.cap_per_day is not None and data.cap_per_day < data.points:
        sentence = worded("The daily cap is below the points of one event.")
        raise BadRuleError(sentence, fields={"cap_per_day": sentence})
    program = program_or_default(session, program_id=program_id)
    rule = EarningRule(program_id=program.id, created_at=now, **data.model_dump())
    session.add(rule)
    session.flush()
    return rule


def retire_rule(session: Session, actor: Actor, *, rule_id: UUID, now: datetime) -> EarningRule:
    """Switch a rule off for good; what it gave stays. Raises `NotFoundError`, `ForbiddenError`."""
    actor.require(Permission.MANAGE_LOYALTY)
    rule = session.get(EarningRule, rule_id, with_for_update=True)
    if rule is None:
        raise NotFoundError(worded("There is no such rule."))
    if rule.is_active:
        rule.is_active, rule.retired_at = False, now
        session.flush()
    return rule


def award(
    session: Session,
    actor: Actor,
    *,
    interaction_id: UUID,
    contact_id: UUID,
    kind: str,
    channel: str | None,
    direction: str,
    happened_at: datetime,
    now: datetime,
) -> list[LedgerTransaction]:
    """Give the points that the rules in force grant for an interaction; once per rule and interaction.

    Nothing for people who are not members or joined later, or whose data may only be kept, nor by rules made after it
    happened. The daily cap counts
    by the local day on which it happened, net of what was taken back; the last award is cut to what the cap leaves.
    """
    if kind in NEVER_EARN:
        return []
    matching = session.execute(
        select(EarningRule, Member.id, Program.time_zone)
        .join(Program, Program.id == EarningRule.program_id)
        .join(Member, Member.program_id == EarningRule.program_id)
        .join(Contact, Contact.id == Member.contact_id)
        .where(
            EarningRule.interaction_kind == kind,
            EarningRule.is_active,
            EarningRule.created_at <= happened_at,
            or_(EarningRule.channel.is_(None), EarningRule.channel == channel),
            or_(EarningRule.direction.is_(None), EarningRule.direction == direction),
            Member.contact_id == contact_id,
            Contact.limited_at.is_(None),
            Member.left_at.is_(None),
            Member.joined_at <= happened_at,
        )
        .order_by(Member.id, EarningRule.id)
    ).all()
    made: list[LedgerTransaction] = []
    for rule, member_id, tz in matching:
        # Before the sum is read, so that two events of one moment can't both use the same rest of the cap.
        session.execute(select(Member.id).where(Member.id == member_id).with_for_update())
        day = local_day(happened_at, tz=tz)
        given = points_given(session, rule_id=rule.id, member_id=member_id, day=day)
        key = f"rule:{rule.id}:{interaction_id}"
        points = within_cap(rule.points, cap=rule.cap_per_day, given=given)
        if points == 0 or session.scalar(select(LedgerTransaction.id).where(LedgerTransaction.idempotency_key == key)):
            continue
        made.append(
            ledger.earn(
                session,
                actor,
                member_id=member_id,
                points=points,
                reason=rule.name,
                idempotency_key=key,
                cause_kind="interaction",
                cause_id=interaction_id,
                rule_id=rule.id,
                day=day,
                validity_months=rule.validity_months,
                request={"rule": rule.id, "interaction": interaction_id},
                now=now,
            )
        )
    return made


def take_back_for_interaction(
    session: Session, actor: Actor, *, interaction_id: UUID, now: datetime
) -> list[LedgerTransaction]:
    """Reverse what an interaction earned, because it was removed: pending points are void, spent ones leave a debt."""
    earned = session.scalars(
        select(LedgerTransaction)
        .where(
            LedgerTransaction.cause_kind == "interaction",
            LedgerTransaction.cause_id == interaction_id,
            LedgerTransaction.reverses_id.is_(None),
        )
        .order_by(LedgerTransaction.member_id, LedgerTransaction.id)
    ).all()
    made: list[LedgerTransaction] = []
    for entry in earned:
        # Somebody may have reversed it by hand before, or all of it has expired.
        with suppress(NotReversibleError):
            key = f"removed:{entry.id}"
            made.append(reversing.reverse(session, actor, entry_id=entry.id, reason="", idempotency_key=key, now=now))
    return made

"""Owns how often to be in touch with people: their own days, pausing, putting off, and the rule of the workspace."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries as contact_queries
from crm.contacts.inputs import Input, Line
from crm.contacts.kinds import Importance
from crm.contacts.models import Contact
from crm.errors import InvalidInputError
from crm.interactions.keeping_models import Cadence, Warmth
from crm.interactions.rules import cadence as rule
from crm.interactions.services.recounting import MET
from crm.interactions.services.warming import due_sql

MOST_DAYS: Final = 3_660
Days = Annotated[int | None, Field(ge=1, le=MOST_DAYS)]


class CadenceSettings(Input):
    """After how many days without two-way contact people of each importance are due; None: never."""

    key_days: Days = None
    high_days: Days = None
    normal_days: Days = None


class CadenceInput(Input):
    """How often to be in touch with one person: every `days` days, 0 for never, None for what their importance says."""

    days: Annotated[int | None, Field(ge=0, le=MOST_DAYS)] = None


class PauseInput(Input):
    """Why nobody needs to be in touch for now."""

    reason: Annotated[Line, Field(min_length=1, max_length=200)]


def change_settings(session: Session, actor: Actor, *, data: CadenceSettings, now: datetime) -> None:
    """Set the days of each importance, for everybody without a number of their own."""
    actor.require(Permission.BULK_EDIT)
    house = session.get_one(Workspace, actor.workspace_id)
    house.cadence_key_days, house.cadence_high_days = data.key_days, data.high_days
    house.cadence_normal_days = data.normal_days
    session.flush()
    follow_importance(session, actor, now=now)


def set_days(session: Session, actor: Actor, *, contact_id: UUID, data: CadenceInput, now: datetime) -> Cadence:
    """Give a person a rhythm of their own, or back to what their importance says."""
    row, person = _row(session, actor, contact_id, now=now)
    row.own_days = data.days
    row.days = held_days(session.get_one(Workspace, actor.workspace_id), person.importance, data.days)
    return _due(session, row)


def pause(session: Session, actor: Actor, *, contact_id: UUID, data: PauseInput, now: datetime) -> Cadence:
    """Nobody is told to be in touch until it is resumed."""
    row, _person = _row(session, actor, contact_id, now=now)
    row.paused_at, row.pause_reason = now, data.reason
    return _due(session, row)


def resume(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> Cadence:
    """The rhythm goes on from the last two-way contact."""
    row, _person = _row(session, actor, contact_id, now=now)
    row.paused_at, row.pause_reason = None, ""
    return _due(session, row)


def snooze(session: Session, actor: Actor, *, contact_id: UUID, until: datetime, now: datetime) -> Cadence:
    """Not due before a moment ahead; the rhythm itself stays."""
    if until <= now:
        sentence = N_("Choose a time that is still to come.")
        raise InvalidInputError(sentence, fields={"until": sentence})
    row, _person = _row(session, actor, contact_id, now=now)
    row.snoozed_until = until
    return _due(session, row)


def held_days(house: Workspace, importance: str, own_days: int | None) -> int | None:
    """The number of days that holds for a person; None for never."""
    if own_days is not None:
        return own_days or None
    by_importance = {
        Importance.KEY.value: house.cadence_key_days,
        Importance.HIGH.value: house.cadence_high_days,
        Importance.NORMAL.value: house.cadence_normal_days,
    }
    return by_importance.get(importance)


def _row(session: Session, actor: Actor, contact_id: UUID, *, now: datetime) -> tuple[Cadence, Contact]:
    """The person's row, made when there is none, locked; raises the contact's not-found error."""
    actor.require(Permission.EDIT)
    person = contact_queries.contact(session, actor, contact_id=contact_id)
    row = session.scalars(select(Cadence).where(Cadence.contact_id == contact_id).with_for_update()).one_or_none()
    if row is None:
        two_way_at = session.scalars(
            select(Warmth.two_way_at).where(Warmth.contact_id == contact_id, Warmth.user_id.is_(None))
        ).first()
        row = Cadence(contact_id=contact_id, began_at=now, two_way_at=two_way_at, wrote_at=person.last_outbound_at)
        row.met_at = session.scalar(text(f"select {MET} from contact c where c.id = :id"), {"id": contact_id})  # noqa: S608 - a text of ours.
        row.days = held_days(session.get_one(Workspace, actor.workspace_id), person.importance, None)
        session.add(row)
    return row, person


def _due(session: Session, row: Cadence) -> Cadence:
    row.due_at = rule.due_at(
        days=row.days,
        began_at=row.began_at,
        two_way_at=row.two_way_at,
        wrote_at=row.wrote_at,
        snoozed_until=row.snoozed_until,
        is_paused=row.paused_at is not None,
    )
    session.flush()
    return row


_BY_IMPORTANCE: Final = """case c.importance when 'key' then w.cadence_key_days when 'high' then w.cadence_high_days
    when 'normal' then w.cadence_normal_days end"""
_BEGIN: Final = f"""
    insert into cadence (id, workspace_id, contact_id, days, began_at, two_way_at, wrote_at, met_at, due_at)
    select gen_random_uuid(), workspace_id, contact_id, days, began_at, two_way_at, wrote_at, met_at, {due_sql()}
    from (
        select c.workspace_id, c.id as contact_id, {_BY_IMPORTANCE} as days, c.created_at as began_at, s.two_way_at,
            c.last_outbound_at as wrote_at, {MET} as met_at, null::timestamptz as paused_at,
            null::timestamptz as snoozed_until
        from workspace w
        join contact c on c.workspace_id = w.id and c.deleted_at is null
        left join warmth s on s.workspace_id = c.workspace_id and s.contact_id = c.id and s.user_id is null
        where w.id = :workspace_id and {_BY_IMPORTANCE} is not null
            and not exists (select from cadence k where k.workspace_id = c.workspace_id and k.contact_id = c.id)
            %(only)s
        limit :most
    ) fresh
    on conflict (workspace_id, contact_id) do nothing"""  # noqa: S608 - texts of this module.
_FOLLOW: Final = f"""
    update cadence set days = held.days, due_at = {due_sql(days="held.days")}
    from (
        select k.id, {_BY_IMPORTANCE} as days
        from workspace w
        join cadence k on k.workspace_id = w.id and k.own_days is null
        join contact c on c.workspace_id = k.workspace_id and c.id = k.contact_id
        where w.id = :workspace_id and k.days is distinct from ({_BY_IMPORTANCE}) %(only)s
        limit :most
    ) held
    where cadence.id = held.id"""  # noqa: S608 - texts of this module.
_ONLY: Final = "and c.id = any(cast(:ids as uuid[]))"
#: So many rows are brought in line at once.
MOST_ROWS: Final = 20_000


def follow_importance(
    session: Session,
    actor: Actor,
    *,
    now: datetime,  # noqa: ARG001 - every service has it.
    most: int = MOST_ROWS,
) -> int:
    """Let people whose importance has a rhythm have it, and those whose importance changed the new one.

    At most `most` of each; returns how many it was, so that who has more goes on.
    """
    return _follow(session, {"workspace_id": actor.workspace_id, "most": most}, only="")


def follow_these(session: Session, *, contact_ids: Collection[UUID], workspace_id: UUID) -> int:
    """The same for people whose importance was just set, in two statements for any number of them."""
    ids = sorted(set(contact_ids))
    return _follow(session, {"workspace_id": workspace_id, "most": len(ids), "ids": ids}, only=_ONLY) if ids else 0


def _follow(session: Session, given: dict[str, Any], *, only: str) -> int:
    done = [session.execute(text(wanted % {"only": only}), given) for wanted in (_BEGIN, _FOLLOW)]
    for held in list(session.identity_map.values()):
        if isinstance(held, Cadence):
            session.expire(held)
    return max(result.rowcount for result in done)  # type: ignore[attr-defined]

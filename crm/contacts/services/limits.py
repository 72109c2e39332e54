"""Owns limiting the processing of a person's data (GDPR, article 18) and lifting the limit again."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.sentences import N_
from crm.clock import local_day
from crm.contacts import queries
from crm.contacts.kinds import LimitGround
from crm.contacts.limit_models import ProcessingLimit
from crm.contacts.models import Contact
from crm.errors import ConflictError, InvalidInputError, worded
from crm.events import ProcessingLimited, ProcessingResumed, publish

#: Longest note, in letters.
NOTE: Final = 2_000


class ProcessingLimitedError(ConflictError):
    """The person's data may only be kept for the time being: what was asked for would use them."""

    code = "processing_limited"


def limit_processing(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    ground: LimitGround,
    asked_on: date,
    note: str = "",
    now: datetime,
) -> ProcessingLimit:
    """Let a person's data be kept and nothing else until `lift_limit`; a second limit beside the first is refused.

    Publishes `ProcessingLimited`: what waits to be sent is held. Raises `ConflictError`, `InvalidInputError` for a
    day that is still to come, `ContactNotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.ERASE)
    person = queries.contact(session, actor, contact_id=contact_id, lock=True)
    if person.limited_at is not None:
        raise ConflictError(N_("The processing of this person’s data is limited already."), code="limited_already")
    if asked_on > local_day(now, tz=actor.time_zone):
        sentence = N_("This day is still to come.")
        raise InvalidInputError(sentence, fields={"asked_on": sentence})
    row = ProcessingLimit(
        workspace_id=actor.workspace_id,
        contact_id=contact_id,
        ground=ground.value,
        note=_note(note),
        asked_on=asked_on,
        since=now,
        user_id=actor.user_id,
    )
    session.add(row)
    person.limited_at = person.updated_at = now
    session.flush()
    publish(session, ProcessingLimited(workspace_id=actor.workspace_id, now=now, contact_id=contact_id))
    # The note lies in the limit, where erasing finds it.
    _record(session, actor, "contact.processing_limited", contact_id, {"ground": ground.value})
    return row


def lift_limit(session: Session, actor: Actor, *, contact_id: UUID, note: str, now: datetime) -> Contact:
    """End every limit that stands on a person; the law has the person told before, and `note` says how.

    Publishes `ProcessingResumed`: what was held goes back to its schedule, but for what is too late by now. Raises
    `ConflictError` when none stands, `InvalidInputError` without a note, `ContactNotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.ERASE)
    person = queries.contact(session, actor, contact_id=contact_id, lock=True)
    if person.limited_at is None:
        raise ConflictError(N_("The processing of this person’s data is not limited."), code="not_limited")
    if not note.strip():
        sentence = N_("Write how the person was told.")
        raise InvalidInputError(sentence, fields={"note": sentence})
    session.execute(
        update(ProcessingLimit)
        .where(ProcessingLimit.contact_id == contact_id, ProcessingLimit.lifted_at.is_(None))
        .values(lifted_at=now, lifted_by_id=actor.user_id, lift_note=_note(note))
    )
    person.limited_at, person.updated_at = None, now
    session.flush()
    publish(session, ProcessingResumed(workspace_id=actor.workspace_id, now=now, contact_id=contact_id))
    _record(session, actor, "contact.limit_lifted", contact_id, {})
    return person


def refuse_limited(session: Session, *, contact_id: UUID) -> None:
    """Raise `ProcessingLimitedError` when a person's data may only be kept."""
    if session.scalar(select(Contact.limited_at).where(Contact.id == contact_id)) is not None:
        raise ProcessingLimitedError(N_("The processing of this person’s data is limited: they are only kept."))


def _note(text: str) -> str:
    clean = text.strip()
    if len(clean) > NOTE:
        sentence = worded("Write at most %(most)s letters.", most=NOTE)
        raise InvalidInputError(sentence, fields={"note": sentence})
    return clean


def _record(session: Session, actor: Actor, action: str, contact_id: UUID, after: dict[str, str]) -> None:
    audit.record(session, actor, action=action, object_kind="contact", object_id=contact_id, after=after)

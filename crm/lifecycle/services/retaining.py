"""Keeps data no longer than the workspace says: what would go, and taking it away in bounded parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import Select, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import AuditDetail, AuditEntry
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.sentences import N_
from crm.contacts import services as contacts
from crm.contacts.change_models import Change, ChangeSet
from crm.contacts.kinds import Lifecycle
from crm.contacts.models import Contact
from crm.db import among, new_id
from crm.errors import InvalidInputError, worded
from crm.files.models import StoredFile
from crm.files.services import path_of
from crm.interactions.kinds import HistoryState
from crm.interactions.models import Interaction, InteractionBody
from crm.interactions.timeline_models import EarlierText, HistoryFile
from crm.lifecycle.kinds import ErasureCause, ImportState
from crm.lifecycle.models import Import, RefusedRow
from crm.lifecycle.privacy_models import RetentionRule
from crm.lifecycle.queries.erasures import days_of
from crm.lifecycle.rules.retention import FIXED_DAYS, LEAST_DAYS, MOST_DAYS, DataClass, cutoff
from crm.lifecycle.services import erasing
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.kinds import InboundState

#: Rows, and people, that one transaction takes.
ROWS: Final = 1_000
PEOPLE: Final = 50
SAMPLES: Final = 3
_COLD: Final = (Lifecycle.FOLLOWER.value, Lifecycle.LEAD.value, Lifecycle.PROSPECT.value)
_PEOPLE: Final = frozenset({DataClass.INACTIVE_LEADS, DataClass.DELETED_PEOPLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What would go of one class: how much, since when the oldest is there, and a few of the people."""

    data_class: DataClass
    days: int | None
    count: int
    oldest: datetime | None
    people: tuple[str, ...]


def choose(session: Session, actor: Actor, *, days: Mapping[DataClass, int | None]) -> None:
    """Say how long classes are kept; those that are not named stay as they are.

    Raises `InvalidInputError` on a class whose days are too few or too many, or nobody's choice.
    """
    actor.require(Permission.MANAGE_WORKSPACE)
    fixed = sorted(kind.value for kind in days if kind in FIXED_DAYS)
    if fixed:
        sentence = N_("These days are given: as long as it can be undone, and no longer.")
        raise InvalidInputError(sentence, fields=dict.fromkeys(fixed, sentence))
    sentence = worded("Write %(least)s to %(most)s days, or nothing to keep it.", least=LEAST_DAYS, most=MOST_DAYS)
    wrong = {kind.value: sentence for kind, value in days.items() if value is not None and not _fits(value)}
    if wrong:
        raise InvalidInputError(sentence, fields=wrong)
    before = days_of(session)
    for kind, value in days.items():
        made = insert(RetentionRule).values(
            id=new_id(), workspace_id=actor.workspace_id, data_class=kind.value, days=value
        )
        session.execute(made.on_conflict_do_update(index_elements=["workspace_id", "data_class"], set_={"days": value}))
    old, new = audit.changes({k.value: v for k, v in before.items()}, {k.value: v for k, v in days.items()})
    if new:
        audit.record(session, actor, action="retention.changed", object_kind="workspace", before=old, after=new)


def _fits(days: int) -> bool:
    return LEAST_DAYS <= days <= MOST_DAYS


def outlook(session: Session, actor: Actor, *, now: datetime) -> list[Outlook]:
    """What would go tonight, by class, without taking anything: the dry run."""
    actor.require(Permission.MANAGE_WORKSPACE)
    return [_outlook(session, kind, days, now=now) for kind, days in days_of(session).items()]


def _outlook(session: Session, kind: DataClass, days: int | None, *, now: datetime) -> Outlook:
    if days is None:
        return Outlook(data_class=kind, days=None, count=0, oldest=None, people=())
    due = _due(kind, cutoff(now, days)).subquery()
    count, oldest = session.execute(select(func.count(), func.min(due.c.since)).select_from(due)).one()
    names: tuple[str, ...] = ()
    if kind in _PEOPLE:
        wanted = select(Contact.display_name).join(due, due.c.id == Contact.id).order_by(due.c.since).limit(SAMPLES)
        names = tuple(session.scalars(wanted))
    return Outlook(data_class=kind, days=days, count=count, oldest=oldest, people=names)


Due: TypeAlias = Select[*tuple[Any, ...]]
"""(id, since) of what a class has that is older than a moment."""


def _due(kind: DataClass, before: datetime) -> Due:
    return _DUE[kind](before)


def _raw_mails(before: datetime) -> Due:
    found = select(InboundRaw.id, InboundEvent.received_at.label("since"))
    found = found.join(InboundEvent, InboundEvent.id == InboundRaw.event_id)
    return found.where(InboundEvent.received_at < before, InboundEvent.state != InboundState.STORED)


def _refused_rows(before: datetime) -> Due:
    found = select(RefusedRow.id, Import.finished_at.label("since"))
    return found.join(Import, Import.id == RefusedRow.import_id).where(Import.finished_at < before, _ENDED)


def _read_files(before: datetime) -> Due:
    found = select(Import.file_id, Import.finished_at.label("since"))
    found = found.join(StoredFile, StoredFile.id == Import.file_id)
    return found.where(Import.finished_at < before, _ENDED, StoredFile.size > 0)


def _chat_files(before: datetime) -> Due:
    since = func.coalesce(HistoryFile.finished_at, HistoryFile.created_at)
    found = select(HistoryFile.id, since.label("since")).join(StoredFile, StoredFile.id == HistoryFile.file_id)
    return found.where(since < before, HistoryFile.state.in_(_RESTING), StoredFile.size > 0)


def _change_values(before: datetime) -> Due:
    found = select(Change.id, ChangeSet.created_at.label("since"))
    return found.join(ChangeSet, ChangeSet.id == Change.change_set_id).where(ChangeSet.created_at < before)


def _removed_texts(before: datetime) -> Due:
    found = select(InteractionBody.id, Interaction.removed_at.label("since"))
    found = found.join(Interaction, Interaction.id == InteractionBody.interaction_id)
    return found.where(Interaction.removed_at < before)


def _audit_values(before: datetime) -> Due:
    full = or_(AuditDetail.before != {}, AuditDetail.after != {}, AuditDetail.ip != "")
    found = select(AuditDetail.id, AuditEntry.at.label("since"))
    return found.join(AuditEntry, AuditEntry.id == AuditDetail.entry_id).where(AuditEntry.at < before, full)


def _inactive_leads(before: datetime) -> Due:
    since = func.coalesce(Contact.last_interaction_at, Contact.created_at)
    found = select(Contact.id, since.label("since"))
    return found.where(since < before, Contact.deleted_at.is_(None), Contact.lifecycle.in_(_COLD))


def _deleted_people(before: datetime) -> Due:
    left = (Contact.erased_at.is_(None), Contact.merged_into_id.is_(None))
    return select(Contact.id, Contact.deleted_at.label("since")).where(Contact.deleted_at < before, *left)


_ENDED: Final = Import.state.in_([ImportState.DONE.value, ImportState.FAILED.value])
_RESTING: Final = (HistoryState.UPLOADED.value, HistoryState.DONE.value, HistoryState.FAILED.value)
_DUE: Final[dict[DataClass, Callable[[datetime], Due]]] = {
    DataClass.RAW_MAILS: _raw_mails,
    DataClass.REFUSED_ROWS: _refused_rows,
    DataClass.READ_FILES: _read_files,
    DataClass.CHAT_FILES: _chat_files,
    DataClass.CHANGE_VALUES: _change_values,
    DataClass.REMOVED_TEXTS: _removed_texts,
    DataClass.AUDIT_VALUES: _audit_values,
    DataClass.INACTIVE_LEADS: _inactive_leads,
    DataClass.DELETED_PEOPLE: _deleted_people,
}


def take(session: Session, actor: Actor, *, kind: DataClass, days: int, folder: Path, now: datetime) -> int:
    """Take one part of what is over of a class; returns how much went, 0 when nothing is left.

    `folder` holds stored files: they go first, so that a crash leaves a row without a file and never the reverse.
    """
    limit = PEOPLE if kind in _PEOPLE else ROWS
    wanted = _due(kind, cutoff(now, days)).order_by("since").limit(limit)
    ids: list[UUID] = [row[0] for row in session.execute(wanted)]
    if kind in _PEOPLE:
        for contact_id in ids:
            _take_person(session, actor, kind, contact_id, now=now)
    elif ids:
        _take_rows(session, kind, ids, folder=folder, now=now)
    return len(ids)


def _take_person(session: Session, actor: Actor, kind: DataClass, contact_id: UUID, *, now: datetime) -> None:
    if kind is DataClass.INACTIVE_LEADS:
        contacts.delete(session, actor, contact_id=contact_id, now=now)
    else:
        cause = ErasureCause.RETENTION
        erasing.erase(session, actor, contact_id=contact_id, confirm=None, cause=cause, now=now)


def _empty(session: Session, file_ids: Sequence[UUID], *, folder: Path) -> None:
    """Take the bytes of stored files; that there was a file stays."""
    for file_id in file_ids:
        path_of(folder, file_id).unlink(missing_ok=True)
    session.execute(update(StoredFile).where(among(StoredFile.id, file_ids)).values(size=0))


def _take_chats(session: Session, ids: Sequence[UUID], *, folder: Path, now: datetime) -> None:
    """Take the files of chats and calendars, with the names that were found in them; unread ones are read no more."""
    files = session.scalars(select(HistoryFile.file_id).where(among(HistoryFile.id, ids)))
    _empty(session, [file_id for file_id in files if file_id], folder=folder)
    unread = HistoryFile.state == HistoryState.UPLOADED.value
    session.execute(
        update(HistoryFile)
        .where(among(HistoryFile.id, ids))
        .values(
            found=[],
            people={},
            state=case((unread, HistoryState.FAILED.value), else_=HistoryFile.state),
            finished_at=func.coalesce(HistoryFile.finished_at, now),
        )
    )


def _take_rows(session: Session, kind: DataClass, ids: Sequence[UUID], *, folder: Path, now: datetime) -> None:
    if kind is DataClass.RAW_MAILS:
        session.execute(delete(InboundRaw).where(among(InboundRaw.id, ids)))
    elif kind is DataClass.REFUSED_ROWS:
        session.execute(delete(RefusedRow).where(among(RefusedRow.id, ids)))
    elif kind is DataClass.READ_FILES:
        _empty(session, ids, folder=folder)
    elif kind is DataClass.CHAT_FILES:
        _take_chats(session, ids, folder=folder, now=now)
    elif kind is DataClass.CHANGE_VALUES:
        session.execute(delete(Change).where(among(Change.id, ids)))
    elif kind is DataClass.REMOVED_TEXTS:
        of = select(InteractionBody.interaction_id).where(among(InteractionBody.id, ids))
        session.execute(delete(EarlierText).where(EarlierText.interaction_id.in_(of)))
        session.execute(delete(InteractionBody).where(among(InteractionBody.id, ids)))
    else:
        session.execute(update(AuditDetail).where(among(AuditDetail.id, ids)).values(before={}, after={}, ip=""))

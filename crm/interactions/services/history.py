"""Owns bringing in history that nobody logged by hand: keep the file, ask who is who, put it on the timelines."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission, ProgressState
from crm.accounts.rules import Actor
from crm.accounts.services import audit, progress
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.clock import zone
from crm.contacts import queries as contact_queries
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError
from crm.files import services as files
from crm.files.models import StoredFile
from crm.interactions import queries
from crm.interactions.chats import reading
from crm.interactions.chats.item import EVERYBODY, Item, UnreadableHistoryError, key_of
from crm.interactions.kinds import Direction, HistoryFormat, HistoryState, InteractionKind
from crm.interactions.models import Interaction, InteractionBody
from crm.interactions.services.entries import Entry
from crm.interactions.services.judging import judged, put_labels, settle
from crm.interactions.services.timeline import row_of, touch_contacts
from crm.interactions.services.warming import warm
from crm.interactions.timeline_models import HistoryFile

KIND: Final = "history"
#: Stands in the mapping for the person who brings the history in.
ME: Final = "me"
CHANNELS: Final = {
    HistoryFormat.WHATSAPP: ChannelKind.WHATSAPP,
    HistoryFormat.LINKEDIN: ChannelKind.LINKEDIN,
    HistoryFormat.INSTAGRAM: ChannelKind.INSTAGRAM,
    # Guests of a meeting are known by their e-mail addresses.
    HistoryFormat.CALENDAR: ChannelKind.EMAIL,
}
UNREADABLE: Final = {
    "packed": N_("This is a packed file. Unpack it first, and choose the chat, messages.csv, JSON or .ics in it."),
    "unknown_format": N_("This is no chat of WhatsApp, LinkedIn or Instagram and no calendar file."),
    "empty": N_("There is nothing in this file that happened with somebody."),
    "broken_table": N_("The table in this file is broken."),
    "no_columns": N_("The columns of LinkedIn’s messages.csv are missing."),
    "no_json": N_("This JSON can’t be read."),
    "no_messages": N_("There are no messages in this JSON. Choose a file called message_1.json."),
    "no_calendar": N_("This calendar file can’t be read."),
}
_LIVE: Final = frozenset({HistoryState.QUEUED, HistoryState.RUNNING})
_AHEAD: Final = timedelta(minutes=5)


class UnreadableFileError(InvalidInputError):
    """The file is none that we know."""

    code = "unreadable_history"


class HistoryStateError(ConflictError):
    """This history was started already."""

    code = "history_started"


def upload(
    session: Session, actor: Actor, *, folder: Path, name: str, stream: IO[bytes], limit: int, now: datetime
) -> HistoryFile:
    """Keep the file and tell who and what is in it. Raises `UnreadableFileError`, `FileTooLargeError`."""
    actor.require(Permission.IMPORT)
    media_type = "application/octet-stream"
    kept = files.store(
        session,
        folder=folder,
        name=name,
        media_type=media_type,
        stream=stream,
        limit=limit,
        created_by_id=actor.user_id,
    )
    try:
        with files.open_file(session, folder=folder, file_id=kept.id) as file:
            found = reading.survey(file, zone=zone(actor.time_zone), now=now)
    except UnreadableHistoryError as error:
        files.path_of(folder, kept.id).unlink(missing_ok=True)
        sentence = UNREADABLE[error.code]
        raise UnreadableFileError(sentence, fields={"file": sentence}) from error
    row = HistoryFile(
        file_id=kept.id,
        file_name=kept.name,
        format=found.format.value,
        time_zone=actor.time_zone,
        day_first=found.day_first,
        found=[list(pair) for pair in found.names],
        total=found.total,
        created_by_id=actor.user_id,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def start(
    session: Session,
    actor: Actor,
    *,
    history_id: UUID,
    people: Mapping[str, str],
    day_first: bool,
    now: datetime,
) -> HistoryFile:
    """Say who is who and queue it; the edge wakes a worker after the commit.

    `people` maps names of the file to the id of a contact or to `ME`; others are left out. Raises
    `HistoryStateError`, `InvalidInputError` and the contacts' not-found error.
    """
    row = queries.history_file(session, actor, history_id=history_id, lock=True)
    if row.state != HistoryState.UPLOADED:
        raise HistoryStateError(N_("This history was started already."))
    known = {name for name, _count in row.found}
    chosen = {name: value for name, value in people.items() if name in known and value}
    try:
        ids = {UUID(value) for value in chosen.values() if value != ME}
    except ValueError as error:
        raise InvalidInputError(N_("Choose a person from the list.")) from error
    if not ids:
        raise InvalidInputError(N_("Say who at least one of them is."), fields={"people": N_("Choose a person.")})
    if set(contact_queries.contacts(session, actor, contact_ids=ids)) != ids:
        raise contact_queries.ContactNotFoundError(N_("There is no such person, or you may not see them."))
    work = progress.start(
        session,
        actor,
        kind=KIND,
        title=row.file_name,
        object_id=row.id,
        total=row.total,
        url=f"/history/{row.id}",
        now=now,
    )
    row.people, row.day_first, row.progress_id = chosen, day_first, work.id
    row.state = HistoryState.QUEUED.value
    session.flush()
    told = {"file": row.file_name, "format": row.format, "people": len(ids)}
    audit.record(session, actor, action="history.started", object_kind=KIND, object_id=row.id, after=told)
    return row


def land_part(session: Session, actor: Actor, *, row: HistoryFile, items: Sequence[Item], now: datetime) -> int:
    """Put a part on the timelines and count it, all in the caller's transaction; how many entries were new."""
    told = [_entries(row, item, now=now) for item in items]
    entries = [entry for each in told for entry in each]
    added = backfill(session, actor, entries=entries, now=now)
    row.state = HistoryState.RUNNING.value
    row.next_item += len(items)
    row.added += added
    row.known += len(entries) - added
    row.left_out += told.count([])
    session.flush()
    assert row.progress_id is not None, "history that runs has a progress row"  # noqa: S101 - set by `start`.
    progress.advance(session, actor, progress_id=row.progress_id, done=row.next_item, now=now)
    return added


def backfill(session: Session, actor: Actor, *, entries: Sequence[Entry], now: datetime) -> int:
    """Put what happened long ago in its place with few statements; how many were new.

    As `log_many`, but nobody is told: history that is brought in earns no points and rings no bell. Keyword rules
    apply, and last-exchange dates only move forward.
    """
    if not entries:
        return 0
    entries = judged(session, entries)
    ids = [new_id() for _ in entries]
    made = session.scalars(
        insert(Interaction)
        .values([row_of(actor, key, entry, now=now) for key, entry in zip(ids, entries, strict=True)])
        .on_conflict_do_nothing(
            index_elements=["workspace_id", "channel", "external_id"],
            index_where=Interaction.external_id.is_not(None),
        )
        .returning(Interaction)
    ).all()
    fresh = {row.id for row in made}
    new = [(key, entry) for key, entry in zip(ids, entries, strict=True) if key in fresh]
    bodies = [
        {"id": new_id(), "workspace_id": actor.workspace_id, "interaction_id": key}
        | {"subject": entry.subject, "body": entry.body}
        for key, entry in new
        if entry.subject or entry.body
    ]
    if bodies:
        session.execute(insert(InteractionBody), bodies)
    put_labels(session, actor, [(key, label_id) for key, entry in new for label_id in entry.label_ids])
    touch_contacts(session, made)
    warm(session, made, now=now)
    settle(session, made)
    return len(made)


def _entries(row: HistoryFile, item: Item, *, now: datetime) -> list[Entry]:
    """What an item puts on timelines: a message on one, a meeting on each guest's, nothing where nobody is known."""
    if item.at > now + _AHEAD:
        return []
    if row.format == HistoryFormat.CALENDAR:
        return [_entry(row, item, name, InteractionKind.MEETING) for name in item.to if _contact(row, name)]
    if row.people.get(item.who) != ME:
        return [_entry(row, item, item.who, InteractionKind.MESSAGE_RECEIVED)] if _contact(row, item.who) else []
    names = row.people if item.to == EVERYBODY else item.to
    others = [name for name in names if _contact(row, name)]
    # What one says to a group is said to nobody in particular.
    return [_entry(row, item, others[0], InteractionKind.MESSAGE_SENT)] if len(others) == 1 else []


def _contact(row: HistoryFile, name: str) -> UUID | None:
    value = row.people.get(name)
    return UUID(value) if value and value != ME else None


def _entry(row: HistoryFile, item: Item, name: str, kind: InteractionKind) -> Entry:
    channel = CHANNELS[HistoryFormat(row.format)]
    inbound = kind is InteractionKind.MESSAGE_RECEIVED
    return Entry(
        kind=kind,
        happened_at=item.at,
        contact_id=_contact(row, name),
        direction=Direction.INBOUND if inbound else None,
        channel=channel.value,
        subject=item.subject,
        body=item.text,
        # Ours is one of a kind only together with whom it went to.
        external_id=item.key if inbound else key_of(item.key, name),
        author_id=None if inbound else row.created_by_id,
        duration_minutes=item.minutes,
    )


def finish(session: Session, actor: Actor, *, row: HistoryFile, folder: Path, error: str = "", now: datetime) -> None:
    """End it; the file and the names in it are thrown away, since what was wanted of them is on the timelines."""
    row.state = (HistoryState.FAILED if error else HistoryState.DONE).value
    row.finished_at = now
    result: dict[str, Any] = {"added": row.added, "known": row.known, "left_out": row.left_out}
    assert row.progress_id is not None, "history that runs has a progress row"  # noqa: S101 - set by `start`.
    state = ProgressState.FAILED if error else ProgressState.DONE
    progress.finish(session, actor, progress_id=row.progress_id, state=state, result=result, now=now)
    forget_file(session, row=row, folder=folder)


def forget_file(session: Session, *, row: HistoryFile, folder: Path) -> None:
    """Throw the file and the names away."""
    file_id, row.file_id, row.found, row.people = row.file_id, None, [], {}
    session.flush()
    if file_id is not None:
        stored = session.get(StoredFile, file_id)
        if stored is not None:
            session.delete(stored)
            session.flush()
        files.path_of(folder, file_id).unlink(missing_ok=True)


def discard(session: Session, actor: Actor, *, history_id: UUID, folder: Path) -> None:
    """Throw away what was uploaded and not started; raises `HistoryStateError`."""
    row = queries.history_file(session, actor, history_id=history_id, lock=True)
    if row.state in _LIVE:
        raise HistoryStateError(N_("This history was started already."))
    forget_file(session, row=row, folder=folder)
    session.delete(row)
    session.flush()

"""Owns putting brought-in history on the timelines: who is meant, what a group is, which files lie with it."""

import mimetypes
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.accounts.services import progress
from crm.channels.base import ChannelKind
from crm.db import among, new_id
from crm.files import services as files
from crm.interactions.chats import packed
from crm.interactions.chats.item import EVERYBODY, Item, key_of
from crm.interactions.kinds import Direction, HistoryFormat, HistoryState, InteractionKind, LeftOut
from crm.interactions.models import Interaction, InteractionBody
from crm.interactions.services.entries import Entry
from crm.interactions.services.judging import judged, put_labels, settle
from crm.interactions.services.timeline import row_of, touch_contacts
from crm.interactions.services.warming import warm
from crm.interactions.timeline_models import EntryFile, HistoryFile

#: Stands in the mapping for the person who brings the history in.
ME: Final = "me"
CHANNELS: Final = {
    HistoryFormat.WHATSAPP: ChannelKind.WHATSAPP,
    HistoryFormat.LINKEDIN: ChannelKind.LINKEDIN,
    HistoryFormat.INSTAGRAM: ChannelKind.INSTAGRAM,
    # Guests of a meeting are known by their e-mail addresses.
    HistoryFormat.CALENDAR: ChannelKind.EMAIL,
}
#: What we say to a group is shown on the timelines of its known members, in a group of so many of them.
MOST_IN_GROUP: Final = 10
#: What one brought-in history may put beside entries: so many files, so many bytes together.
MOST_FILES: Final = 1_000
MOST_BYTES: Final = 200 * 1024 * 1024
_AHEAD: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Beside:
    """Where the files of messages are found by their names, and where they are kept."""

    find: Callable[[str], packed.Found | None]
    folder: Path


def land_part(
    session: Session, actor: Actor, *, row: HistoryFile, items: Sequence[Item], beside: Beside | None, now: datetime
) -> int:
    """Put a part on the timelines and count it, all in the caller's transaction; how many entries were new.

    `beside` hands out the files of an archive; None where the history has none.
    """
    told = [_entries(row, item, now=now) for item in items]
    entries = [entry for each in told if isinstance(each, list) for entry in each]
    added = backfill(session, actor, entries=entries, now=now)
    if beside is not None:
        wanted = {
            entry.external_id: item.files
            for item, each in zip(items, told, strict=True)
            if item.files and isinstance(each, list)
            for entry in each
            if entry.external_id
        }
        _keep_files(session, row, wanted, beside)
    left = Counter(each.value for each in told if isinstance(each, LeftOut))
    row.state = HistoryState.RUNNING.value
    row.next_item += len(items)
    row.added += added
    row.known += len(entries) - added
    row.left_out += left.total()
    row.left_why = dict(Counter(row.left_why) + left)
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


def _keep_files(session: Session, row: HistoryFile, wanted: Mapping[str, Sequence[str]], beside: Beside) -> None:
    """Put the files of messages beside their entries, also of those that are there without; each entry once."""
    if not wanted:
        return
    where = (Interaction.channel == CHANNELS[HistoryFormat(row.format)].value, Interaction.removed_at.is_(None))
    known = select(Interaction.external_id, Interaction.id).where(
        *where, among(Interaction.external_id, sorted(wanted)), Interaction.contact_id.is_not(None)
    )
    ids = {key: entry_id for key, entry_id in session.execute(known) if key}
    held = select(EntryFile.interaction_id).where(among(EntryFile.interaction_id, sorted(ids.values())))
    has_some = set(session.scalars(held)) if ids else set()
    for key in (one for one in wanted if one in ids and ids[one] not in has_some):
        for name in dict.fromkeys(wanted[key]):
            found = beside.find(name)
            if found is not None:
                _keep(session, row, ids[key], found, beside.folder)


def _keep(session: Session, row: HistoryFile, entry_id: UUID, found: packed.Found, folder: Path) -> None:
    is_enough = row.files_kept >= MOST_FILES or row.bytes_kept + found.size > MOST_BYTES
    if found.size > packed.MAX_FILE or is_enough:
        row.files_left += 1
        return
    try:
        with found.stream as stream:
            stored = files.store(
                session,
                folder=folder,
                name=found.name,
                media_type=mimetypes.guess_type(found.name)[0] or "application/octet-stream",
                stream=stream,
                limit=packed.MAX_FILE,
                created_by_id=row.created_by_id,
            )
    except packed.BROKEN:
        # One damaged photo must not keep the words out.
        row.files_left += 1
        return
    session.add(EntryFile(interaction_id=entry_id, file_id=stored.id))
    row.files_kept += 1
    row.bytes_kept += stored.size


def _entries(row: HistoryFile, item: Item, *, now: datetime) -> list[Entry] | LeftOut:
    """What an item puts on timelines: a message on one, a meeting on each guest's; or why on none."""
    if item.at > now + _AHEAD:
        return LeftOut.AHEAD
    if row.format == HistoryFormat.CALENDAR:
        return [_entry(row, item, name, InteractionKind.MEETING) for name in item.to if _contact(row, name)] or (
            LeftOut.NOBODY
        )
    in_group = _is_group(row, item)
    if row.people.get(item.who) != ME:
        kind = InteractionKind.MESSAGE_IN_GROUP if in_group else InteractionKind.MESSAGE_RECEIVED
        return [_entry(row, item, item.who, kind)] if _contact(row, item.who) else LeftOut.NOBODY
    names = row.people if item.to == EVERYBODY else item.to
    # One person may stand there under two names: once with the number alone.
    others = list({_contact(row, name): name for name in names if _contact(row, name)}.values())
    if not others:
        return LeftOut.NOBODY
    if in_group and len(others) > MOST_IN_GROUP:
        return LeftOut.GROUP
    kind = InteractionKind.MESSAGE_IN_GROUP if in_group else InteractionKind.MESSAGE_SENT
    return [_entry(row, item, name, kind) for name in others]


def _is_group(row: HistoryFile, item: Item) -> bool:
    """Whether more than two people are in the conversation; names that are one person count once."""
    names = {str(name) for name, _count in row.found} if item.to == EVERYBODY else {item.who, *item.to}
    people = {row.people.get(name, name) for name in names}
    # Who does not say which name is theirs is one of the others.
    return len(people - {ME}) > (1 if ME in row.people.values() else 2)


def _contact(row: HistoryFile, name: str) -> UUID | None:
    value = row.people.get(name)
    return UUID(value) if value and value != ME else None


def _entry(row: HistoryFile, item: Item, name: str, kind: InteractionKind) -> Entry:
    channel = CHANNELS[HistoryFormat(row.format)]
    is_meeting = kind is InteractionKind.MEETING
    is_theirs = not is_meeting and item.who == name
    direction = None if is_meeting else Direction.INBOUND if is_theirs else Direction.OUTBOUND
    return Entry(
        kind=kind,
        happened_at=item.at,
        contact_id=_contact(row, name),
        direction=direction,
        channel=channel.value,
        subject=item.subject,
        body=item.text,
        # Ours is one of a kind only together with whom it went to.
        external_id=item.key if is_theirs else key_of(item.key, name),
        author_id=None if is_theirs else row.created_by_id,
        duration_minutes=item.minutes,
    )

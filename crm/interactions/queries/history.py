"""Owns reading history that is brought in: the files, their progress, and who the names in them may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.models import Progress
from crm.accounts.rules import Actor
from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts import queries as contact_queries
from crm.contacts.models import Contact, Handle
from crm.db import among
from crm.errors import NotFoundError
from crm.filters.text import normalise as plain
from crm.interactions.kinds import HistoryFormat
from crm.interactions.timeline_models import HistoryFile
from crm.web.paging import Page, decode_cursor, page_of

#: So many names are looked for one by one; a chat has two, only a collection of chats has more.
MOST_LOOKED_FOR: Final = 40
_NEAR: Final = 4


class HistoryNotFoundError(NotFoundError):
    """No such history of this person's."""

    code = "history_not_found"


@dataclass(frozen=True, slots=True)
class HistoryView:
    """A file of history and the state of its work (None before it was started)."""

    row: HistoryFile
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contact that a name in a file may be; `is_sure` when nobody else is called so or has this address."""

    id: UUID
    name: str
    is_sure: bool


def history_file(session: Session, actor: Actor, *, history_id: UUID, lock: bool = False) -> HistoryFile:
    """The file, for whoever brought it: a chat is nobody else's business. Raises `HistoryNotFoundError`."""
    actor.require(Permission.IMPORT)
    wanted = select(HistoryFile).where(HistoryFile.id == history_id)
    row = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    is_mine = row is not None and (actor.kind is ActorKind.SYSTEM or row.created_by_id == actor.user_id)
    if row is None or not is_mine:
        raise HistoryNotFoundError(N_("There is no such history."))
    return row


def history_view(session: Session, actor: Actor, *, history_id: UUID) -> HistoryView:
    """The file with its progress."""
    row = history_file(session, actor, history_id=history_id)
    return HistoryView(row, session.get(Progress, row.progress_id) if row.progress_id else None)


def history_files(session: Session, actor: Actor, *, after: str | None = None, limit: int = 50) -> Page[HistoryFile]:
    """What the actor brought in, newest first."""
    actor.require(Permission.IMPORT)
    wanted = select(HistoryFile).where(HistoryFile.created_by_id == actor.user_id)
    if after:
        wanted = wanted.where(HistoryFile.id < decode_cursor(after, UUID)[0])
    rows = session.scalars(wanted.order_by(HistoryFile.id.desc()).limit(limit + 1)).all()
    return page_of(rows, limit=limit, key=lambda row: (row.id,))


def candidates(session: Session, actor: Actor, *, row: HistoryFile, names: Sequence[str]) -> dict[str, list[Candidate]]:
    """{name in the file: contacts that it may be, sure ones first}, only of contacts the actor may see.

    Addresses are looked up all at once; names of people one by one, `MOST_LOOKED_FOR` at most.
    """
    if row.format == HistoryFormat.CALENDAR:
        return _by_address(session, actor, names)
    found: dict[str, list[Candidate]] = {}
    for name in names[:MOST_LOOKED_FOR]:
        ids = contact_queries.search_contacts(session, actor, text=name, limit=_NEAR)
        people = contact_queries.contacts(session, actor, contact_ids=ids)
        same = [key for key in ids if key in people and plain(people[key].display_name) == plain(name)]
        sure = same[0] if len(same) == 1 else None
        near = [Candidate(key, people[key].display_name, key == sure) for key in ids if key in people]
        found[name] = sorted(near, key=lambda one: not one.is_sure)
    return found


def _by_address(session: Session, actor: Actor, names: Sequence[str]) -> dict[str, list[Candidate]]:
    norms: dict[str, str] = {}
    for name in names:
        try:
            norms[normalise(ChannelKind.EMAIL, name).address_norm] = name
        except AddressError:
            continue
    rows = session.execute(
        select(Handle.address_norm, Contact.id, Contact.display_name)
        .join(Contact, Contact.id == Handle.contact_id)
        .where(
            Handle.channel == ChannelKind.EMAIL,
            among(Handle.address_norm, sorted(norms)),
            Handle.deleted_at.is_(None),
            contact_queries.alive(actor),
        )
    )
    return {norms[norm]: [Candidate(key, shown, True)] for norm, key, shown in rows}

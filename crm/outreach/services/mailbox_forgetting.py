"""Owns throwing away what a mailbox brought in: all of its history, or everything of somebody who is kept out."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor, system_actor
from crm.accounts.services import audit
from crm.contacts.models import Handle
from crm.db import after_commit, among
from crm.files.models import StoredFile
from crm.files.services import path_of
from crm.interactions.models import Interaction
from crm.interactions.services import forgetting
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.kinds import MessageDirection
from crm.outreach.letter_models import MessageFile
from crm.outreach.mailbox_models import MailboxFolder, SyncedMailbox
from crm.outreach.models import Conversation, Message
from crm.outreach.services.mailbox_landing import SOURCE_KIND
from crm.outreach.services.mailboxes import load, stop
from crm.outreach.setup import files_folder
from crm.outreach.sifting import matches

#: Entries that go in one request; the page says how many are left.
MOST_AT_ONCE: Final = 20_000
_BATCH: Final = 500


def brought_in(session: Session, *, mailbox_id: UUID) -> int:
    """How many entries of the timelines came from this mailbox as history or as mail written elsewhere."""
    mine = select(func.count()).where(Interaction.source_id == mailbox_id, Interaction.source_kind == SOURCE_KIND)
    return session.scalar(mine) or 0


def forget_history(session: Session, actor: Actor, *, account_id: UUID, now: datetime) -> int:
    """Stop reading and take everything off the timelines that was brought in; how many entries were left to take.

    What came in as new mail, with its conversations, stays. Switched on again, the mailbox is read from the beginning.
    """
    box = stop(session, actor, account_id=account_id)
    wanted = select(Interaction.id).where(Interaction.source_id == box.id, Interaction.source_kind == SOURCE_KIND)
    _forget(session, actor, session.scalars(wanted.limit(MOST_AT_ONCE)).all(), now=now)
    for folder in session.scalars(select(MailboxFolder).where(MailboxFolder.mailbox_id == box.id).with_for_update()):
        folder.uidvalidity, folder.back_uid, folder.last_uid = None, None, 0
        folder.back_done = folder.back_total = folder.kept = folder.strangers = folder.left_out = 0
        folder.back_began_at, folder.again = None, False
    box.started_at = box.since = None
    session.flush()
    left = brought_in(session, mailbox_id=box.id)
    audit.record(session, actor, action="mailbox.forgotten", object_kind="sender_account", object_id=account_id)
    return left


def kept_of(session: Session, actor: Actor, *, account_id: UUID, patterns: Collection[str]) -> int:
    """How many entries and messages of these addresses and domains this mailbox has brought in so far."""
    box = load(session, actor, account_id=account_id)
    handles = _handles(session, box, patterns)
    return len(_entries(session, box, handles)) + len(_messages(session, box, handles))


def forget_of(session: Session, actor: Actor, *, account_id: UUID, patterns: Collection[str], now: datetime) -> int:
    """Throw away what came from or went to these addresses, raw mails included; how many entries and messages."""
    box = load(session, actor, account_id=account_id, lock=True)
    handles = _handles(session, box, patterns)
    messages = _messages(session, box, handles)
    told = session.scalars(select(Interaction.id).where(among(Interaction.source_id, messages))).all()
    entries = _entries(session, box, handles)
    _forget(session, actor, [*entries, *told], now=now)
    events = session.scalars(select(InboundEvent.id).where(among(InboundEvent.message_id, messages))).all()
    session.execute(delete(InboundRaw).where(among(InboundRaw.event_id, events)))
    talks = select(Message.conversation_id).where(among(Message.id, messages), Message.conversation_id.is_not(None))
    held = set(session.scalars(talks))
    files = session.scalars(select(MessageFile.file_id).where(among(MessageFile.message_id, messages))).all()
    session.execute(delete(Message).where(among(Message.id, messages)))
    _drop_files(session, files)
    still = set(session.scalars(select(Message.conversation_id).where(among(Message.conversation_id, held))))
    session.execute(delete(Conversation).where(among(Conversation.id, [one for one in held if one not in still])))
    session.flush()
    return len(entries) + len(messages)


def _drop_files(session: Session, file_ids: Sequence[UUID]) -> None:
    """The rows of files whose messages are gone now, and their bytes once this is committed."""
    session.execute(delete(StoredFile).where(among(StoredFile.id, file_ids)))
    for file_id in file_ids:
        path = path_of(files_folder(), file_id)
        after_commit(session, lambda path=path: path.unlink(missing_ok=True))


def _handles(session: Session, box: SyncedMailbox, patterns: Collection[str]) -> list[UUID]:
    """The addresses with which this mailbox had to do that are among the patterns."""
    entries = select(Interaction.handle_id).where(
        Interaction.source_id == box.id, Interaction.source_kind == SOURCE_KIND, Interaction.handle_id.is_not(None)
    )
    received = select(Message.handle_id).where(
        Message.account_id == box.account_id,
        Message.direction == MessageDirection.INBOUND,
        Message.handle_id.is_not(None),
    )
    ids = {*session.scalars(entries.distinct()), *session.scalars(received.distinct())}
    rows = session.execute(select(Handle.id, Handle.address_norm).where(among(Handle.id, ids)))
    return sorted(key for key, address in rows if matches(address, patterns))


def _entries(session: Session, box: SyncedMailbox, handles: Collection[UUID]) -> Sequence[UUID]:
    wanted = select(Interaction.id).where(
        Interaction.source_id == box.id,
        Interaction.source_kind == SOURCE_KIND,
        among(Interaction.handle_id, handles),
    )
    return session.scalars(wanted.limit(MOST_AT_ONCE)).all() if handles else []


def _messages(session: Session, box: SyncedMailbox, handles: Collection[UUID]) -> Sequence[UUID]:
    wanted = select(Message.id).where(
        Message.account_id == box.account_id,
        Message.direction == MessageDirection.INBOUND,
        among(Message.handle_id, handles),
    )
    return session.scalars(wanted.limit(MOST_AT_ONCE)).all() if handles else []


def _forget(session: Session, actor: Actor, ids: Sequence[UUID], *, now: datetime) -> None:
    # Whose mailbox it is may throw away what came from it, whoever looks after these people today.
    system = system_actor(actor.workspace_id)
    for start in range(0, len(ids), _BATCH):
        forgetting.forget(session, system, entry_ids=ids[start : start + _BATCH], folder=files_folder(), now=now)

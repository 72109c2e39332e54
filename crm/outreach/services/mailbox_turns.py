"""Owns whose turn a mailbox is: one worker at a time by a lease, and how far each of its folders is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.channels.base import OutcomeKind
from crm.channels.mailbox import Opened
from crm.outreach.kinds import MailboxState
from crm.outreach.mailbox_models import MailboxExclusion, MailboxFolder, SyncedMailbox
from crm.outreach.models import SenderAccount
from crm.outreach.sifting import Rules, norm

#: Each page renews it; a killed worker's mailbox is taken up again when it is over.
LEASE: Final = timedelta(minutes=2)
#: From one look for new mail to the next.
POLL: Final = timedelta(minutes=1)
#: The longest pause after the server could not be reached several times.
LONGEST_PAUSE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A mailbox that this worker has for now, and what holds for it."""

    mailbox_id: UUID
    account_id: UUID
    account_version: int
    user_id: UUID | None
    fencing: int
    rules: Rules
    folders: Sequence[MailboxFolder]


def take(session: Session, *, mailbox_id: UUID, now: datetime) -> Turn | None:
    """Take a mailbox; None when it is stopped, somebody else has it, or its account is gone.

    One that was refused is taken again after somebody changed its account.
    """
    box = session.scalars(
        select(SyncedMailbox).where(SyncedMailbox.id == mailbox_id).with_for_update(skip_locked=True)
    ).one_or_none()
    if box is None or (box.leased_until is not None and box.leased_until > now) or box.started_at is None:
        return None
    account = session.get(SenderAccount, box.account_id)
    if account is None or account.deleted_at is not None:
        return None
    mended = box.state == MailboxState.HELD and box.held_version != account.version
    if box.state != MailboxState.ON and not mended:
        return None
    box.state, box.held_version = MailboxState.ON.value, None
    box.fencing += 1
    box.leased_until = now + LEASE
    session.flush()
    patterns = session.scalars(select(MailboxExclusion.pattern).where(MailboxExclusion.mailbox_id == box.id))
    rules = Rules(
        own_address=norm(account.address),
        started_at=box.started_at,
        since=box.since or box.started_at,
        keeps_strangers=box.keeps_strangers,
        excluded=frozenset(patterns),
    )
    folders = session.scalars(
        select(MailboxFolder)
        .where(MailboxFolder.mailbox_id == box.id, MailboxFolder.is_on)
        .order_by(MailboxFolder.role, MailboxFolder.name, MailboxFolder.id)
    ).all()
    return Turn(
        mailbox_id=box.id,
        account_id=account.id,
        account_version=account.version,
        user_id=box.user_id,
        fencing=box.fencing,
        rules=rules,
        folders=folders,
    )


def keep(session: Session, turn: Turn, *, now: datetime) -> bool:
    """Renew the lease in a transaction that writes; False when the mailbox is no longer ours, or was stopped."""
    return _set(session, turn, leased_until=now + LEASE)


def _set(session: Session, turn: Turn, **values: Any) -> bool:
    held = session.execute(
        update(SyncedMailbox)
        .where(
            SyncedMailbox.id == turn.mailbox_id,
            SyncedMailbox.fencing == turn.fencing,
            SyncedMailbox.state == MailboxState.ON,
        )
        .values(**values)
        .returning(SyncedMailbox.id)
        .execution_options(synchronize_session=False)
    )
    return held.scalar() is not None


def finish(session: Session, turn: Turn, *, has_more: bool, now: datetime) -> None:
    """Give the mailbox back after a look that went well."""
    _set(
        session,
        turn,
        leased_until=None,
        next_at=now if has_more else now + POLL,
        looked_at=now,
        failures=0,
        error="",
    )


def fail(session: Session, turn: Turn, *, code: str, kind: OutcomeKind, now: datetime) -> None:
    """Give the mailbox back after the server refused us or could not be reached.

    A refusal waits for somebody to change the account, so that a wrong password is tried once; everything else is tried
    again after a pause that doubles.
    """
    box = session.get(SyncedMailbox, turn.mailbox_id)
    failures = (box.failures if box else 0) + 1
    pause = min(POLL * 2 ** min(failures, 10), LONGEST_PAUSE)
    values: dict[str, Any] = {"leased_until": None, "failures": failures, "error": code, "next_at": now + pause}
    if kind is OutcomeKind.AUTH:
        values |= {"state": MailboxState.HELD.value, "held_version": turn.account_version}
    _set(session, turn, **values)


def note_opened(
    session: Session, turn: Turn, *, folder_id: UUID, opened: Opened, now: datetime
) -> MailboxFolder | None:
    """Begin or go on with a folder; None when the mailbox is no longer ours.

    What lies in it at the first look is history, read backwards from there. New numbers of the server (UIDVALIDITY)
    begin all of it again, and Message-IDs tell what is known.
    """
    if not keep(session, turn, now=now):
        return None
    folder = session.get_one(MailboxFolder, folder_id, with_for_update=True)
    if folder.uidvalidity != opened.uidvalidity:
        folder.again = folder.uidvalidity is not None
        folder.uidvalidity = opened.uidvalidity
        folder.last_uid, folder.back_uid = opened.next_uid - 1, opened.next_uid
        folder.back_total, folder.back_done, folder.back_began_at = 0, 0, None
    folder.error, folder.looked_at = "", now
    session.flush()
    return folder


def advance(
    session: Session,
    turn: Turn,
    *,
    folder_id: UUID,
    now: datetime,
    counted: Mapping[str, int] | None = None,
    **reached: Any,
) -> bool:
    """Note how far a folder is read, in the transaction that lands what was read.

    `counted` is added to its figures. False, and nothing noted, when the mailbox is no longer ours.
    """
    if not keep(session, turn, now=now):
        return False
    sums = {name: MailboxFolder.__table__.c[name] + number for name, number in (counted or {}).items()}
    session.execute(
        update(MailboxFolder)
        .where(MailboxFolder.id == folder_id)
        .values(**sums, **reached)
        .execution_options(synchronize_session=False)
    )
    return True

"""Reads how a mailbox does: its folders, how far they are read, and what is kept out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.outreach.kinds import FolderRole, MailboxState
from crm.outreach.mailbox_models import MailboxExclusion, MailboxFolder, SyncedMailbox

#: Fewer mails say nothing about how long the rest takes.
_ENOUGH_TO_TELL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxView:
    """A mailbox as its page shows it; `total` and `done` count the mails of its history."""

    box: SyncedMailbox
    folders: Sequence[MailboxFolder]
    exclusions: Sequence[MailboxExclusion]
    left: timedelta | None

    @property
    def chosen(self) -> list[MailboxFolder]:
        """The folders that are read."""
        return [folder for folder in self.folders if folder.is_on]

    @property
    def total(self) -> int:
        return sum(max(folder.back_total, folder.back_done) for folder in self.chosen)

    @property
    def done(self) -> int:
        return sum(folder.back_done for folder in self.chosen)

    @property
    def kept(self) -> int:
        return sum(folder.kept for folder in self.folders)

    @property
    def strangers(self) -> int:
        return sum(folder.strangers for folder in self.folders)

    @property
    def left_out(self) -> int:
        return sum(folder.left_out for folder in self.folders)

    @property
    def is_bringing(self) -> bool:
        """Whether old mail is still being brought in."""
        return self.box.state == MailboxState.ON and any(folder.back_uid != 0 for folder in self.chosen)


def mailbox_view(session: Session, *, account_id: UUID, now: datetime) -> MailboxView | None:
    """The mailbox of an account, None where nobody has looked at its folders. Whoever asks may manage it."""
    box = session.scalars(select(SyncedMailbox).where(SyncedMailbox.account_id == account_id)).one_or_none()
    if box is None:
        return None
    folders = session.scalars(select(MailboxFolder).where(MailboxFolder.mailbox_id == box.id)).all()
    excluded = select(MailboxExclusion).where(MailboxExclusion.mailbox_id == box.id).order_by(MailboxExclusion.pattern)
    return MailboxView(
        box=box,
        folders=sorted(folders, key=_order),
        exclusions=session.scalars(excluded).all(),
        left=_left([folder for folder in folders if folder.is_on], now=now),
    )


def _order(folder: MailboxFolder) -> tuple[bool, bool, str]:
    return (folder.wire_name.upper() != "INBOX", folder.role != FolderRole.SENT, folder.name.casefold())


def _left(folders: Sequence[MailboxFolder], *, now: datetime) -> timedelta | None:
    """How long the rest takes at the pace so far; None when nothing can be said yet."""
    began = min((folder.back_began_at for folder in folders if folder.back_began_at), default=None)
    done = sum(folder.back_done for folder in folders)
    left = sum(max(folder.back_total - folder.back_done, 0) for folder in folders if folder.back_uid != 0)
    if began is None or done < _ENOUGH_TO_TELL or not left:
        return None
    return (now - began) * (left / done)

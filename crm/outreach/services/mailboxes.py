"""Owns switching the reading of a mailbox on and off, what stays out of it, and forgetting what it brought in."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.base import ChannelKind
from crm.channels.imap_names import Folder, sent_folder
from crm.channels.sentences import N_
from crm.contacts.inputs import Input
from crm.db import new_id
from crm.errors import ForbiddenError, InvalidInputError, NotFoundError
from crm.outreach.kinds import FolderRole, MailboxReach, MailboxState
from crm.outreach.mailbox_models import MailboxExclusion, MailboxFolder, SyncedMailbox
from crm.outreach.models import SenderAccount
from crm.outreach.services.accounts import load as load_account
from crm.outreach.sifting import norm

#: Months and years of a calendar differ by days; nobody counts them here.
REACHES: Final = {
    MailboxReach.NOTHING: None,
    MailboxReach.THREE_MONTHS: timedelta(days=92),
    MailboxReach.TWO_YEARS: timedelta(days=731),
}
MOST_FOLDERS: Final = 500
MOST_EXCLUSIONS: Final = 500
_LONGEST_DOMAIN: Final = 253
#: Mailboxes to which strangers write for business, by their usual names (after RFC 2142).
_SHARED: Final = frozenset(
    {
        *("info", "sales", "support", "contact", "office", "hello", "marketing", "team", "orders", "service"),
        *("vendite", "commerciale", "ordini", "assistenza", "segreteria", "contatti", "prenotazioni", "clienti"),
    }
)


class MailboxNotFoundError(NotFoundError):
    """The mailbox of this account was never read."""

    code = "mailbox_not_found"


class MailboxInput(Input):
    """How a mailbox is read: which of its folders, how far back, and whether strangers' new mail is kept."""

    folder_ids: Sequence[UUID] = ()
    reach: MailboxReach = MailboxReach.TWO_YEARS
    keeps_strangers: bool = False


def may_manage(actor: Actor, account: SenderAccount) -> bool:
    """Who manages channels, and whose mailbox it is."""
    return actor.may(Permission.MANAGE_CHANNELS) or (
        account.owner_id is not None and account.owner_id == actor.user_id and actor.may(Permission.WRITE)
    )


def managed(session: Session, actor: Actor, *, account_id: UUID) -> SenderAccount:
    """The e-mail account whose mailbox this actor may manage. Raises `ForbiddenError`, `AccountNotFoundError`."""
    account = load_account(session, account_id)
    if not may_manage(actor, account):
        raise ForbiddenError
    if account.channel != ChannelKind.EMAIL:
        raise MailboxNotFoundError(N_("Only the mailbox of an e-mail account can be read."))
    return account


def load(session: Session, actor: Actor, *, account_id: UUID, lock: bool = False) -> SyncedMailbox:
    """The mailbox of an account. Raises `MailboxNotFoundError` where none was set up, and `ForbiddenError`."""
    managed(session, actor, account_id=account_id)
    wanted = select(SyncedMailbox).where(SyncedMailbox.account_id == account_id)
    found = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if found is None:
        raise MailboxNotFoundError(N_("This mailbox is not read yet."))
    return found


def keep_folders(
    session: Session, actor: Actor, *, account_id: UUID, folders: Sequence[Folder], now: datetime
) -> SyncedMailbox:
    """Keep which folders the server has; of a mailbox that is new, those of received and sent mail are chosen.

    A mailbox keeps only mail with people of the workspace; one whose name says that it is shared, also what strangers
    write to it.
    """
    account = managed(session, actor, account_id=account_id)
    session.execute(
        insert(SyncedMailbox)
        .values(
            id=new_id(),
            workspace_id=actor.workspace_id,
            account_id=account_id,
            user_id=account.owner_id or actor.user_id,
            keeps_strangers=account.owner_id is None and account.address.lower().partition("@")[0] in _SHARED,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["workspace_id", "account_id"])
    )
    box = load(session, actor, account_id=account_id, lock=True)
    known = {row.wire_name: row for row in session.scalars(_folders_of(box))}
    is_first = not known
    sent = sent_folder(folders)
    for folder in folders[:MOST_FOLDERS]:
        is_sent = folder.is_sent or (sent is not None and folder.wire_name == sent.wire_name)
        row = known.get(folder.wire_name)
        if row is None:
            is_inbox = folder.wire_name.upper() == "INBOX"
            row = MailboxFolder(mailbox_id=box.id, wire_name=folder.wire_name, is_on=is_first and (is_inbox or is_sent))
            session.add(row)
        row.name = folder.name
        row.role = (FolderRole.SENT if is_sent else FolderRole.RECEIVED).value
    session.flush()
    return box


def _folders_of(box: SyncedMailbox) -> Select[MailboxFolder]:
    return select(MailboxFolder).where(MailboxFolder.mailbox_id == box.id)


def switch_on(session: Session, actor: Actor, *, account_id: UUID, data: MailboxInput, now: datetime) -> SyncedMailbox:
    """Read the mailbox from now on, or go on with other wishes. What came in since the first time counts as new.

    A longer reach, or a folder more, brings in what is missing; what is there already stays once.
    """
    box = load(session, actor, account_id=account_id, lock=True)
    folders = session.scalars(_folders_of(box).with_for_update()).all()
    chosen = {folder.id for folder in folders} & set(data.folder_ids)
    if not chosen:
        sentence = N_("Choose at least one folder.")
        raise InvalidInputError(sentence, fields={"folder_ids": sentence})
    started_at = box.started_at or now
    reach = REACHES[data.reach]
    since = started_at - reach if reach else None
    reads_more = since is not None and (box.since is None or since < box.since)
    for folder in folders:
        folder.is_on = folder.id in chosen
        if folder.is_on and reads_more and folder.uidvalidity is not None:
            folder.back_uid, folder.back_done, folder.back_total = folder.last_uid + 1, 0, 0
            folder.back_began_at, folder.again = None, True
    box.started_at, box.since, box.reach = started_at, since, data.reach.value
    box.keeps_strangers = data.keeps_strangers
    box.user_id = box.user_id or actor.user_id
    _resume(box, now=now)
    session.flush()
    told = {"reach": box.reach, "folders": sorted(folder.name for folder in folders if folder.is_on)}
    _noted(session, actor, box, "mailbox.started", told | {"keeps_strangers": box.keeps_strangers})
    return box


def resume(session: Session, actor: Actor, *, account_id: UUID, now: datetime) -> SyncedMailbox:
    """Go on as before, also after the server refused us."""
    box = load(session, actor, account_id=account_id, lock=True)
    if box.started_at is None:
        raise InvalidInputError(N_("Choose the folders first."), code="not_set_up")
    _resume(box, now=now)
    session.flush()
    return box


def _resume(box: SyncedMailbox, *, now: datetime) -> None:
    box.state, box.next_at, box.held_version = MailboxState.ON.value, now, None
    box.failures, box.error = 0, ""


def stop(session: Session, actor: Actor, *, account_id: UUID) -> SyncedMailbox:
    """Read no further; whoever is at it stops before the next page. Mail that comes meanwhile is read later."""
    box = load(session, actor, account_id=account_id, lock=True)
    box.state, box.leased_until, box.error = MailboxState.STOPPED.value, None, ""
    session.flush()
    _noted(session, actor, box, "mailbox.stopped", {})
    return box


def read_pattern(text: str) -> str:
    """An exclusion as it is kept, from an address or a domain as somebody typed it. Raises `InvalidInputError`."""
    typed = text.strip().lower()
    if "@" in typed[1:]:
        found = norm(typed)
    else:
        # A domain is one when a mailbox could be there.
        found = norm(f"x@{typed.removeprefix('@')}")[1:] if len(typed) <= _LONGEST_DOMAIN else ""
    if not found:
        sentence = N_("Write an address like anna@example.com or a domain like example.com.")
        raise InvalidInputError(sentence, fields={"pattern": sentence})
    return found


def exclude(session: Session, actor: Actor, *, account_id: UUID, pattern: str, now: datetime) -> MailboxExclusion:
    """Keep mail of an address or domain out from now on; twice is once. What came already stays until it is removed."""
    box = load(session, actor, account_id=account_id, lock=True)
    found = read_pattern(pattern)
    mine = select(MailboxExclusion).where(MailboxExclusion.mailbox_id == box.id)
    known = session.scalars(mine).all()
    if len(known) >= MOST_EXCLUSIONS:
        sentence = N_("These are too many. Exclude whole domains instead.")
        raise InvalidInputError(sentence, fields={"pattern": sentence})
    same = next((one for one in known if one.pattern == found), None)
    if same is not None:
        return same
    made = MailboxExclusion(mailbox_id=box.id, pattern=found, created_by_id=actor.user_id, created_at=now)
    session.add(made)
    # Whoever reads just now does so without knowing of it: take the mailbox away, so that it begins anew.
    box.leased_until, box.fencing = None, box.fencing + 1
    session.flush()
    return made


def exclusion(session: Session, actor: Actor, *, account_id: UUID, exclusion_id: UUID) -> MailboxExclusion:
    """One exclusion of this mailbox; raises `MailboxNotFoundError`."""
    box = load(session, actor, account_id=account_id)
    row = session.scalars(
        select(MailboxExclusion).where(MailboxExclusion.id == exclusion_id, MailboxExclusion.mailbox_id == box.id)
    ).one_or_none()
    if row is None:
        raise MailboxNotFoundError(N_("This address is not on the list any more."))
    return row


def allow(session: Session, actor: Actor, *, account_id: UUID, exclusion_id: UUID) -> None:
    """Take an exclusion back: mail that comes from now on is kept again."""
    box = load(session, actor, account_id=account_id, lock=True)
    session.delete(exclusion(session, actor, account_id=account_id, exclusion_id=exclusion_id))
    box.leased_until, box.fencing = None, box.fencing + 1
    session.flush()


def _noted(session: Session, actor: Actor, box: SyncedMailbox, action: str, after: Mapping[str, Any]) -> None:
    # Which addresses stay out is nobody else's business, so that no exclusion is noted.
    audit.record(
        session, actor, action=action, object_kind="sender_account", object_id=box.account_id, after=after or None
    )

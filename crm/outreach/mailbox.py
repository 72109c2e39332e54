"""Reads mailboxes in many short transactions: no transaction is open while a server is asked.

Everything is landed under ids that come with the mail, and each page together with how far it reaches, so that a kill
at any moment loses nothing and doubles nothing.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DataError, IntegrityError

from crm.accounts.rules import system_actor
from crm.channels.base import OutcomeKind
from crm.channels.email import ConfigError
from crm.channels.imap_session import ImapError
from crm.channels.mailbox import FOLDER_GONE, Mailbox
from crm.db import Database, database_now
from crm.errors import AppError
from crm.outreach.adapters import connect_mailbox, load_spec
from crm.outreach.mailbox_models import MailboxFolder
from crm.outreach.mailbox_page import Desk, LostError, Report, read_page
from crm.outreach.secrets import SecretError
from crm.outreach.services import mailbox_turns as turns
from crm.outreach.tokens import TokenError, with_token

log = structlog.get_logger(__name__)

#: After this long other work has its turn; a mailbox that isn't read to its end is due again at once.
SECONDS: Final = 40.0
#: Mails whose heads are asked for together, and that are landed together.
PAGE: Final = 100
#: Something nobody foresaw ended the look; it is in the log, and tried again later.
CRASHED: Final = "imap_crashed"
#: SINCE asks for days of the server's own zone.
_ZONES: Final = timedelta(days=2)
#: What a mail that somebody made on purpose may cause; a database that is away is not among it.
_UNLANDED: Final = (DataError, IntegrityError, AppError, ValueError, LookupError, TypeError)


def run(
    database: Database, *, workspace_id: UUID, mailbox_id: UUID, seconds: float = SECONDS, page: int = PAGE
) -> Report:
    """Look for new mail, then go on backwards through what lay there, for about `seconds`."""
    with database.scope(workspace_id) as session:
        turn = turns.take(session, mailbox_id=mailbox_id, now=database_now(session))
    if turn is None:
        return Report(ended="not_ours")
    desk = Desk(database, workspace_id, system_actor(workspace_id), turn, Report(account_id=turn.account_id))
    try:
        has_more = _Reading(desk, page=page, until=time.monotonic() + seconds).go()
    except LostError:
        desk.report.ended = "lost"
    except ImapError as error:
        desk.report.ended = error.code
        with database.scope(workspace_id) as session:
            turns.fail(session, turn, code=error.code, kind=error.kind, now=database_now(session))
        log.warning("mailbox_not_read", mailbox=str(mailbox_id), code=error.code)
    except Exception:
        with database.scope(workspace_id) as session:
            now = database_now(session)
            turns.fail(session, turn, code=CRASHED, kind=OutcomeKind.RETRY_LATER, now=now)
        raise
    else:
        with database.scope(workspace_id) as session:
            turns.finish(session, turn, has_more=has_more, now=database_now(session))
    return desk.report


class _Reading:
    """One run over the folders of one mailbox."""

    def __init__(self, desk: Desk, *, page: int, until: float) -> None:
        self._desk = desk
        self._turn = desk.turn
        self._page = page
        self._until = until

    def go(self) -> bool:
        """Read; True when time was over before everything was read. Raises `ImapError` and `LostError`."""
        box = self._connect()
        try:
            there = [found for each in self._turn.folders if (found := self._new_mail(box, each)) is not None]
            # Every folder is asked, so that all know how much is left in them.
            left = [self._history(box, folder) for folder in there]
            return any(left)
        finally:
            box.close()

    def _connect(self) -> Mailbox:
        try:
            with self._desk.database.scope(self._desk.workspace_id) as session:
                spec = load_spec(session, self._turn.account_id)
            if spec is not None:
                spec = with_token(self._desk.database, spec, workspace_id=self._desk.workspace_id)
            box = connect_mailbox(spec) if spec else None
        except TokenError as error:
            raise ImapError(error.code, error.kind) from error
        except (SecretError, ConfigError) as error:
            raise ImapError("imap_config", OutcomeKind.AUTH) from error
        if box is None:
            raise ImapError("imap_config", OutcomeKind.AUTH)
        return box

    def _new_mail(self, box: Mailbox, folder: MailboxFolder) -> MailboxFolder | None:
        """Open a folder and read what came since the last look; None when it isn't there."""
        try:
            opened = box.open(folder.wire_name)
        except ImapError as error:
            if error.code != FOLDER_GONE:
                raise
            self._note(folder, error=error.code)
            return None
        with self._desk.database.scope(self._desk.workspace_id) as session:
            now = database_now(session)
            current = turns.note_opened(session, self._turn, folder_id=folder.id, opened=opened, now=now)
        if current is None:
            raise LostError
        if opened.next_uid > current.last_uid + 1:
            for uids in self._pages(box.newer(current.last_uid)):
                self._read(box, current, uids, is_back=False)
        return current

    def _history(self, box: Mailbox, folder: MailboxFolder) -> bool:
        """Go backwards through what lay there at the first look; True when time was over before the end."""
        if folder.back_uid == 0:
            return False
        rules = self._turn.rules
        box.open(folder.wire_name)
        since = (min(rules.since, rules.started_at) - _ZONES).date()
        uids = box.arrived(since=since, below=folder.back_uid or folder.last_uid + 1)
        self._begin(folder, total=folder.back_done + len(uids))
        for uids_of_page in self._pages(uids):
            if time.monotonic() >= self._until:
                return True
            self._read(box, folder, uids_of_page, is_back=True)
        self._note(folder, back_uid=0, again=False)
        return False

    def _begin(self, folder: MailboxFolder, *, total: int) -> None:
        with self._desk.database.scope(self._desk.workspace_id) as session:
            began = folder.back_began_at or database_now(session)
        self._note(folder, back_total=total, back_began_at=began)

    def _read(self, box: Mailbox, folder: MailboxFolder, uids: Sequence[int], *, is_back: bool) -> None:
        """Read a page; one mail that can't be landed keeps no other out."""
        reached = {"back_uid": min(uids)} if is_back else {"last_uid": max(uids)}
        try:
            read_page(self._desk, box, folder, uids, is_back=is_back, **reached)
        except _UNLANDED as error:
            if len(uids) > 1:
                for uid in uids:
                    self._read(box, folder, [uid], is_back=is_back)
                return
            log.warning("mail_not_landed", folder=str(folder.id), uid=uids[0], error=type(error).__name__)
            self._note(folder, counted={"left_out": 1, "back_done": 1 if is_back else 0}, **reached)

    def _pages(self, uids: Sequence[int]) -> list[Sequence[int]]:
        return [uids[start : start + self._page] for start in range(0, len(uids), self._page)]

    def _note(self, folder: MailboxFolder, **reached: Any) -> None:
        with self._desk.database.scope(self._desk.workspace_id) as session:
            now = database_now(session)
            if not turns.advance(session, self._turn, folder_id=folder.id, now=now, looked_at=now, **reached):
                raise LostError

"""Lands one page of a mailbox: heads first, then only the bodies that are kept, then everything in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import AutoReply, Bounce, Complaint, Inbound, Reply
from crm.channels.inbound import parse_email
from crm.channels.mail_parts import InboundError
from crm.channels.mailbox import Mailbox
from crm.db import Database, database_now
from crm.outreach.kinds import FolderRole
from crm.outreach.mailbox_models import MailboxFolder
from crm.outreach.services import mailbox_landing as landing
from crm.outreach.services import mailbox_turns as turns
from crm.outreach.services.mailbox_landing import Words
from crm.outreach.services.readback import settle_by_copies
from crm.outreach.services.receive import MAX_RAW, store_inbound
from crm.outreach.sifting import Fate, Letter, Surroundings, fate, is_new, read

#: Of old mail the beginning is read, where the words are: its files stay in the mailbox.
HISTORY_BYTES: Final = 256 * 1024
#: Of fresh mail that we wrote elsewhere, with its files.
SENT_BYTES: Final = 25 * 1024 * 1024
#: A report about a delivery is short; what it quotes at its end is not needed.
REPORT_BYTES: Final = 1024 * 1024
_LEFT_OUT: Final = frozenset({Fate.EXCLUDED, Fate.NEWSLETTER, Fate.INSIDE, Fate.NOTHING, Fate.REPORT})


class LostError(Exception):
    """The mailbox is no longer ours: it was stopped, or another worker took it after our lease."""


@dataclass(slots=True)
class Report:
    """What one run did: heads looked at, events stored for handling, entries made; `ended` tells why it stopped."""

    looked: int = 0
    stored: list[UUID] = field(default_factory=list)
    added: int = 0
    ended: str = ""
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What a run has at hand."""

    database: Database
    workspace_id: UUID
    actor: Actor
    turn: turns.Turn
    report: Report


@dataclass(slots=True)
class _Page:
    """What was found in a page so far; `kept` counts what is new here."""

    folder: MailboxFolder
    is_back: bool
    around: Surroundings
    fates: list[tuple[Letter, Fate]] = field(default_factory=list)
    history: list[Words] = field(default_factory=list)
    sent: list[Words] = field(default_factory=list)
    kept: int = 0

    @property
    def is_sent(self) -> bool:
        return self.folder.role == FolderRole.SENT


def read_page(
    desk: Desk, box: Mailbox, folder: MailboxFolder, uids: Sequence[int], *, is_back: bool, **reached: int
) -> None:
    """Read and land one page; `reached` is how far the folder is read with it. Raises `ImapError`, `LostError`."""
    heads = box.heads(uids)
    with desk.database.scope(desk.workspace_id) as session:
        now = database_now(session)
        letters = [read(head, now=now) for head in heads]
        around = landing.surroundings(session, desk.actor, letters=letters)
    page = _Page(folder, is_back, around)
    for letter in letters:
        what = fate(letter, desk.turn.rules, around, role=FolderRole(folder.role), is_back=is_back)
        page.fates.append((letter, what))
        _fetch(desk, box, page, letter, what)
    with desk.database.scope(desk.workspace_id) as session:
        _land(session, desk, page, looked=len(uids), reached=reached)
    desk.report.looked += len(uids)


def _fetch(desk: Desk, box: Mailbox, page: _Page, letter: Letter, what: Fate) -> None:
    """Read the body of a mail that is kept; what is fresh is landed at once, because it may be large."""
    if what is Fate.NEW:
        raw = box.body(letter.uid, most=MAX_RAW + 1)
        if raw is not None:
            _store(desk, page, raw)
    elif what is Fate.REPORT:
        raw = box.body(letter.uid, most=REPORT_BYTES)
        if raw is not None and _is_about_us(desk, _parsed(raw)):
            _store(desk, page, raw)
    elif what in {Fate.HISTORY, Fate.SENT}:
        is_fresh = what is Fate.SENT and is_new(letter, desk.turn.rules, is_back=page.is_back)
        raw = box.body(letter.uid, most=SENT_BYTES if is_fresh else HISTORY_BYTES)
        parsed = None if raw is None else _parsed(raw)
        if isinstance(parsed, Reply):
            words = Words.of(letter, parsed, with_files=is_fresh)
            if is_fresh:
                _land_fresh(desk, page, words)
            else:
                (page.history if what is Fate.HISTORY else page.sent).append(words)


def _parsed(raw: bytes) -> Inbound | None:
    try:
        return parse_email(raw)
    except InboundError:
        # What can't be read has no words for a timeline; it stays in the mailbox.
        return None


def _is_about_us(desk: Desk, parsed: Inbound | None) -> bool:
    """Whether a report names something that we sent; reports about private mail are not kept."""
    if isinstance(parsed, AutoReply | Reply):
        return False
    if not isinstance(parsed, Bounce | Complaint):
        return False
    with desk.database.scope(desk.workspace_id) as session:
        token = parsed.token if isinstance(parsed, Bounce) else None
        return landing.is_ours(session, reference=parsed.original_reference, token=token)


def _store(desk: Desk, page: _Page, raw: bytes) -> None:
    """Hand a mail on as anything that comes in; it is handled by a job of its own."""
    with desk.database.scope(desk.workspace_id) as session:
        now = database_now(session)
        if not turns.keep(session, desk.turn, now=now):
            raise LostError
        event_id = store_inbound(session, desk.actor, account_id=desk.turn.account_id, raw=raw, now=now)
    if event_id is not None:
        desk.report.stored.append(event_id)
        page.kept += 1


def _land_fresh(desk: Desk, page: _Page, words: Words) -> None:
    with desk.database.scope(desk.workspace_id) as session:
        now = database_now(session)
        if not turns.keep(session, desk.turn, now=now):
            raise LostError
        added = landing.land_sent(
            session, desk.actor, desk.turn, sent=[words], around=page.around, is_fresh=True, now=now
        )
    page.kept += added
    desk.report.added += added


def _land(session: Session, desk: Desk, page: _Page, *, looked: int, reached: dict[str, Any]) -> None:
    """Everything of a page together with how far it reaches. Raises `LostError` before anything is written."""
    now = database_now(session)
    turn, around = desk.turn, page.around
    if not turns.keep(session, turn, now=now):
        raise LostError
    if page.is_sent:
        ours = {letter.message_id for letter, _ in page.fates} & set(around.ours)
        settle_by_copies(session, desk.actor, references=ours, now=now)
    added = landing.land_history(session, desk.actor, turn, brought=page.history, around=around, now=now)
    added += landing.land_sent(session, desk.actor, turn, sent=page.sent, around=around, is_fresh=False, now=now)
    desk.report.added += added
    again = page.folder.again
    strange = [(letter, page.is_sent) for letter, what in page.fates if _has_strangers(what, page)]
    landing.note_strangers(session, desk.actor, turn, letters=strange, around=around, again=again)
    counted = {"kept": page.kept + added, "back_done": looked if page.is_back else 0}
    if not again:
        counted["strangers"] = sum(what is Fate.STRANGER for _, what in page.fates)
        counted["left_out"] = sum(what in _LEFT_OUT for _, what in page.fates)
    turns.advance(session, turn, folder_id=page.folder.id, counted=counted, now=now, **reached)


def _has_strangers(what: Fate, page: _Page) -> bool:
    """Mail to several people may have gone to some whom nobody knows."""
    return what is Fate.STRANGER or (what is Fate.SENT and page.is_sent)

"""Looks into a mailbox's folder of sent mail for one Message-ID: the only witness an uncertain e-mail may have."""

import re
import ssl
from typing import Final

from crm.channels.base import CheckResult, Outcome, OutcomeKind
from crm.channels.imap_names import Folder, sent_folder
from crm.channels.imap_session import ImapConfig, ImapError, ImapSession, listed, quoted
from crm.channels.imap_wire import ImapWire
from crm.channels.mail_parts import message_ids
from crm.net.guard import Guard

FOUND: Final = "found_in_sent"
ABSENT: Final = "not_in_sent"
#: Copies of one message that are compared; more than one is rare, and the search finds parts of ids as well.
_MAX_COPIES: Final = 10
_REFERENCE = re.compile(r"<[A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-]{3,250}>")


class SentMail:
    """A connection to one mailbox that is kept between questions. Reads only, and nothing is ever marked as read.

    Used by one thread at a time. Every failure is an answer; nothing is raised.
    """

    def __init__(self, config: ImapConfig, guard: Guard, *, tls: ssl.SSLContext | None = None) -> None:
        self._config = config
        self._session = ImapSession(config, guard, tls=tls)

    def check(self) -> CheckResult:
        """Sign in and open the folder of sent mail; `detail` is its name."""
        self.close()
        try:
            folder = self._open()
        except ImapError as error:
            return CheckResult(ok=False, code=error.code)
        finally:
            self.close()
        return CheckResult(ok=True, detail=folder.name)

    def find(self, reference: str) -> Outcome:
        """Accepted when a message with exactly this Message-ID lies there, unknown when it doesn't.

        That it is absent proves nothing: many servers file only what a mail program puts there. Any other kind says
        that nobody could look.
        """
        if not _REFERENCE.fullmatch(reference):
            return Outcome(kind=OutcomeKind.UNKNOWN, code=ABSENT)
        try:
            if self._session.wire is None:
                self._open()
            is_there = self._search(reference)
        except ImapError as error:
            self._session.drop()
            return Outcome(kind=error.kind, code=error.code)
        if is_there:
            return Outcome(kind=OutcomeKind.ACCEPTED, code=FOUND)
        return Outcome(kind=OutcomeKind.UNKNOWN, code=ABSENT)

    def close(self) -> None:
        """Say goodbye and close; safe to call twice."""
        self._session.close()

    def _open(self) -> Folder:
        """Sign in and open the folder read-only. Raises `ImapError`."""
        wire = self._session.sign_in()
        with self._session.step("folders"):
            wire.allow(self._config.timeouts.command)
            folder = choose_sent(wire, self._config.folder)
        with self._session.step("open"):
            wire.allow(self._config.timeouts.command)
            # EXAMINE, so that looking changes nothing.
            answer, _ = wire.select(quoted(folder.wire_name), readonly=True)
            if answer != "OK":
                raise ImapError("imap_no_sent_folder", OutcomeKind.AUTH)
        return folder

    def _search(self, reference: str) -> bool:
        wire = self._session.wire
        if wire is None:
            raise ImapError("imap_search_hang_up")
        with self._session.step("search"):
            wire.allow(self._config.timeouts.search)
            wanted = quoted(reference.strip("<>"))
            answer, data = wire.uid("SEARCH", "HEADER", "Message-ID", wanted)
            if answer != "OK":
                raise ImapError("imap_search_hang_up")
            found = [
                word for word in b" ".join(row for row in data if isinstance(row, bytes)).split() if word.isdigit()
            ]
            if not found:
                return False
            newest = b",".join(found[-_MAX_COPIES:]).decode("ascii")
            # Servers find parts of a header as well, so the whole of it is compared here.
            answer, rows = wire.uid("FETCH", newest, "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
            texts = [row[1].decode("ascii", "replace") for row in rows if isinstance(row, tuple)]
            return answer == "OK" and any(reference in message_ids(text) for text in texts)


def choose_sent(wire: ImapWire, wanted: str) -> Folder:
    """The folder of sent mail: the named one, else the one the server marks, else one with a usual name.

    Raises `ImapError`.
    """
    folders = all_folders(wire, marks_sent=not wanted)
    named = (folder for folder in folders if wanted in {folder.name, folder.wire_name})
    found = next(named, None) if wanted else sent_folder(folders)
    if found is None:
        raise ImapError("imap_no_sent_folder", OutcomeKind.AUTH)
    return found


def all_folders(wire: ImapWire, *, marks_sent: bool = True) -> list[Folder]:
    """Every folder that can be opened, a marked one first where only a question for marks tells them.

    Raises `ImapError`.
    """
    folders = listed(wire, '""', "*")
    if marks_sent and "SPECIAL-USE" in wire.capabilities and not any(folder.is_sent for folder in folders):
        # RFC 6154: some servers name the special folders only when they are asked for them.
        return [*listed(wire, '(SPECIAL-USE) ""', "*"), *folders]
    return folders

"""A mailbox of two years that is brought in, beside a bare imaplib loop that fetches the same and keeps nothing."""

import base64
import random
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from sqlalchemy import select

from benchmarks.stand import ROOT, Stand, table
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.mailbox import Mailbox
from crm.contacts import services as contacts
from crm.contacts.inputs import ContactInput, HandleInput
from crm.contacts.kinds import FactOrigin
from crm.db import database_now
from crm.outreach import adapters, mailbox, services
from crm.outreach.mailbox_models import MailboxFolder
from crm.outreach.mailbox_page import HISTORY_BYTES
from crm.outreach.services import mailboxes
from crm.settings import current

MAILS, PEOPLE, PAGE = 4_000, 200, mailbox.PAGE
USER = "bench"


def measure(stand: Stand) -> None:
    program = shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        print("No Dovecot (Debian: apt-get install dovecot-imapd): not measured.")
        return
    # The server of the tests: the same certificate, folders and password.
    sys.path.append(str(ROOT / "tests"))
    import mailboxes as servers  # pyright: ignore[reportMissingImports]

    with servers.dovecot(program) as server:
        server.fill(USER, _mails())
        actor = stand.empty("mailbox")
        with patch.dict("os.environ", SSL_CERT_FILE=str(server.certificate)), patch.object(adapters, "current", _open):
            bare = _bare(server)
            mailbox_id = _switched_on(stand, actor, server, servers.PASSWORD)
            before, ours, peak = _read(stand, actor, mailbox_id)
    table(
        [f"{MAILS} mails, a fifth of them of strangers", "mails/s", "share of bare imaplib"],
        [
            ("bare imaplib: heads in pages, bodies one by one", f"{MAILS / bare:,.0f}", "100 %"),
            ("brought in: read, decided, on the timelines", f"{MAILS / ours:,.0f}", f"{100 * bare / ours:.0f} %"),
        ],
    )
    print(f"\nmemory: {before:.0f} MB before, {peak:.0f} MB at the most while reading")


def _open() -> Any:
    return current().model_copy(update={"net_allow": ("127.0.0.1",)})


def _mails() -> Iterator[tuple[datetime, bytes]]:
    """Mails of two years with a file each: mostly small, one in a hundred of 1.5 MB."""
    source, now = random.Random(5), datetime.now(UTC)
    files = [base64.encodebytes(source.randbytes(size)).replace(b"\n", b"\r\n") for size in (4_000, 1_500_000)]
    for number in range(MAILS):
        at = now - timedelta(days=1) - timedelta(days=700) * number / MAILS
        who = f"s{number}@nobody.example" if number % 5 == 0 else f"p{number % PEOPLE}@kunde.example"
        head = (
            f"From: <{who}>\r\nTo: giulia@lanterna.example\r\nSubject: Lettera {number}\r\n"
            f"Date: {at:%a, %d %b %Y %H:%M:%S} +0000\r\nMessage-ID: <{number}@mail.example>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            + "Buongiorno, le mando il documento di cui abbiamo parlato ieri.\r\n"
            * 12
            + "--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n"
        )
        yield at, head.encode() + files[number % 100 == 1] + b"\r\n--b--\r\n"


def _bare(server: Any) -> float:
    """Seconds of a loop that asks for the same heads and bodies."""
    with server.signed_in(USER) as program:
        program.select("INBOX", readonly=True)
        uids = [b"%d" % uid for uid in range(1, MAILS + 1)]
        started = time.monotonic()
        for start in range(0, len(uids), PAGE):
            page = uids[start : start + PAGE]
            _, rows = program.uid("FETCH", b",".join(page).decode(), "(UID INTERNALDATE BODY.PEEK[HEADER])")
            strange = {uid for uid, row in zip(page, _heads(rows), strict=True) if b"@nobody.example" in row}
            for uid in page:
                if uid not in strange:
                    program.uid("FETCH", uid.decode(), f"(BODY.PEEK[]<0.{HISTORY_BYTES}>)")
        return time.monotonic() - started


def _heads(rows: list[Any]) -> list[bytes]:
    return [row[1] for row in rows if isinstance(row, tuple)]


def _switched_on(stand: Stand, actor: Actor, server: Any, password: str) -> UUID:
    with stand.database.scope(actor.workspace_id) as session:
        now = database_now(session)
        for number in range(PEOPLE):
            address = HandleInput(channel=ChannelKind.EMAIL, address=f"p{number}@kunde.example")
            data = ContactInput(first_name=f"P{number}", handles=[address])
            contacts.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)
        settings = services.AccountInput(
            name="Giulia",
            address="giulia@lanterna.example",
            host="127.0.0.1",
            imap_host="127.0.0.1",
            imap_port=server.tls_port,
            imap_username=USER,
        )
        account = services.create_account(session, actor, data=settings, now=now)
        services.set_secret(session, actor, account_id=account.id, secret={"secret": password})
        box = adapters.connect_mailbox(adapters.spec_of(account))
        assert isinstance(box, Mailbox)
        folders = [folder for folder in box.folders() if folder.wire_name == "INBOX"]
        box.close()
        made = mailboxes.keep_folders(session, actor, account_id=account.id, folders=folders, now=now)
        chosen = session.scalars(select(MailboxFolder.id).where(MailboxFolder.mailbox_id == made.id)).all()
        wishes = mailboxes.MailboxInput(folder_ids=chosen)
        mailboxes.switch_on(session, actor, account_id=account.id, data=wishes, now=now)
        return made.id


def _read(stand: Stand, actor: Actor, mailbox_id: UUID) -> tuple[float, float, float]:
    """(MB before, seconds, the most MB) of one look that ends with the mailbox."""
    before, most, done = _megabytes(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            most[0] = max(most[0], _megabytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.monotonic()
    report = mailbox.run(stand.database, workspace_id=actor.workspace_id, mailbox_id=mailbox_id, seconds=3_600)
    seconds = time.monotonic() - started
    done.set()
    watcher.join()
    assert (report.looked, report.added) == (MAILS, MAILS * 4 // 5), report
    return before, seconds, most[0]


def _megabytes() -> float:
    found = re.search(r"VmRSS:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0

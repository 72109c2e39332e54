"""A real IMAP server (Dovecot) as a private process on loopback: mailboxes with a folder of sent mail, or without."""

import imaplib
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from stack.running import until

from crm.chaos.certificates import self_signed

PASSWORD = "geheim-è"
#: The folder that the server itself marks as the one of sent mail, in mailboxes that have it.
MARKED = "Spedita"
_STARTS_WITHIN = 20
_CONFIG = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{home}/mail.pem
ssl_key = <{home}/mail.pem
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{home}/mail/%u
mail_max_userip_connections = 50
namespace inbox {{
  inbox = yes
  separator = /
  mailbox {marked} {{
    special_use = \\Sent
    auto = no
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%u
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener auth-postfix {{
    mode = 0666
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""


@dataclass(frozen=True)
class MailServer:
    """Where it listens, and what trusts its certificate."""

    port: int
    tls_port: int
    certificate: Path

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    @contextmanager
    def signed_in(self, user: str) -> Iterator[imaplib.IMAP4_SSL]:
        """A mail program of the user's own, to file messages with."""
        with imaplib.IMAP4_SSL("127.0.0.1", self.tls_port, ssl_context=self.trust) as program:
            program.authenticate("PLAIN", lambda _challenge: f"\0{user}\0{PASSWORD}".encode())
            yield program

    def make_folder(self, user: str, *wire_names: str) -> None:
        """Make folders in the mailbox of `user`."""
        with self.signed_in(user) as program:
            for name in wire_names:
                assert program.create(f'"{name}"')[0] == "OK"

    def file(self, user: str, wire_name: str, *references: str) -> None:
        """Put a sent message into a folder for every Message-ID."""
        with self.signed_in(user) as program:
            for reference in references:
                raw = f"Message-ID: {reference}\r\nSubject: Prova\r\n\r\nCiao\r\n".encode()
                assert program.append(f'"{wire_name}"', None, None, raw)[0] == "OK"

    def put(self, user: str, wire_name: str, *mails: tuple[datetime | None, bytes]) -> None:
        """Put (when it arrived, None for now; the bytes) into a folder, as a server that delivers would."""
        with self.signed_in(user) as program:
            for at, raw in mails:
                arrived = imaplib.Time2Internaldate(at) if at else None
                assert program.append(f'"{wire_name}"', None, arrived, raw)[0] == "OK"

    def fill(self, user: str, mails: Iterable[tuple[datetime, bytes]]) -> None:
        """Put many mails into the inbox the quick way, as files: their times are when they arrived."""
        with self.signed_in(user) as program:
            program.select("INBOX")
        folder = self.certificate.parent / "mail" / user / "cur"
        for number, (at, raw) in enumerate(mails):
            path = folder / f"{number:07}.M1P1.filled,S={len(raw)}:2,"
            path.write_bytes(raw)
            os.utime(path, (at.timestamp(), at.timestamp()))

    def renumber(self, user: str) -> None:
        """Give the inbox another UIDVALIDITY and its mails other numbers, as a server does that was restored."""
        folder = self.certificate.parent / "mail" / user
        for path in folder.glob("dovecot.index*"):
            path.unlink()
        known = folder / "dovecot-uidlist"
        version, validity, *_ = known.read_text(encoding="latin-1").split()
        known.write_text(f"{version} V{int(validity[1:]) + 1000} N101\n", encoding="latin-1")

    def unseen(self, user: str, wire_name: str) -> int:
        """How many messages of a folder nobody has read."""
        with self.signed_in(user) as program:
            program.select(f'"{wire_name}"', readonly=True)
            return len(program.uid("SEARCH", "UNSEEN")[1][0].split())


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def owner() -> pwd.struct_passwd:
    """Who runs the server: Dovecot gives no mail to root."""
    return pwd.getpwuid(os.getuid()) if os.getuid() else pwd.getpwnam("nobody")


@contextmanager
def dovecot(program: str) -> Iterator[MailServer]:
    """Run a server of our own until the block ends."""
    home = Path(tempfile.mkdtemp(prefix="crm-imap-"))
    runs_as = owner()
    server = MailServer(_free_port(), _free_port(), home / "mail.pem")
    server.certificate.write_bytes(self_signed())
    config = home / "dovecot.conf"
    config.write_text(
        _CONFIG.format(
            home=home,
            user=runs_as.pw_name,
            group=_group_of(runs_as),
            uid=runs_as.pw_uid,
            gid=runs_as.pw_gid,
            port=server.port,
            tls_port=server.tls_port,
            marked=MARKED,
            password=PASSWORD,
        ),
        encoding="utf-8",
    )
    (home / "mail").mkdir()
    # A mail server on this machine goes through here to ask about passwords and to deliver.
    home.chmod(0o711)
    rights = {}
    if os.getuid() == 0:
        for path in (home, *home.iterdir()):
            shutil.chown(path, runs_as.pw_uid, runs_as.pw_gid)
        rights = {"user": runs_as.pw_uid, "group": runs_as.pw_gid, "extra_groups": ()}
    process = subprocess.Popen([program, "-F", "-c", str(config)], cwd=home, **rights)
    try:
        _wait_for(server, process, home / "log")
        yield server
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(home, ignore_errors=True)


def _group_of(owner: pwd.struct_passwd) -> str:
    import grp

    return grp.getgrgid(owner.pw_gid).gr_name


def _wait_for(server: MailServer, process: subprocess.Popen, log: Path) -> None:
    until(lambda: _greets(server.port) or process.poll() is not None, "Dovecot to start", seconds=_STARTS_WITHIN)
    if process.poll() is not None:
        pytest.fail(f"Dovecot does not start: {log.read_text() if log.exists() else 'no log'}")


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as probe:
            return probe.recv(64).startswith(b"* OK")
    except OSError:
        return False


@pytest.fixture(scope="session")
def mail_server() -> Iterator[MailServer]:
    """Dovecot; without it the tests are skipped, unless CRM_REQUIRE_IMAP says that there must be one."""
    program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        message = "No Dovecot (Debian: apt-get install dovecot-imapd): no real IMAP server was asked."
        if os.environ.get("CRM_REQUIRE_IMAP") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with dovecot(program) as server:
        yield server

"""A real SMTP server (Postfix) as a private process on loopback, beside the Dovecot whose mailboxes it fills.

It has its own configuration and queue, takes mail by submission with STARTTLS and a password that Dovecot checks,
delivers into the mailboxes of two domains, writes real delivery reports, and sends nothing anywhere else.
"""

import base64
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mailboxes import PASSWORD, MailServer, owner
from stack.running import until

HOUSE, CLIENT = "studio.example", "cliente.example"
#: The mailboxes that there are; mail to any other of the two domains comes back.
MAILBOXES = (f"vendite@{HOUSE}", f"anna@{CLIENT}")
_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/log
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
myhostname = mail.{house}
mydestination =
alias_maps =
local_recipient_maps =
recipient_delimiter = +
virtual_mailbox_domains = {house}, {client}
virtual_mailbox_base = {mail}
virtual_mailbox_maps = texthash:{home}/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
default_transport = error:5.4.4 nothing leaves this machine
relay_transport = error:5.4.4 nothing leaves this machine
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_reject_unlisted_recipient = no
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {certificate}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
message_size_limit = 40000000
virtual_mailbox_limit = 0
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
_STARTS_WITHIN = 20
#: Its master process gives each part away to its own user, which root alone can do.
AS_ROOT = [] if os.getuid() == 0 else ["sudo", "-n"]


@dataclass(frozen=True)
class PostOffice:
    """Where mail is handed in, and the mailboxes it lies in afterwards."""

    port: int
    mailboxes: MailServer

    def hand_in(self, sender: str, recipient: str, raw: bytes) -> None:
        """What a mail program does: sign in, and send."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as program:
            program.starttls(context=self.mailboxes.trust)
            program.ehlo()
            # The library signs in with ASCII alone.
            secret = base64.b64encode(f"\0{sender}\0{PASSWORD}".encode()).decode("ascii")
            assert program.docmd("AUTH", f"PLAIN {secret}")[0] == 235
            program.sendmail(sender, [recipient], raw)

    def letters(self, user: str, *, folder: str = "INBOX") -> list[bytes]:
        """The mails of a mailbox, the oldest first."""
        with self.mailboxes.signed_in(user) as program:
            program.select(folder, readonly=True)
            found = program.uid("SEARCH", "ALL")[1][0].split()
            return [program.uid("FETCH", uid.decode(), "(BODY.PEEK[])")[1][0][1] for uid in found]

    def wait_for(self, user: str, *, holding: bytes) -> bytes:
        """The newest mail of a mailbox that holds some words, once there is one."""

        def found() -> list[bytes]:
            return [raw for raw in self.letters(user) if holding in raw]

        until(lambda: bool(found()), f"a mail with {holding!r} for {user}", seconds=20)
        return found()[-1]


def _run(*command: str) -> None:
    subprocess.run([*AS_ROOT, *command], check=True, capture_output=True)


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


@contextmanager
def postfix(mailboxes: MailServer) -> Iterator[PostOffice]:
    """Run a server of our own until the block ends; Postfix insists on being started by root."""
    home = Path(tempfile.mkdtemp(prefix="crm-post-"))
    home.chmod(0o755)
    shelf, port = mailboxes.certificate.parent, _free_port()
    daemons = Path("/usr/lib/postfix/sbin")
    for name in ("conf", "queue", "data"):
        (home / name).mkdir()
    (home / "mailboxes").write_text("".join(f"{name} {name}/\n" for name in MAILBOXES), encoding="ascii")
    values = {
        "home": home,
        "daemons": daemons,
        "house": HOUSE,
        "client": CLIENT,
        "mail": shelf / "mail",
        "uid": owner().pw_uid,
        "gid": owner().pw_gid,
        "certificate": mailboxes.certificate,
        "auth": shelf / "run" / "auth-postfix",
        "port": port,
    }
    (home / "conf" / "main.cf").write_text(_MAIN.format(**values), encoding="utf-8")
    (home / "conf" / "master.cf").write_text(_MASTER.format(**values), encoding="utf-8")
    conf = str(home / "conf")
    _run("chown", "postfix", str(home / "data"))
    # Makes what is missing in the queue, with the rights that Postfix wants.
    _run("/usr/sbin/postfix", "-c", conf, "check")
    process = subprocess.Popen(
        [*AS_ROOT, str(daemons / "master"), "-c", conf, "-d"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/bin", "MAIL_CONFIG": conf},
        start_new_session=True,
    )
    try:
        until(lambda: _greets(port) or process.poll() is not None, "Postfix to start", seconds=_STARTS_WITHIN)
        if process.poll() is not None:
            log = home / "log"
            pytest.fail(f"Postfix does not start: {log.read_text() if log.exists() else 'no log'}")
        yield PostOffice(port, mailboxes)
    finally:
        if process.poll() is None:
            _run("/usr/sbin/postfix", "-c", conf, "stop")
        process.wait(10)
        _run("rm", "-rf", str(home))


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as probe:
            return probe.recv(64).startswith(b"220")
    except OSError:
        return False


@pytest.fixture(scope="session")
def post_office(mail_server: MailServer) -> Iterator[PostOffice]:
    """Postfix before Dovecot; without it the tests are skipped, unless CRM_REQUIRE_SMTP says that there must be one."""
    reason = ""
    if shutil.which("postfix", path="/usr/sbin:/usr/local/sbin") is None:
        reason = "No Postfix (Debian: apt-get install postfix): no mail went through a real SMTP server."
    elif AS_ROOT and subprocess.run([*AS_ROOT, "true"], check=False, capture_output=True).returncode:
        reason = "Postfix starts for root alone: no mail went through a real SMTP server."
    else:
        users = [entry.pw_name for entry in pwd.getpwall()]
        reason = "" if "postfix" in users else "Postfix is there without its user."
    if reason:
        if os.environ.get("CRM_REQUIRE_SMTP") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with postfix(mail_server) as office:
        yield office

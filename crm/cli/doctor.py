"""`crm doctor`: one line for everything that must be right, and what to do when it isn't."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

import click
import dns.exception
import dns.resolver
import redis
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from crm.cli.database import revisions
from crm.cli.servers import available
from crm.db import Database, ensure_can_not_bypass
from crm.embedded.postgres import EXTENSIONS
from crm.events import Handlers
from crm.jobs import JobQueue, QueueName
from crm.settings import Settings

OLDEST_POSTGRES = 150000
# The clock renews its lease far more often than this.
CLOCK_SILENCE = timedelta(minutes=1)
LOW_DISK_BYTES = 1_000_000_000
DNS_SECONDS = 5.0
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """What one look has shown; the sentence of anything but OK says what to do."""

    state: State
    subject: str
    sentence: str


@click.command()
@click.option("--domain", "domains", multiple=True, help="Also check the DNS of this sender domain.")
def doctor(domains: tuple[str, ...]) -> None:
    """Check servers, role, migrations, clock, workers and DNS; ends with 1 when something is broken."""
    with available(Settings.load(), command="crm doctor") as settings:
        findings = list(examine(settings, domains))
    for finding in findings:
        click.echo(f"{finding.state:<4}  {finding.subject}: {finding.sentence}")
    sys.exit(1 if any(finding.state is State.FAIL for finding in findings) else 0)


def examine(settings: Settings, domains: Iterable[str] = ()) -> Iterator[Finding]:
    """Everything `crm doctor` prints, in its order; a server that is down skips only what depends on it."""
    database: tuple[Callable[[Settings], Finding], ...] = (_server, _role, _migrations, _extensions, _clock)
    for number, look in enumerate(database):
        try:
            yield look(settings)
        except (SQLAlchemyError, RuntimeError) as error:
            reason = str(getattr(error, "orig", None) or error).strip()
            yield Finding(State.FAIL, look.__name__.strip("_"), reason)
            if number == 0:
                break
    yield from _queue(settings)
    yield from _machine(settings)
    for domain in sorted({*domains, *_sender_domains(settings)}):
        yield from sender_domain(domain)


def _scalar(url: str, query: str) -> object:
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return connection.execute(text(query)).scalar()
    finally:
        engine.dispose()


def _server(settings: Settings) -> Finding:
    number = int(str(_scalar(settings.database_url, "SELECT current_setting('server_version_num')")))
    shown = f"version {number // 10000}.{number % 10000}"
    if number < OLDEST_POSTGRES:
        return Finding(State.FAIL, "PostgreSQL", f"{shown}; 15 or newer is needed")
    return Finding(State.OK, "PostgreSQL", shown)


def _role(settings: Settings) -> Finding:
    database = Database(settings.database_url, handlers=Handlers(), pooled=False)
    with database.scope() as session:
        ensure_can_not_bypass(session)
        return Finding(
            State.OK, "role", f"{session.execute(text('SELECT current_user')).scalar()} is bound by row security"
        )


def _migrations(settings: Settings) -> Finding:
    found, wanted = revisions(settings)
    if found != wanted:
        return Finding(
            State.FAIL, "migrations", f"the database has {found}, this release wants {wanted}: crm db upgrade"
        )
    return Finding(State.OK, "migrations", f"at {found}")


def _extensions(settings: Settings) -> Finding:
    present = str(_scalar(settings.database_url, "SELECT string_agg(extname, ',') FROM pg_extension")).split(",")
    if missing := [name for name in EXTENSIONS if name not in present]:
        return Finding(State.FAIL, "extensions", f"missing: {', '.join(missing)}; CREATE EXTENSION as the owner")
    return Finding(State.OK, "extensions", ", ".join(EXTENSIONS))


def _clock(settings: Settings) -> Finding:
    silence = _scalar(settings.database_url, "SELECT now() - max(ticked_at) FROM public.clock_lease")
    if not isinstance(silence, timedelta):
        return Finding(State.FAIL, "clock", "has never run: start `crm up`, or `crm clock` on one machine")
    if silence > CLOCK_SILENCE:
        return Finding(State.FAIL, "clock", f"silent for {int(silence.total_seconds())} s: nothing is sent. Start it")
    return Finding(State.OK, "clock", f"looked {silence.total_seconds():.0f} s ago")


def _queue(settings: Settings) -> Iterator[Finding]:
    try:
        queue = JobQueue(settings.redis_url)
        waiting = queue.waiting()
        yield Finding(State.OK, "Valkey", f"version {queue.version()}")
        listeners = queue.listeners()
    except redis.RedisError as error:
        yield Finding(State.FAIL, "Valkey", f"{error}. Work waits in PostgreSQL until it is back")
        return
    for name in QueueName:
        count = sum(name.value in listener.queues for listener in listeners)
        if count:
            yield Finding(State.OK, f"workers {name}", f"{count} listening, {waiting[name]} jobs waiting")
        else:
            yield Finding(State.FAIL, f"workers {name}", f"nobody listens: start `crm worker --queue {name}`")


def _machine(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(settings.home).free
    state = State.OK if free >= LOW_DISK_BYTES else State.WARN
    yield Finding(state, "disk", f"{free / 1e9:.1f} GB free at {settings.home}")
    host = urlsplit(settings.public_url).hostname or ""
    if not settings.base_url and settings.host not in LOOPBACK:
        yield Finding(
            State.WARN, "address", "CRM_BASE_URL isn't set: links in messages would name the listening address"
        )
    elif not settings.is_https and host not in LOOPBACK:
        yield Finding(
            State.WARN, "address", f"{settings.public_url} isn't HTTPS: passwords and pages travel in the clear"
        )
    else:
        yield Finding(State.OK, "address", settings.public_url)


def _sender_domains(settings: Settings) -> list[str]:
    """The domains of all workspaces' e-mail senders; only the owner sees across workspaces."""
    if not settings.database_owner_url:
        return []
    query = (
        "SELECT string_agg(DISTINCT lower(split_part(address, '@', 2)), ',') FROM public.sender_account"
        " WHERE channel = 'email' AND NOT is_sandbox AND deleted_at IS NULL AND address LIKE '%@%'"
    )
    try:
        found = _scalar(settings.database_owner_url, query)
    except SQLAlchemyError:
        # The looks above have said already what is wrong with the database.
        return []
    return str(found).split(",") if found else []


def sender_domain(domain: str) -> Iterator[Finding]:
    """Whether receivers can check mail from `domain`: MX for answers, SPF (RFC 7208), DMARC (RFC 7489)."""
    subject = f"DNS {domain}"
    try:
        mail_hosts = _records(domain, "MX")
        policies = [record for record in _records(domain, "TXT") if record.lower().startswith("v=spf1")]
        reports = [record for record in _records(f"_dmarc.{domain}", "TXT") if record.lower().startswith("v=dmarc1")]
    except dns.exception.DNSException as error:
        yield Finding(State.WARN, subject, f"no answer from DNS: {error}")
        return
    missing = [name for name, found in (("MX", mail_hosts), ("DMARC", reports)) if not found]
    if len(policies) != 1:
        missing.append("SPF" if not policies else "a single SPF record (there are several)")
    if missing:
        yield Finding(
            State.WARN, subject, f"missing: {', '.join(missing)}; receivers may refuse the mail, see docs/channels.md"
        )
    else:
        yield Finding(State.OK, subject, "MX, SPF and DMARC are there")


def _records(name: str, kind: str) -> list[str]:
    """The records of one kind as text, none when the name doesn't exist."""
    try:
        answer = dns.resolver.resolve(name, kind, lifetime=DNS_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return [
        b"".join(record.strings).decode(errors="replace") if kind == "TXT" else record.to_text() for record in answer
    ]

"""The clock: the one active process that finds in PostgreSQL what is due, and wakes workers or does it in passing.

Which clock is active is a lease row kept with database time, so it works over many machines and through a pooler.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
import redis
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from crm import wiring
from crm.accounts.rules import system_actor
from crm.accounts.services import housekeeping
from crm.campaigns import services as campaigns
from crm.channels.registry import SETUPS
from crm.db import Database, database_now
from crm.interactions import services as tasks
from crm.interactions.services import keeping, warming
from crm.jobs import JobName, JobQueue
from crm.lifecycle import queries as lifecycle
from crm.lifecycle import services as lifecycle_services
from crm.outreach import handover
from crm.outreach.pace import forget_old
from crm.outreach.services import conversations
from crm.outreach.services.claim import release_held
from crm.outreach.services.readback import PAUSES
from crm.outreach.services.recover import recover
from crm.settings import Settings
from workers.watch import Watch

log = structlog.get_logger(__name__)

LEASE_NAME = "clock"
#: A clock that missed this many ticks is replaced by one that stands by.
LEASE_TICKS = 10
MOST_ACCOUNTS = 1_000
#: Accounts woken at once. The queue is first come, first served: a short one keeps the turns that the database gives.
MOST_WAKES = 64
MOST_CLAIMS = 100
MOST_POLLS = 64
#: The channels whose platforms can be asked.
POLLED = tuple(sorted(channel.value for channel, setup in SETUPS.items() if setup.polls))
MOST_EVENTS = 1_000
MOST_SEGMENTS = 500
MOST_ERASURES = 100
MOST_NIGHTS = 100
MOST_EXPORTS = 100
MOST_WORK = 500
#: {kind of long work: the job that goes on with it, how its id begins, what it calls the thing it works on}. Each of
#: them begins behind what is done, or finds it done.
LONG_WORK: Final = {
    "import": (JobName.RUN_IMPORT, JobName.RUN_IMPORT, "import_id"),
    "import.revert": (JobName.REVERT_IMPORT, JobName.REVERT_IMPORT, "import_id"),
    "export": (JobName.RUN_EXPORT, "export", "export_id"),
    "history": (JobName.BRING_HISTORY, "history", "history_id"),
}
#: How old the members of a segment may be before the clock asks for another look.
SEGMENT_SECONDS = 300
FADE_BATCH = 5_000
#: Batches of one workspace in one look, so that the clock goes on with what is more urgent.
MOST_FADES = 4
#: The same for people whose importance changed by thousands: a million of them have their rhythm after one look.
MOST_FOLLOWS = 60


@dataclass(frozen=True)
class Clock:
    """What the chores need."""

    database: Database
    jobs: JobQueue


@dataclass
class Chore:
    """Something looked at every `seconds`; `due` is the moment (monotonic) of the next look."""

    name: str
    seconds: float
    work: Callable[[Clock], None]
    due: float = field(default=0.0)


def run(settings: Settings, stop: threading.Event) -> None:
    """Tick until `stop` is set. Only the holder of the lease does anything; an error is logged and tried again."""
    database = Database(settings.database_url, handlers=wiring.handlers(), size=1, idle_seconds=settings.lease_seconds)
    clock = Clock(database, JobQueue(settings.redis_url, patience=settings.lease_seconds / 2))
    lease = LEASE_TICKS * settings.clock_seconds
    holder = f"{socket.gethostname()}:{os.getpid()}"
    chores = _chores(settings)
    was_active = False
    while not stop.is_set():
        try:
            is_active = hold_lease(database, holder, seconds=lease)
            if is_active is not was_active:
                log.info("clock_active" if is_active else "clock_standing_by", holder=holder)
                was_active = is_active
            if is_active:
                _tick(clock, chores)
        except SQLAlchemyError as error:
            log.warning("clock_without_database", error=type(error).__name__)
            was_active = False
        stop.wait(settings.clock_seconds)
    release_lease(database, holder)
    database.dispose()


def _chores(settings: Settings) -> list[Chore]:
    return [
        Chore("due_accounts", settings.clock_seconds, wake_due_accounts),
        Chore("lapsed_claims", settings.clock_seconds, recover_lapsed),
        Chore("dead_workers", 5.0, lambda clock: _forget_dead(clock.jobs)),
        Chore("stored_inbound", 5.0, wake_for_inbound),
        Chore("due_polls", 2.0, wake_to_poll),
        Chore("doubtful_messages", 15.0, wake_to_read_back),
        Chore("mailboxes", 5.0, wake_for_mailboxes),
        Chore("held_over", 15.0, release_held_over),
        Chore("troubles", 30.0, _watching()),
        Chore("expired_loyalty", 60.0, wake_for_loyalty),
        Chore("stale_segments", 30.0, wake_for_segments),
        Chore("open_erasures", 60.0, wake_for_erasures),
        Chore("open_work", 5.0, wake_for_work),
        Chore("open_enrichment", 30.0, wake_for_enrichment),
        Chore("retention", 600.0, wake_for_retention),
        Chore("due_reminders", 5.0, ring_reminders),
        Chore("snoozes_over", 5.0, wake_snoozed),
        Chore("due_digests", 30.0, wake_for_digests),
        Chore("faded_warmth", 60.0, let_warmth_fade),
        Chore("rhythms", 300.0, follow_importance),
        Chore("running_campaigns", 30.0, tend_campaigns),
        Chore("expired_exports", 600.0, _forgetting(settings.home / "files")),
        Chore("rows_of_the_past", 3600.0, forget_what_is_over),
    ]


def _tick(clock: Clock, chores: list[Chore]) -> None:
    for chore in chores:
        if time.monotonic() < chore.due:
            continue
        chore.due = time.monotonic() + chore.seconds
        try:
            chore.work(clock)
        except (SQLAlchemyError, psycopg.Error):
            # One chore must not keep the others from their work; it is due again at its next time.
            log.exception("chore_failed", chore=chore.name)


def hold_lease(database: Database, holder: str, *, name: str = LEASE_NAME, seconds: float = 10.0) -> bool:
    """Take or keep the lease; False while another holder's runs."""
    with database.scope() as session:
        held = session.execute(
            text(
                "insert into clock_lease (name, holder, until, ticked_at)"
                " values (:name, :holder, now() + make_interval(secs => :seconds), now())"
                " on conflict (name) do update set holder = excluded.holder, until = excluded.until, ticked_at = now()"
                " where clock_lease.holder = excluded.holder or clock_lease.until < now() returning holder"
            ),
            {"name": name, "holder": holder, "seconds": seconds},
        )
        return held.scalar() is not None


def release_lease(database: Database, holder: str, *, name: str = LEASE_NAME) -> None:
    """Let the next clock begin at once."""
    try:
        with database.scope() as session:
            session.execute(
                text("delete from clock_lease where name = :name and holder = :holder"),
                {"name": name, "holder": holder},
            )
    except SQLAlchemyError as error:
        log.warning("lease_not_released", error=type(error).__name__)


def wake_due_accounts(clock: Clock) -> None:
    """Tell the senders which accounts have due messages."""
    for workspace_id, account_id in _pairs(clock, "crm_due_accounts(:most)", MOST_WAKES):
        clock.jobs.wake(account_id, workspace_id=workspace_id)


def forget_what_is_over(clock: Clock) -> None:
    """Remove old answers of idempotent calls, counters, ended browsers and used links."""
    with clock.database.scope() as session:
        housekeeping.sweep(session, now=database_now(session))


def recover_lapsed(clock: Clock) -> None:
    """Settle what dead senders left behind, each for itself: one that can't be settled now keeps no other waiting."""
    handover.attend()
    for workspace_id, claim_id in _pairs(clock, "crm_lapsed_claims(:most)", MOST_CLAIMS):
        try:
            with clock.database.scope(workspace_id) as session:
                found = recover(session, system_actor(workspace_id), claim_id=claim_id, now=database_now(session))
        except (SQLAlchemyError, psycopg.Error):
            log.exception("claim_not_recovered", claim=str(claim_id))
            continue
        if found is not None:
            log.warning("claim_recovered", claim=str(claim_id), again=found.scheduled, uncertain=found.uncertain)


def wake_for_inbound(clock: Clock) -> None:
    """Ask again for accounts with events that nobody handled: their wake-up was lost, or a receipt was parked."""
    for workspace_id, account_id in _pairs(clock, "crm_inbound_waiting(:most)", MOST_ACCOUNTS):
        clock.jobs.enqueue(
            JobName.RECEIVE, id=f"account:{account_id}", workspace_id=workspace_id, account_id=account_id
        )


def wake_to_poll(clock: Clock) -> None:
    """Ask for a look at the platforms that don't call us."""
    with clock.database.scope() as session:
        due = session.execute(
            text("select * from crm_polls_due(:channels, :most)"), {"channels": list(POLLED), "most": MOST_POLLS}
        ).all()
    for workspace_id, account_id in due:
        clock.jobs.enqueue(JobName.POLL, id=f"account:{account_id}", workspace_id=workspace_id, account_id=account_id)


def wake_to_read_back(clock: Clock) -> None:
    """Ask for a look at what became of uncertain messages."""
    with clock.database.scope() as session:
        found = session.execute(
            text("select * from crm_doubtful_accounts(:pauses, :most)"),
            {"pauses": [int(pause.total_seconds()) for pause in PAUSES], "most": MOST_ACCOUNTS},
        ).all()
    for workspace_id, account_id in found:
        clock.jobs.enqueue(
            JobName.READ_BACK, id=f"account:{account_id}", workspace_id=workspace_id, account_id=account_id
        )


def wake_for_mailboxes(clock: Clock) -> None:
    """Ask for a look into the mailboxes whose time has come; who is still at one keeps the job's id taken."""
    for workspace_id, mailbox_id in _pairs(clock, "crm_due_mailboxes(:most)", MOST_ACCOUNTS):
        clock.jobs.enqueue(
            JobName.READ_MAILBOX, id=f"mailbox:{mailbox_id}", workspace_id=workspace_id, mailbox_id=mailbox_id
        )


def release_held_over(clock: Clock) -> None:
    """Held messages whose time has come are due again; old counters of pace go."""
    with clock.database.scope() as session:
        workspaces = session.scalars(text("select workspace_id from crm_held_over()")).all()
    for workspace_id in workspaces:
        with clock.database.scope(workspace_id) as session:
            now = database_now(session)
            release_held(session, system_actor(workspace_id), now=now)
            forget_old(session, now=now)


def wake_for_loyalty(clock: Clock) -> None:
    """Ask for the write-off of points and codes that have expired."""
    with clock.database.scope() as session:
        workspaces = session.scalars(text("select workspace_id from crm_loyalty_due(now())")).all()
    for workspace_id in workspaces:
        clock.jobs.enqueue(JobName.SWEEP_LOYALTY, id=f"workspace:{workspace_id}", workspace_id=workspace_id)


def ring_reminders(clock: Clock) -> None:
    """Ring the bell for tasks whose reminder has come."""
    with clock.database.scope() as session:
        workspaces = session.scalars(text("select workspace_id from crm_reminders_due(:most)"), {"most": MOST_EVENTS})
        due = workspaces.all()
    for workspace_id in due:
        with clock.database.scope(workspace_id) as session:
            tasks.ring_due(session, system_actor(workspace_id), now=database_now(session))


def wake_snoozed(clock: Clock) -> None:
    """Bring conversations back whose time has come."""
    with clock.database.scope() as session:
        found = session.scalars(text("select workspace_id from crm_snoozes_over(:most)"), {"most": MOST_EVENTS}).all()
    for workspace_id in found:
        with clock.database.scope(workspace_id) as session:
            conversations.wake_snoozed(session, system_actor(workspace_id), now=database_now(session))


def wake_for_digests(clock: Clock) -> None:
    """Ask for the digests that are due, each in a job of its own."""
    for workspace_id, user_id in _pairs(clock, "crm_digests_due(:most)", MOST_EVENTS):
        clock.jobs.enqueue(
            JobName.SEND_DIGEST, id=f"digest:{workspace_id}:{user_id}", workspace_id=workspace_id, user_id=user_id
        )


def let_warmth_fade(clock: Clock) -> None:
    """Renew what was counted before midnight (UTC), a few batches at a time; a look without old scores costs little."""
    with clock.database.scope() as session:
        midnight = database_now(session).replace(hour=0, minute=0, second=0, microsecond=0)
        stale = session.scalars(text("select workspace_id from crm_warmth_stale(:before)"), {"before": midnight}).all()
    for workspace_id in stale:
        for _batch in range(MOST_FADES):
            with clock.database.scope(workspace_id) as session:
                if warming.fade(session, before=midnight, now=database_now(session), limit=FADE_BATCH) < FADE_BATCH:
                    break


def follow_importance(clock: Clock) -> None:
    """Let people whose importance came untold (an undone import, a merge) have the rhythm that goes with it."""
    with clock.database.scope() as session:
        workspaces = session.scalars(text("select workspace_id from crm_cadence_workspaces()")).all()
    for workspace_id in workspaces:
        for _batch in range(MOST_FOLLOWS):
            with clock.database.scope(workspace_id) as session:
                system = system_actor(workspace_id)
                if keeping.follow_importance(session, system, now=database_now(session)) < keeping.MOST_ROWS:
                    break


def tend_campaigns(clock: Clock) -> None:
    """Stop those who left a campaign's segment, and tell its author when it has ended."""
    with clock.database.scope() as session:
        workspaces = session.scalars(text("select workspace_id from crm_campaigns_running()")).all()
    for workspace_id in workspaces:
        with clock.database.scope(workspace_id) as session:
            campaigns.tend(session, system_actor(workspace_id), now=database_now(session))


def wake_for_segments(clock: Clock) -> None:
    """Ask for a fresh look at segments that were looked at too long ago, each in a job of its own."""
    with clock.database.scope() as session:
        rows = session.execute(
            text("select * from crm_segments_due(now() - make_interval(secs => :seconds), :most)"),
            {"seconds": SEGMENT_SECONDS, "most": MOST_SEGMENTS},
        ).all()
    for workspace_id, segment_id in rows:
        clock.jobs.enqueue(
            JobName.REFRESH_SEGMENT, id=f"segment:{segment_id}", workspace_id=workspace_id, segment_id=segment_id
        )


def _forgetting(folder: Path) -> Callable[[Clock], None]:
    """The chore that removes the files of exports whose time is over."""

    def forget(clock: Clock) -> None:
        for workspace_id, export_id in _pairs(clock, "crm_expired_exports(:most)", MOST_EXPORTS):
            with clock.database.scope(workspace_id) as session:
                system = system_actor(workspace_id)
                row = lifecycle.export(session, system, export_id=export_id, lock=True)
                lifecycle_services.forget(session, system, row=row, folder=folder)

    return forget


def wake_for_erasures(clock: Clock) -> None:
    """Ask again for erasures whose traces in texts and files are still to be found."""
    for workspace_id, erasure_id in _pairs(clock, "crm_open_erasures(:most)", MOST_ERASURES):
        clock.jobs.enqueue(
            JobName.FINISH_ERASURE, id=f"erasure:{erasure_id}", workspace_id=workspace_id, erasure_id=erasure_id
        )


def wake_for_work(clock: Clock) -> None:
    """Ask again for imports, exports and the like that stand still; who is still at it keeps the job's id taken."""
    with clock.database.scope() as session:
        found = session.execute(text("select * from crm_open_work(:most)"), {"most": MOST_WORK}).all()
    for workspace_id, kind, object_id in found:
        if kind in LONG_WORK:
            job, begins, called = LONG_WORK[kind]
            clock.jobs.enqueue(job, id=f"{begins}:{object_id}", workspace_id=workspace_id, **{called: object_id})


def wake_for_enrichment(clock: Clock) -> None:
    """Ask again for looks at sources that wait or were lost; who is still at it keeps the job's id taken."""
    for workspace_id, run_id in _pairs(clock, "crm_open_enrichment(:most)", MOST_WORK):
        clock.jobs.enqueue(JobName.ENRICH, id=f"run:{run_id}", workspace_id=workspace_id, run_id=run_id)


def wake_for_retention(clock: Clock) -> None:
    """Ask for the night's look at what workspaces keep no longer, where it is night and nobody looked yet."""
    with clock.database.scope() as session:
        workspaces = session.scalars(text("select workspace_id from crm_retention_due(:most)"), {"most": MOST_NIGHTS})
        found = list(workspaces)
    for workspace_id in found:
        clock.jobs.enqueue(JobName.KEEP_RETENTION, id=f"workspace:{workspace_id}", workspace_id=workspace_id)


def _watching() -> Callable[[Clock], None]:
    """Ring the bells about what keeps messages from leaving."""
    watch = Watch()

    def look(clock: Clock) -> None:
        changed = watch.look(clock.database, clock.jobs.listeners)
        if changed:
            log.info("bells_rung", changed=changed)

    return look


def _forget_dead(jobs: JobQueue) -> None:
    try:
        jobs.forget_dead_workers()
    except redis.RedisError as error:
        log.warning("queue_away", error=type(error).__name__)


def _pairs(clock: Clock, function: str, most: int) -> list[tuple[UUID, UUID]]:
    with clock.database.scope() as session:
        return _rows(session, function, most)


def _rows(session: Session, function: str, most: int) -> list[tuple[UUID, UUID]]:
    found = session.execute(text(f"select * from {function}"), {"most": most})  # noqa: S608 - two names of this module.
    return [(first, second) for first, second in found]

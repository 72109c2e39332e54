"""Asks the platform of an account for what came in, where it doesn't call us; no transaction is open meanwhile."""

import time
from typing import Final
from uuid import UUID

import structlog

from crm.accounts.rules import system_actor
from crm.channels.base import OutcomeKind, Polled, PollError, Polls
from crm.channels.setup import ConfigError
from crm.db import Database, database_now
from crm.outreach.adapters import SenderSpec, connect, load_spec
from crm.outreach.secrets import SecretError
from crm.outreach.services.cursors import keep_polled, note_failure, take_turn

log = structlog.get_logger(__name__)

#: After this long the rest waits for the account's next turn.
SECONDS: Final = 20.0


def poll(database: Database, *, workspace_id: UUID, account_id: UUID, seconds: float = SECONDS) -> int:
    """Take in what waits at the platform, answer by answer; how many events are new.

    What an answer brought is committed before the next one is asked for, which tells the platform to forget it.
    """
    actor, stored, until = system_actor(workspace_id), 0, time.monotonic() + seconds
    try:
        with database.scope(workspace_id) as session:
            cursor = take_turn(session, actor, account_id=account_id, now=database_now(session))
            spec = load_spec(session, account_id) if cursor is not None else None
    except SecretError:
        _failed(database, workspace_id, account_id, PollError("config", OutcomeKind.AUTH))
        return 0
    if cursor is None or spec is None:
        return 0
    try:
        while True:
            polled = _asked(spec, cursor)
            with database.scope(workspace_id) as session:
                now = database_now(session)
                stored += keep_polled(session, actor, account_id=account_id, polled=polled, now=now)
            if not polled.pieces or polled.cursor == cursor or time.monotonic() >= until:
                return stored
            cursor = polled.cursor
    except PollError as error:
        _failed(database, workspace_id, account_id, error)
        return stored


def _asked(spec: SenderSpec, cursor: str) -> Polled:
    """One answer of the platform. Raises `PollError`, also for settings that can't be used."""
    try:
        adapter = connect(spec)
    except (ConfigError, KeyError):
        raise PollError("config", OutcomeKind.AUTH) from None
    try:
        if not isinstance(adapter, Polls):
            raise PollError("config", OutcomeKind.AUTH)
        return adapter.poll(cursor)
    finally:
        adapter.close()


def _failed(database: Database, workspace_id: UUID, account_id: UUID, error: PollError) -> None:
    log.warning("poll_failed", account=str(account_id), code=error.code)
    with database.scope(workspace_id) as session:
        take_turn(session, system_actor(workspace_id), account_id=account_id, now=database_now(session))
        note_failure(session, account_id=account_id, error=error, now=database_now(session))

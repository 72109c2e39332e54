"""Looks what became of an account's uncertain messages: no transaction is open while a mailbox is asked."""

import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from crm.accounts.rules import system_actor
from crm.channels.base import Outcome, OutcomeKind
from crm.channels.setup import ConfigError
from crm.db import Database, database_now
from crm.outreach.adapters import SenderSpec, connect, load_spec
from crm.outreach.secrets import SecretError
from crm.outreach.services.readback import Doubt, doubts, note_look, settle_by_receipts
from crm.outreach.tokens import TokenError, with_token

log = structlog.get_logger(__name__)

#: After this long other accounts have their turn; what is left is due again at the clock's next look.
SECONDS: Final = 60.0


@dataclass(slots=True)
class Report:
    """What one run did: messages looked for, and messages settled."""

    looked: int = 0
    settled: int = 0


def run(database: Database, *, workspace_id: UUID, account_id: UUID, seconds: float = SECONDS) -> Report:
    """Settle what can be settled of one account, for about `seconds`."""
    actor, report = system_actor(workspace_id), Report()
    spec, unusable = None, None
    with database.scope(workspace_id) as session:
        now = database_now(session)
        report.settled += settle_by_receipts(session, actor, account_id=account_id, now=now)
        waiting = doubts(session, actor, account_id=account_id, now=now)
        try:
            spec = load_spec(session, account_id) if waiting else None
        except SecretError as error:
            unusable = error
    if spec is not None:
        try:
            spec = with_token(database, spec, workspace_id=workspace_id)
        except TokenError as error:
            _keep(database, workspace_id, waiting, Outcome(kind=error.kind, code=error.code))
            return report
    if unusable is not None:
        _keep(database, workspace_id, waiting, Outcome(kind=OutcomeKind.AUTH, code="config"))
        log.warning("account_unusable", account=str(account_id), error=type(unusable).__name__)
    elif spec is not None:
        _look(database, workspace_id, spec, waiting, report, until=time.monotonic() + seconds)
    return report


def _look(
    database: Database, workspace_id: UUID, spec: SenderSpec, waiting: list[Doubt], report: Report, *, until: float
) -> None:
    try:
        adapter = connect(spec)
    except (ConfigError, KeyError):
        _keep(database, workspace_id, waiting, Outcome(kind=OutcomeKind.AUTH, code="config"))
        return
    try:
        for number, doubt in enumerate(waiting):
            if time.monotonic() >= until:
                return
            outcome = adapter.find_sent(doubt.reference)
            if outcome is None:
                return
            if outcome.kind not in {OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN}:
                # Asking again for each message would only knock at a closed door; they all wait for the next time.
                _keep(database, workspace_id, waiting[number:], outcome)
                return
            report.looked += 1
            report.settled += _keep(database, workspace_id, [doubt], outcome)
    finally:
        adapter.close()


def _keep(database: Database, workspace_id: UUID, looked_for: list[Doubt], outcome: Outcome) -> int:
    with database.scope(workspace_id) as session:
        now = database_now(session)
        return note_look(session, system_actor(workspace_id), looked_for=looked_for, outcome=outcome, now=now)

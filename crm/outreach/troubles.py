"""What is wrong with sending just now, over all workspaces, and which words of the bell tell of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.accounts.rules import system_actor
from crm.accounts.services import alerts
from crm.accounts.services.alerts import Change, Trouble

ACCOUNT: Final = "alert.account"
UNCERTAIN: Final = "alert.uncertain"
STALLED: Final = "alert.stalled"
WORKER: Final = "alert.worker"
QUEUE: Final = "alert.queue"
CLOCK: Final = "alert.clock"
#: What belongs to one workspace, and what keeps every workspace from sending.
OWN: Final = frozenset({ACCOUNT, UNCERTAIN, STALLED})
COMMON: Final = frozenset({WORKER, QUEUE, CLOCK})
#: A silent clock is mourned after this long: it ticks every second or so.
CLOCK_SILENCE: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Found:
    """All troubles by workspace, workspaces with nothing but lines to take back included."""

    by_workspace: dict[UUID, list[Trouble]]
    #: Workspaces that could send, so that a common trouble is theirs as well.
    senders: frozenset[UUID]


def find(session: Session) -> Found:
    """Look at every workspace in one question; the session needs no workspace of its own."""
    by_workspace: dict[UUID, list[Trouble]] = {}
    senders: set[UUID] = set()
    for workspace_id, kind, key, name in session.execute(text("select * from crm_troubles()")):
        if kind == "sender":
            senders.add(workspace_id)
            continue
        known = by_workspace.setdefault(workspace_id, [])
        if kind in OWN:
            known.append(Trouble(kind, key, _page(kind, key), {"name": name}))
    return Found(by_workspace, frozenset(senders))


def _page(kind: str, key: str) -> str:
    return "/messages?box=uncertain" if kind == UNCERTAIN else f"/settings/channels/{key}"


def ring(
    session: Session, workspace_id: UUID, *, own: list[Trouble], common: frozenset[str] | None, now: datetime
) -> Change:
    """Bring one workspace's bell in line; `common` None leaves the lines about the installation alone."""
    kinds = OWN if common is None else OWN | COMMON
    troubles = [*own, *(Trouble(kind, url="/calendar") for kind in sorted(common or ()))]
    return alerts.keep(session, system_actor(workspace_id), kinds=kinds, troubles=troubles, now=now)


def clock_silence(session: Session) -> timedelta | None:
    """For how long no clock has ticked; None when none ever did."""
    return session.execute(text("select now() - max(ticked_at) from clock_lease where name = 'clock'")).scalar()

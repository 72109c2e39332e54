"""Owns what a transaction knows already: answers that many parts of a page need, asked once."""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from crm.db import WorkspaceSession

_KNOWN = "read_once"


def read_once(session: Session) -> set[Hashable]:
    """What this transaction has read and needs not ask again; it forgets with each of its own writes.

    Such as that an actor may see a person. Keep nothing here that another transaction must not find a moment old.
    Always empty for a session that can't tell when it writes.
    """
    if not isinstance(session, WorkspaceSession):
        return set()
    known: set[Hashable] = session.info.setdefault(_KNOWN, set())
    return known


@event.listens_for(WorkspaceSession, "after_begin")
@event.listens_for(WorkspaceSession, "after_flush")
@event.listens_for(WorkspaceSession, "after_soft_rollback")
def _forget(session: Session, *_how: Any) -> None:
    session.info.pop(_KNOWN, None)


@event.listens_for(WorkspaceSession, "do_orm_execute")
def _forget_after_writing(state: ORMExecuteState) -> None:
    if not state.is_select:
        state.session.info.pop(_KNOWN, None)

"""Owns the numbers beside Today and Inbox."""

from datetime import datetime

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.desk.queue import Kind, count


def counts(session: Session, actor: Actor, *, now: datetime) -> dict[str, int]:
    """{navigation key: how many wait for the actor}: conversations unanswered, and every line of Today."""
    waiting = count(session, actor, is_mine=True, now=now)
    return {"inbox": waiting[Kind.REPLY], "today": sum(waiting.values())}

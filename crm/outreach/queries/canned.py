"""Reads canned replies: all of them by title, or those with some words."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.filters.text import normalise
from crm.outreach.inbox_models import CannedReply

#: A workspace has some dozens; more than this is not a list to choose from.
MOST: Final = 500


def canned_replies(session: Session, actor: Actor, *, text: str = "", limit: int = MOST) -> list[CannedReply]:
    """Canned replies by title; with `text` those that have all its words in title or text, accents don't matter."""
    actor.require(Permission.WRITE)
    rows = session.scalars(select(CannedReply).order_by(CannedReply.title, CannedReply.id).limit(MOST))
    words = normalise(text).split()
    fitting = (row for row in rows if all(word in normalise(f"{row.title} {row.body}") for word in words))
    return list(fitting)[:limit]

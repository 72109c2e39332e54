"""Owns the search for messages: the threads whose subject has all the words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.models import Contact
from crm.filters.text import normalise
from crm.outreach.models import Conversation

#: So many threads are looked through, the newest first: a subject can be found by no index under row-level security.
LOOKED_THROUGH: Final = 5_000
SHORTEST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadHit:
    """A thread that was found: whose it is, and when something was last said in it."""

    id: UUID
    subject: str
    name: str
    last_at: datetime


def find_threads(session: Session, actor: Actor, *, text: str, limit: int = 10) -> list[ThreadHit]:
    """The newest threads whose subject has every word of `text`, with people the actor may see; accents don't matter.

    Looks through the newest 5,000 of them; less than three letters find nothing.
    """
    words = normalise(text).split()[:6]
    if contacts.scope(actor) is contacts.Scope.NOTHING or max(map(len, words), default=0) < SHORTEST:
        return []
    newest = (
        select(Conversation.id, Conversation.contact_id, Conversation.subject, Conversation.last_at)
        .where(contacts.about_visible(actor, Conversation.contact_id))
        .order_by(Conversation.last_at.desc(), Conversation.id.desc())
        .limit(LOOKED_THROUGH)
        .subquery()
    )
    subject = func.crm_search_text(newest.c.subject)
    wanted = (
        select(newest.c.id, newest.c.subject, newest.c.last_at, Contact.display_name)
        .outerjoin(Contact, Contact.id == newest.c.contact_id)
        .where(newest.c.subject != "", *(subject.contains(word, autoescape=True) for word in words))
        .order_by(newest.c.last_at.desc(), newest.c.id.desc())
        .limit(limit)
    )
    return [
        ThreadHit(id=row.id, subject=row.subject, name=row.display_name or "", last_at=row.last_at)
        for row in session.execute(wanted)
    ]

"""Owns the search for messages: the threads whose subject has all the words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.models import Contact
from crm.contacts.queries.finding import within_time
from crm.db import among
from crm.filters.text import normalise
from crm.outreach.models import Conversation

#: Where words are so common that the index takes too long, as many of the newest threads have some of them.
LOOKED_THROUGH: Final = 5_000
SHORTEST: Final = 3

_THREADS: Final = text("select id from public.crm_search_threads(:query, :limit, :scope, :viewer)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadHit:
    """A thread that was found: whose it is, and when something was last said in it."""

    id: UUID
    subject: str
    name: str
    last_at: datetime


def find_threads(session: Session, actor: Actor, *, text: str, limit: int = 10) -> list[ThreadHit]:
    """The newest threads whose subject has every word of `text`, with people the actor may see; accents don't matter.

    Looks through the whole history, and where nothing has the words, for subjects with words like them. Less than
    three letters find nothing.
    """
    words = normalise(text).split()[:6]
    reach = contacts.scope(actor)
    if reach is contacts.Scope.NOTHING or max(map(len, words), default=0) < SHORTEST:
        return []
    given = {"query": text, "limit": limit, "scope": reach.value, "viewer": actor.user_id}
    found = within_time(session, _THREADS, given)
    if found is None:
        return _hits(session, _among_newest(actor, words).limit(limit))
    if not found:
        return []
    return _hits(session, _select(actor).where(among(Conversation.id, [row.id for row in found])))


def _select(actor: Actor) -> Select[*tuple[Any, ...]]:
    return (
        select(Conversation.id, Conversation.subject, Conversation.last_at, Contact.display_name)
        .outerjoin(Contact, Contact.id == Conversation.contact_id)
        .where(contacts.about_visible(actor, Conversation.contact_id))
        .order_by(Conversation.last_at.desc(), Conversation.id.desc())
    )


def _among_newest(actor: Actor, words: list[str]) -> Select[*tuple[Any, ...]]:
    newest = (
        select(
            Conversation.id, Conversation.contact_id, Conversation.subject, Conversation.search, Conversation.last_at
        )
        .where(contacts.about_visible(actor, Conversation.contact_id))
        .order_by(Conversation.last_at.desc(), Conversation.id.desc())
        .limit(LOOKED_THROUGH)
        .subquery()
    )
    return (
        select(newest.c.id, newest.c.subject, newest.c.last_at, Contact.display_name)
        .outerjoin(Contact, Contact.id == newest.c.contact_id)
        .where(*(newest.c.search.contains(word, autoescape=True) for word in words))
        .order_by(newest.c.last_at.desc(), newest.c.id.desc())
    )


def _hits(session: Session, wanted: Select[*tuple[Any, ...]]) -> list[ThreadHit]:
    return [
        ThreadHit(id=row.id, subject=row.subject, name=row.display_name or "", last_at=row.last_at)
        for row in session.execute(wanted)
    ]

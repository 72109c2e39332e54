"""Owns who is going cold: key people nobody had a word with, and who fell while nothing else would tell it.

Key people stand here after a month without a word. Key and important people whose importance has no rhythm in this
workspace stand here by their warmth alone: when it has fallen since the last exchange, by `FALL` points or more. Who
has a rhythm, or was told to have none, is left to it.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, literal_column, or_, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.kinds import Importance
from crm.contacts.models import Company, Contact
from crm.contacts.queries import ContactFilter, ContactSort
from crm.desk.queue_sources import MOST, QUIET_DAYS, QUIET_SHOWN, Kind, View, Waiting, mine
from crm.interactions.keeping_models import Cadence, SetAside, Warmth
from crm.interactions.queries import keeping
from crm.interactions.queries.keeping import Fall

#: So many points of warmth that went are a reason to write.
FALL: Final = 15
#: A word of the last days still works; after half a year nobody is "going" cold.
SETTLED: Final = timedelta(days=14)
LONG_AGO: Final = timedelta(days=180)
#: So many of those whose last word lies nearest are looked at.
LOOKED_AT: Final = 100


def cooling(session: Session, view: View) -> list[Waiting]:
    """The few who are going cold, the coldest way first, without those set aside; four statements at most."""
    quiet = _quiet(session, view)
    known = {row.id for row in quiet}
    fallen = [row for row in _fallen(session, view) if row.id not in known]
    return _not_aside(session, view, [*quiet, *fallen])[:QUIET_SHOWN]


def _quiet(session: Session, view: View) -> list[Waiting]:
    """Key people nobody exchanged a word with for a month, the longest first."""
    page = contacts.list_contacts(
        session,
        view.actor,
        where=ContactFilter(
            owner_id=view.actor.user_id if view.is_mine else None,
            importance=Importance.KEY.value,
            quiet_since=view.now - timedelta(days=QUIET_DAYS),
        ),
        sort=ContactSort.LAST_EXCHANGE,
        limit=MOST,
    )
    rows = [row for row in page.items if row.limited_at is None]
    falls = keeping.falls(session, view.actor, contact_ids=[row.id for row in rows], now=view.now)
    return [_line(row, row.company.name if row.company else "", falls.get(row.id)) for row in rows]


def _fallen(session: Session, view: View) -> list[Waiting]:
    """Who fell although no rhythm tells of them, the last word nearest behind first."""
    levels = _without_rhythm(session, view.actor)
    if not levels:
        return []
    near = (
        select(Contact.id)
        .where(
            Contact.importance != literal_column(f"'{Importance.NORMAL.value}'"),
            Contact.importance.in_(levels),
            Contact.last_interaction_at.between(view.now - LONG_AGO, view.now - SETTLED),
            Contact.limited_at.is_(None),
            mine(view, Contact.owner_id),
            contacts.alive(view.actor),
            ~select(Cadence.id).where(Cadence.contact_id == Contact.id, Cadence.own_days.is_not(None)).exists(),
        )
        .order_by(Contact.last_interaction_at.desc(), Contact.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    before = func.crm_warmth(
        Warmth.inbound, Warmth.outbound, Warmth.at, Warmth.two_way_at, Warmth.any_at, Warmth.any_at
    )
    found = session.execute(
        select(Contact, Company.name.label("company"))
        .join(near, near.c.id == Contact.id)
        .join(Warmth, Warmth.contact_id == Contact.id)
        .outerjoin(Company, Company.id == Contact.company_id)
        .where(Warmth.user_id.is_(None), before - Warmth.score >= FALL)
        .order_by(Contact.last_interaction_at.desc(), Contact.id.desc())
        .limit(MOST)
    ).all()
    falls = keeping.falls(session, view.actor, contact_ids=[row.Contact.id for row in found], now=view.now)
    return [_line(row.Contact, row.company or "", falls.get(row.Contact.id)) for row in found]


def _without_rhythm(session: Session, actor: Actor) -> list[str]:
    key_days, high_days, _normal = keeping.cadence_settings(session, actor)
    given = ((Importance.KEY, key_days), (Importance.HIGH, high_days))
    return [importance.value for importance, days in given if days is None]


def _line(row: Contact, company: str, fall: Fall | None) -> Waiting:
    since: datetime | None = max(filter(None, (row.last_outbound_at, row.last_inbound_at)), default=None)
    return Waiting(
        kind=Kind.QUIET,
        id=row.id,
        name=row.display_name,
        contact_id=row.id,
        company=company,
        is_key=row.importance == Importance.KEY,
        since=since,
        count=fall.score if fall else 0,
        total=fall.before if fall else 0,
        news=since or row.created_at,
    )


def _not_aside(session: Session, view: View, found: list[Waiting]) -> list[Waiting]:
    rows = session.execute(
        select(SetAside.object_id, SetAside.mark).where(
            SetAside.user_id == view.actor.user_id,
            SetAside.kind == Kind.QUIET.value,
            SetAside.object_id.in_([row.id for row in found]),
            or_(SetAside.until.is_(None), SetAside.until > view.now),
        )
    )
    marks = {row.object_id: row.mark for row in rows}
    return [row for row in found if row.id not in marks or (row.news is not None and row.news > marks[row.id])]

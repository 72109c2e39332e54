"""Owns what the timeline does when something happens elsewhere."""

from sqlalchemy.orm import Session

from crm.events import HandleLinked, ImportanceChanged, ProcessingResumed
from crm.interactions import services
from crm.interactions.services import keeping
from crm.interactions.services.recounting import rewarm


def adopt_history(session: Session, event: HandleLinked) -> None:
    """A stranger turned out to be somebody: what they did under that handle becomes their history, or the company's."""
    services.adopt(session, handle_id=event.handle_id, contact_id=event.contact_id, company_id=event.company_id)


def warm_after_limit(session: Session, event: ProcessingResumed) -> None:
    """What happened while the person's data were only kept counts from now on."""
    rewarm(session, contact_ids=[event.contact_id], now=event.now)


def follow_importance(session: Session, event: ImportanceChanged) -> None:
    """Who became important, or is it no more, has the rhythm that goes with it at once."""
    keeping.follow_these(session, contact_ids=event.contact_ids, workspace_id=event.workspace_id)

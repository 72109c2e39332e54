"""Owns what the timeline does when something happens elsewhere."""

from sqlalchemy.orm import Session

from crm.events import HandleLinked
from crm.interactions import services


def adopt_history(session: Session, event: HandleLinked) -> None:
    """A stranger turned out to be somebody: what they did under that handle becomes their history."""
    services.adopt(session, handle_id=event.handle_id, contact_id=event.contact_id)

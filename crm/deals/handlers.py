"""Owns what deals do when something happens elsewhere."""

from sqlalchemy.orm import Session

from crm.deals import services
from crm.events import TaskRepeated


def keep_next_task(session: Session, event: TaskRepeated) -> None:
    """What comes back is about the same deals."""
    services.keep_next(session, task_id=event.task_id, follows_id=event.follows_id)

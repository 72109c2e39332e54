"""Owns reading the timeline and tasks."""

from crm.interactions.queries.tasks import (
    TaskFilter,
    TaskNotFoundError,
    TaskView,
    list_tasks,
    task,
    tasks_of,
)
from crm.interactions.queries.timeline import (
    Exchange,
    InteractionNotFoundError,
    TimelineEntry,
    entry,
    interaction,
    last_exchanges,
    open_complaints,
    readable,
    timeline,
)

__all__ = [
    "Exchange",
    "InteractionNotFoundError",
    "TaskFilter",
    "TaskNotFoundError",
    "TaskView",
    "TimelineEntry",
    "entry",
    "interaction",
    "last_exchanges",
    "list_tasks",
    "open_complaints",
    "readable",
    "task",
    "tasks_of",
    "timeline",
]

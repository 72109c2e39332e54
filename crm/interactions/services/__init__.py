"""Owns every change to the timeline and to tasks."""

from crm.interactions.services.bulk import log_of_sent
from crm.interactions.services.tasks import (
    TaskInput,
    complete_task,
    create_task,
    delete_task,
    reopen_task,
    snooze_task,
    update_task,
)
from crm.interactions.services.timeline import (
    Entry,
    adopt,
    log,
    log_many,
    mark_answered,
    recompute,
    remove,
    set_sentiment,
)

__all__ = [
    "Entry",
    "TaskInput",
    "adopt",
    "complete_task",
    "create_task",
    "delete_task",
    "log",
    "log_many",
    "log_of_sent",
    "mark_answered",
    "recompute",
    "remove",
    "reopen_task",
    "set_sentiment",
    "snooze_task",
    "update_task",
]

"""REST API of the timeline and of tasks."""

from crm.interactions.api import files, history, keeping, tasks, timeline, vocabulary
from crm.interactions.api.blueprint import blueprint

__all__ = ["blueprint", "files", "history", "keeping", "tasks", "timeline", "vocabulary"]

"""REST API of the timeline and of tasks."""

from crm.interactions.api import files, tasks, timeline, vocabulary
from crm.interactions.api.blueprint import blueprint

__all__ = ["blueprint", "files", "tasks", "timeline", "vocabulary"]

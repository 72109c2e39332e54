"""Pages of the timeline and of tasks."""

from crm.interactions.views import entries, tasks, timeline, vocabulary
from crm.interactions.views.blueprint import blueprint

__all__ = ["blueprint", "entries", "tasks", "timeline", "vocabulary"]

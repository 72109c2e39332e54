"""Pages of the timeline and of tasks."""

from crm.interactions.views import tasks, timeline
from crm.interactions.views.blueprint import blueprint

__all__ = ["blueprint", "tasks", "timeline"]

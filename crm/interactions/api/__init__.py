"""REST API of the timeline and of tasks."""

from crm.interactions.api import tasks, timeline
from crm.interactions.api.blueprint import blueprint

__all__ = ["blueprint", "tasks", "timeline"]

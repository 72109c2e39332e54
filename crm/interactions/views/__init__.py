"""Pages of the timeline and of tasks."""

from crm.interactions.views import entries, hand_over, history, keeping, tasks, timeline, vocabulary
from crm.interactions.views.blueprint import blueprint

__all__ = ["blueprint", "entries", "hand_over", "history", "keeping", "tasks", "timeline", "vocabulary"]

"""REST: deals, their people, companies and tasks, pipelines and stages."""

from crm.deals.api import deals, pipelines, tasks
from crm.deals.api.blueprint import blueprint

__all__ = ["blueprint", "deals", "pipelines", "tasks"]

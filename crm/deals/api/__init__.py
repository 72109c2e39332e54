"""REST: deals, their people and companies, pipelines and stages."""

from crm.deals.api import deals, pipelines
from crm.deals.api.blueprint import blueprint

__all__ = ["blueprint", "deals", "pipelines"]

"""Pages of campaigns, one module for setting up, reviewing and running."""

from crm.campaigns.views import origin, review, run, setup
from crm.campaigns.views.blueprint import blueprint

__all__ = ["blueprint", "origin", "review", "run", "setup"]

"""Pages of campaigns, one module for setting up, reviewing and running."""

from crm.campaigns.views import review, run, setup
from crm.campaigns.views.blueprint import blueprint

__all__ = ["blueprint", "review", "run", "setup"]

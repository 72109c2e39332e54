"""HTML: the board, the list, one deal's forms, and the settings of pipelines."""

from crm.deals.views import board, deals, linking, moving, pipelines
from crm.deals.views.blueprint import blueprint

__all__ = ["blueprint", "board", "deals", "linking", "moving", "pipelines"]

"""Pages of imports."""

from crm.lifecycle.views import imports
from crm.lifecycle.views.blueprint import blueprint

__all__ = ["blueprint", "imports"]

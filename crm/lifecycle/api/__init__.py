"""REST API of imports."""

from crm.lifecycle.api import imports
from crm.lifecycle.api.blueprint import blueprint

__all__ = ["blueprint", "imports"]

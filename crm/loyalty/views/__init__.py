"""HTML pages of loyalty, one module per noun; importing this package puts all routes on the blueprint."""

from crm.loyalty.views import members, offers, programs, public, till
from crm.loyalty.views.blueprint import blueprint

__all__ = ["blueprint", "members", "offers", "programs", "public", "till"]

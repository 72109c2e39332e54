"""REST of loyalty, one module per noun; importing this package puts all routes on the blueprint."""

from crm.loyalty.api import members, offers, programs, vouchers
from crm.loyalty.api.blueprint import blueprint

__all__ = ["blueprint", "members", "offers", "programs", "vouchers"]

"""The REST API of campaigns."""

from crm.campaigns.api.routes import blueprint

__all__ = ["blueprint"]

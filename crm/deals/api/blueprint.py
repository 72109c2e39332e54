"""The blueprint of the deals API."""

from crm.web.api import api_blueprint

blueprint = api_blueprint("deals")

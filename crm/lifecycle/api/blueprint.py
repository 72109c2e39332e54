"""The blueprint of the REST API of imports."""

from crm.web.api import api_blueprint

blueprint = api_blueprint("lifecycle")

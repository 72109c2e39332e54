"""The blueprint of the REST API of the timeline and of tasks."""

from crm.web.api import api_blueprint

blueprint = api_blueprint("interactions")

"""The blueprint that the operations on people, companies and tags hang on."""

from crm.web.api import api_blueprint

blueprint = api_blueprint("contacts")

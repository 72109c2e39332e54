"""The WSGI entry for a web server of the operator's choice; `crm web` serves the same application."""

from crm.app import create_app
from crm.settings import Settings

application = create_app(Settings.load())

"""Forms of the public pages."""

from wtforms import BooleanField

from crm.web.forms import Form
from crm.web.i18n import lazy

#: Changes whenever the sentences beside the choices do; kept with each consent.
WORDING_VERSION = "preferences-2026-11"


class PreferencesForm(Form):
    promotional = BooleanField(lazy("Reserved news and private promotions, on any channel"))
    personal = BooleanField(lazy("Personal messages from the people I know here"))

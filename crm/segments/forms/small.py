"""Owns the small forms: the name of a segment."""

from wtforms import StringField
from wtforms.validators import InputRequired, Length

from crm.segments.services.saved import MAX_NAME
from crm.web.forms import Form
from crm.web.i18n import lazy


class NameForm(Form):
    name = StringField(lazy("Name"), [InputRequired(lazy("Give the segment a name.")), Length(max=MAX_NAME)])

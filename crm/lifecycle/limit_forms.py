"""Owns the forms of limiting the processing of a person's data and of lifting the limit."""

from datetime import date

from wtforms import DateField, SelectField, TextAreaField
from wtforms.validators import DataRequired, Length

from crm.contacts.services.limits import NOTE
from crm.lifecycle.privacy_words import GROUNDS
from crm.web.forms import Form
from crm.web.i18n import lazy


class LimitForm(Form):
    """Why and since when the data may only be kept."""

    ground = SelectField(lazy("Why"), choices=[(ground.value, label) for ground, label in GROUNDS.items()])
    asked_on = DateField(lazy("Asked on"), validators=[DataRequired(lazy("Choose a day."))])
    note = TextAreaField(lazy("Note"), validators=[Length(max=NOTE)])

    def asked(self) -> date:
        """The day of a form that was found valid."""
        assert self.asked_on.data is not None, "DataRequired said so"  # noqa: S101 - for the type alone.
        return self.asked_on.data


class LiftForm(Form):
    """How the person was told that the limit ends."""

    note = TextAreaField(
        lazy("How the person was told"),
        validators=[DataRequired(lazy("Write how the person was told.")), Length(max=NOTE)],
    )

"""Owns the forms of consent and suppression."""

from datetime import date, datetime, time
from typing import Any

from wtforms import DateField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from crm.channels.base import ChannelKind
from crm.clock import is_near, local_day, local_instant
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, SuppressionReason
from crm.consent.words import ACTION_LABELS, BASIS_LABELS, PURPOSE_LABELS, REASON_LABELS
from crm.contacts.words import CHANNEL_LABELS
from crm.web.forms import Form
from crm.web.i18n import _, lazy


class ConsentForm(Form):
    """Someone agreed or objected, with its evidence."""

    purpose = SelectField(lazy("To what"), choices=[(str(value), label) for value, label in PURPOSE_LABELS.items()])
    channel = SelectField(
        lazy("Through which channel"),
        choices=[("", lazy("every channel")), *((str(value), label) for value, label in CHANNEL_LABELS.items())],
        default=ChannelKind.EMAIL.value,
    )
    action = SelectField(
        lazy("What"),
        choices=[(str(value), label) for value, label in ACTION_LABELS.items()],
        default=ConsentAction.GRANTED.value,
    )
    basis = SelectField(
        lazy("It rests on"),
        choices=[(str(value), label) for value, label in BASIS_LABELS.items() if value is not Basis.UNKNOWN],
    )
    source = StringField(
        lazy("Where it comes from"),
        description=lazy("Like “form at the fair” or “said on the phone”."),
        validators=[InputRequired(), Length(max=200)],
    )
    happened_on = DateField(lazy("When"), description=lazy("Today when empty."), validators=[Optional()])
    wording = TextAreaField(lazy("The words they agreed to"), validators=[Length(max=5000)])
    wording_version = StringField(lazy("Version of the words"), validators=[Length(max=64)])
    note = TextAreaField(
        lazy("Evidence"), description=lazy("Where the proof can be found."), validators=[Length(max=5000)]
    )

    def validate_happened_on(self, field: DateField) -> None:
        """Refuse days that nobody can mean."""
        if field.data and not is_near(field.data):
            raise ValidationError(_("This day is too far away."))

    def values(self, *, tz: str, now: datetime) -> dict[str, Any]:
        """The arguments of `services.record`; a day of the past counts from its beginning."""
        on: date | None = self.happened_on.data
        past = on is not None and on != local_day(now, tz=tz)
        return {
            "purpose": ConsentPurpose(self.purpose.data),
            "channel": ChannelKind(self.channel.data) if self.channel.data else None,
            "action": ConsentAction(self.action.data),
            "basis": Basis(self.basis.data),
            "source": self.source.data or "",
            "wording": self.wording.data or "",
            "wording_version": self.wording_version.data or "",
            "note": self.note.data or "",
            "happened_at": local_instant(on, time(0), tz=tz) if past and on else now,
        }


class SuppressionForm(Form):
    """An address that gets nothing any more."""

    channel = SelectField(
        lazy("Channel"), choices=[(str(value), label) for value, label in CHANNEL_LABELS.items() if value != "webhook"]
    )
    address = StringField(lazy("Address"), validators=[InputRequired(), Length(max=320)])
    reason = SelectField(
        lazy("Reason"),
        choices=[
            (str(value), label) for value, label in REASON_LABELS.items() if value is not SuppressionReason.ERASED
        ],
        default=SuppressionReason.OPERATOR.value,
    )

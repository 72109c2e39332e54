"""Forms of campaigns: name, people, offer, words, one draft, a reason, and when it leaves."""

from datetime import datetime, time
from typing import Final
from uuid import UUID

from wtforms import (
    BooleanField,
    DateField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
    TimeField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from crm.campaigns.inputs import PeopleInput, ScheduleInput, TextInput, WordsInput
from crm.campaigns.kinds import LeaverPolicy, ScheduleKind
from crm.campaigns.words import LEAVERS, SCHEDULES
from crm.channels.base import ChannelKind
from crm.clock import local_instant
from crm.consent.kinds import Purpose
from crm.outreach.words import CHANNELS, PURPOSES
from crm.web.forms import Form
from crm.web.i18n import lazy

#: What a person can write by hand is offered here beside e-mail; the text is ready, a person sends it.
WRITTEN_ON = (
    ChannelKind.EMAIL,
    ChannelKind.WHATSAPP,
    ChannelKind.INSTAGRAM,
    ChannelKind.LINKEDIN,
    ChannelKind.X,
)


class OrEmpty(Optional):
    """Lets a field be empty without calling it optional: what is needed depends on another choice."""

    def __init__(self) -> None:
        super().__init__()
        self.field_flags = {}


def _id(value: str | None) -> UUID | None:
    return UUID(value) if value else None


class NameForm(Form):
    name = StringField(
        lazy("Name"),
        description=lazy("Only you and your colleagues see it."),
        validators=[DataRequired(lazy("Write a name.")), Length(max=120)],
    )
    segment_id = SelectField(lazy("For whom"), validators=[OrEmpty()])


class PeopleForm(Form):
    segment_id = SelectField(lazy("Segment"), validators=[OrEmpty()])
    leavers = RadioField(
        lazy("Who leaves the segment after the drafts are written"),
        choices=[(kind.value, label) for kind, label in LEAVERS.items()],
        default=LeaverPolicy.STAY.value,
    )
    holdout_percent = IntegerField(
        lazy("Hold out to compare"),
        description=lazy("This share gets nothing, so that you can tell what writing changes. 0 is fine for a few."),
        default=0,
        validators=[InputRequired(), NumberRange(0, 90)],
    )

    def data_of(self) -> PeopleInput:
        """What was chosen, as the service takes it."""
        return PeopleInput(
            segment_id=_id(self.segment_id.data),
            leavers=LeaverPolicy(self.leavers.data),
            holdout_percent=self.holdout_percent.data or 0,
        )


class OfferForm(Form):
    offer_id = RadioField(lazy("Offer"), validators=[OrEmpty()], default="")

    def chosen(self) -> UUID | None:
        """The offer, None for none."""
        return _id(self.offer_id.data)


#: Each person is written to from the account of whoever looks after them.
OWNERS: Final = "owner"


class WordsForm(Form):
    """`subject` and `body` are the text for everybody; those with an ending are for one language."""

    purpose = RadioField(
        lazy("What it is"),
        choices=[(kind.value, PURPOSES[kind]) for kind in (Purpose.PROMOTIONAL, Purpose.PERSONAL)],
        default=Purpose.PROMOTIONAL.value,
    )
    channel = SelectField(lazy("Channel"), choices=[(kind.value, CHANNELS[kind]) for kind in WRITTEN_ON])
    account_id = SelectField(lazy("From"), validators=[OrEmpty()])
    subject = StringField(lazy("Subject"), validators=[Length(max=250)])
    body = TextAreaField(lazy("Text"), validators=[Length(max=20_000)])
    subject_it = StringField(lazy("Subject in Italian"), validators=[Length(max=250)])
    body_it = TextAreaField(lazy("Text in Italian"), validators=[Length(max=20_000)])
    subject_en = StringField(lazy("Subject in English"), validators=[Length(max=250)])
    body_en = TextAreaField(lazy("Text in English"), validators=[Length(max=20_000)])
    person = SelectField(lazy("As read by"), validators=[OrEmpty()], validate_choice=False)

    def data_of(self) -> WordsInput:
        """What was written, as the service takes it; an empty text of a language is none."""
        texts = [TextInput(subject=self.subject.data or "", body=self.body.data or "")]
        if self.subject_it.data or self.body_it.data:
            texts.append(TextInput(language="it", subject=self.subject_it.data or "", body=self.body_it.data or ""))
        if self.subject_en.data or self.body_en.data:
            texts.append(TextInput(language="en", subject=self.subject_en.data or "", body=self.body_en.data or ""))
        purpose = Purpose.PERSONAL if self.purpose.data == Purpose.PERSONAL else Purpose.PROMOTIONAL
        return WordsInput(
            purpose=purpose,
            channel=ChannelKind(self.channel.data),
            account_id=None if self.account_id.data == OWNERS else _id(self.account_id.data),
            from_owner=self.account_id.data == OWNERS,
            texts=texts,
        )


class DraftForm(Form):
    subject = StringField(lazy("Subject"), validators=[Length(max=250)])
    body = TextAreaField(lazy("Text"), validators=[Length(max=20_000)])
    version = IntegerField(lazy("Version"), validators=[OrEmpty()])


class ReasonForm(Form):
    reason = StringField(
        lazy("Why"),
        description=lazy("Your colleagues read it in the report."),
        validators=[Length(max=200)],
    )


class ScheduleForm(Form):
    kind = RadioField(
        lazy("When"),
        choices=[(kind.value, label) for kind, label in SCHEDULES.items()],
        default=ScheduleKind.AT.value,
    )
    on = DateField(lazy("Day"), validators=[OrEmpty()])
    at = TimeField(lazy("Time"), validators=[OrEmpty()])
    until_on = DateField(lazy("Last day"), validators=[OrEmpty()])
    until = TimeField(lazy("Last hour"), validators=[OrEmpty()])
    in_recipient_zone = BooleanField(lazy("At this hour where each person lives"))

    def data_of(self, *, tz: str) -> ScheduleInput:
        """What was chosen, days and hours in the zone `tz`."""
        return ScheduleInput(
            kind=ScheduleKind(self.kind.data),
            at=_moment(self.on, self.at, tz=tz),
            until=_moment(self.until_on if self.until_on.data else self.on, self.until, tz=tz),
            in_recipient_zone=bool(self.in_recipient_zone.data),
        )


def _moment(day: DateField, hour: TimeField, *, tz: str) -> datetime | None:
    if day.data is None:
        return None
    return local_instant(day.data, hour.data or time(10), tz=tz)

"""Owns the forms of the timeline."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from flask_wtf.file import FileField, FileRequired
from werkzeug.datastructures import FileStorage
from wtforms import (
    BooleanField,
    DateField,
    DateTimeLocalField,
    DecimalField,
    IntegerField,
    MultipleFileField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, Regexp

from crm.clock import zone
from crm.contacts.words import CHANNEL_LABELS
from crm.interactions.keywords import MAX_PHRASE
from crm.interactions.kinds import Direction, InteractionKind, Sentiment, Visibility
from crm.interactions.queries import TimelineFilter, Word
from crm.interactions.services import ICONS, MAX_TEXT
from crm.interactions.timeline_models import EntryLabel, OwnKind
from crm.interactions.words import KIND_LABELS, LOGGED, SENTIMENT_LABELS, TONE_LABELS
from crm.web.forms import Form
from crm.web.i18n import _, lazy, lazy_p

#: Kinds with a button of their own; the others stand behind "Something else".
DIRECT: Final = (InteractionKind.NOTE, InteractionKind.CALL, InteractionKind.MEETING)
OTHER: Final = "other"
TOO_LONG: Final = lazy("This is too long for a note. Put it into a file and attach that.")
TONES: Final = [(tone.value, label) for tone, label in TONE_LABELS.items()]
MOODS: Final = [("", lazy("not said")), *((mood.value, label) for mood, label in SENTIMENT_LABELS.items())]
#: Kinds for which the person may have begun or we may have.
_TWO_WAYS: Final = frozenset({InteractionKind.CALL})


class LogForm(Form):
    """Something that happened, written down by hand; empty times mean now."""

    mode = SelectField(default=InteractionKind.NOTE.value)
    kind = SelectField(lazy("What"), default=InteractionKind.COMMENT.value)
    body = TextAreaField(
        lazy("What was said"),
        validators=[
            Length(max=MAX_TEXT, message=lazy("This is too long for a note. Put it into a file and attach that."))
        ],
    )
    happened_at = DateTimeLocalField(lazy("When"), format="%Y-%m-%dT%H:%M", validators=[Optional()])
    minutes = IntegerField(lazy("Minutes"), validators=[Optional(), NumberRange(1, 1440)])
    direction = SelectField(
        lazy("Who called"),
        choices=[(Direction.OUTBOUND.value, lazy("we called")), (Direction.INBOUND.value, lazy("they called"))],
        default=Direction.OUTBOUND.value,
        # Script leaves the field out where it makes no sense.
        validate_choice=False,
    )
    channel = SelectField(
        lazy("Channel"),
        default="",
        choices=[("", lazy("no channel")), *CHANNEL_LABELS.items()],
    )
    sentiment = SelectField(lazy("Mood"), choices=MOODS, default="")
    post_url = StringField(
        lazy("Link to the post"),
        validators=[Optional(), Length(max=2000), Regexp(r"https?://\S+$", message=lazy("Write a web address."))],
    )
    amount = DecimalField(
        lazy("Amount"), places=2, use_locale=False, validators=[Optional(), NumberRange(0, 10_000_000)]
    )
    files = MultipleFileField(lazy("Files"))
    private = BooleanField(lazy("Only I see it"))

    def offer(self, own: Sequence[OwnKind | Word]) -> "LogForm":
        """Fill the choice of kinds with the standard ones and the workspace's own."""
        kinds = [(kind.value, str(KIND_LABELS[kind])) for kind in LOGGED]
        kinds += [(row.key, row.name) for row in own]
        self.kind.choices = [choice for choice in kinds if choice[0] not in set(DIRECT)]
        self.mode.choices = [*kinds, (OTHER, OTHER)]
        return self

    def logged(self) -> str:
        """The kind that was chosen: by its own button, or from the list behind "Something else"."""
        return self.kind.data if self.mode.data == OTHER else self.mode.data

    def _direction(self) -> Direction:
        return Direction.INBOUND if self.direction.data == Direction.INBOUND else Direction.OUTBOUND

    def values(self, *, tz: str, now: datetime) -> dict[str, Any]:
        """The arguments of `services.log`; the time is the reader's wall clock."""
        kind = self.logged()
        is_other = self.mode.data == OTHER or kind not in set(DIRECT)
        at: datetime | None = self.happened_at.data
        amount = self.amount.data if is_other else None
        return {
            "kind": kind,
            "body": (self.body.data or "").strip(),
            "happened_at": at.replace(tzinfo=zone(tz)) if at else now,
            "duration_minutes": self.minutes.data if kind != InteractionKind.NOTE and not is_other else None,
            "direction": self._direction() if kind in _TWO_WAYS else None,
            "visibility": Visibility.PRIVATE if self.private.data else Visibility.TEAM,
            "channel": (self.channel.data or None) if is_other else None,
            "sentiment": Sentiment(self.sentiment.data) if is_other and self.sentiment.data else None,
            "post_url": (self.post_url.data or "") if is_other else "",
            "amount_minor": round(amount * 100) if amount is not None else None,
        }

    def uploads(self) -> list[FileStorage]:
        """The files that were chosen."""
        return [file for file in self.files.data or () if getattr(file, "filename", "")]


class TextForm(Form):
    """Other words for what somebody wrote down."""

    body = TextAreaField(
        lazy("Text"),
        validators=[
            Length(max=MAX_TEXT, message=lazy("This is too long for a note. Put it into a file and attach that."))
        ],
    )


class MeaningForm(Form):
    """What an entry means: its mood and its labels."""

    sentiment = SelectField(lazy("Mood"), choices=MOODS, default="")
    labels = SelectMultipleField(lazy("Labels"))
    new_label = StringField(lazy("A new label"), validators=[Length(max=40)])

    def offer(self, labels: Sequence[EntryLabel], standard: Sequence[tuple[str, str]]) -> "MeaningForm":
        """Fill the choice of labels; a standard one that was never used stands in by its key."""
        known = {row.key for row in labels}
        self.labels.choices = [
            *((key, name) for key, name in standard if key not in known),
            *((str(row.id), row.name) for row in labels),
        ]
        return self


class FileForm(Form):
    """Files beside an entry."""

    files = MultipleFileField(lazy("Files"))

    uploads = LogForm.uploads


class NarrowForm(Form):
    """What a timeline is narrowed to, from the address of the page; what makes no sense narrows nothing."""

    class Meta(Form.Meta):
        """It changes nothing, so it needs no token."""

        csrf = False  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    kind = SelectField(lazy("Kind"), default="", validate_choice=False)
    channel = SelectField(
        lazy("Channel"), default="", validate_choice=False, choices=[("", lazy("any channel")), *CHANNEL_LABELS.items()]
    )
    mood = SelectField(lazy("Mood"), default="", validate_choice=False, choices=[("", lazy("any mood")), *MOODS[1:]])
    label = SelectField(lazy_p("entry", "Label"), default="", validate_choice=False)
    person = SelectField(lazy("Person"), default="", validate_choice=False)

    def offer(
        self, own: Sequence[Word], labels: Sequence[Word], people: Sequence[tuple[UUID, str]] = ()
    ) -> "NarrowForm":
        """Fill the choices; `people` are those of a company."""
        kinds = [(kind.value, str(label)) for kind, label in KIND_LABELS.items()]
        self.kind.choices = [("", _("any kind")), *kinds, *((row.key, row.name) for row in own)]
        self.label.choices = [("", _("any label")), *((str(row.id), row.name) for row in labels)]
        self.person.choices = [("", _("everybody")), *((str(key), name) for key, name in people)]
        return self

    def chosen(self) -> dict[str, Any]:
        """What is chosen, as the address of the page holds it."""
        known = {
            field.name: {str(choice[0]) for choice in field.choices or ()}
            for field in (self.kind, self.channel, self.mood, self.label, self.person)
        }
        given = {name: str(self[name].data or "") for name in known}
        return {name: value for name, value in given.items() if value and value in known[name]}

    def where(self, kinds: Sequence[str] = ()) -> TimelineFilter:
        """The same for the query; `kinds` is what a tab shows already."""
        given = self.chosen()
        return TimelineFilter(
            kinds=[given["kind"]] if "kind" in given else list(kinds),
            channel=given.get("channel"),
            sentiment=given.get("mood"),
            label_id=UUID(given["label"]) if "label" in given else None,
            person_id=UUID(given["person"]) if "person" in given else None,
        )


class OwnKindForm(Form):
    """A kind of the user's own."""

    name = StringField(lazy("Name"), validators=[InputRequired(), Length(max=40)])
    icon = RadioField(lazy("Icon"), choices=[(icon, icon) for icon in ICONS], default=ICONS[0])
    tone = SelectField(lazy("Colour"), choices=TONES, default=TONES[0][0])


class LabelForm(Form):
    """A label."""

    name = StringField(lazy("Name"), validators=[InputRequired(), Length(max=40)])
    tone = SelectField(lazy("Colour"), choices=TONES, default=TONES[0][0])


class RuleForm(Form):
    """A keyword rule."""

    phrase = StringField(lazy("Word or phrase"), validators=[InputRequired(), Length(max=MAX_PHRASE)])
    sentiment = SelectField(lazy("Mood"), choices=MOODS, default="")
    label_id = SelectField(lazy_p("entry", "Label"), default="")

    def offer(self, labels: Sequence[EntryLabel]) -> "RuleForm":
        """Fill the choice of labels."""
        self.label_id.choices = [("", _("no label")), *((str(row.id), row.name) for row in labels)]
        return self


class HistoryForm(Form):
    """The file that is brought in."""

    file = FileField(lazy("File"), validators=[FileRequired(lazy("Choose a file."))])


class WhoForm(Form):
    """What belongs to the question who is who."""

    order = SelectField(
        lazy("How its dates are written"),
        choices=[("day", lazy("day first: 23/11/2026")), ("month", lazy("month first: 11/23/2026"))],
        default="day",
        validate_choice=False,
    )
    wanted = StringField(lazy("Somebody who is not offered"), validators=[Length(max=200)])


class HandOverForm(Form):
    """Whom a person is handed over to, what they should know, and what they should do."""

    owner_id = SelectField(lazy("To whom"), default="")
    note = TextAreaField(lazy("What they should know"), validators=[Length(max=5000)])
    task = StringField(lazy("What they should do"), validators=[InputRequired(), Length(max=200)])
    due_on = DateField(lazy("Until when"), validators=[Optional()])

    def offer(self, colleagues: Mapping[UUID, str]) -> "HandOverForm":
        """Fill the choice of colleagues."""
        self.owner_id.choices = [("", _("choose")), *((str(key), name) for key, name in colleagues.items())]
        return self

    def values(self) -> dict[str, Any]:
        """The fields as `HandOverInput` takes them."""
        return {
            "owner_id": self.owner_id.data or None,
            "note": self.note.data or "",
            "task": self.task.data or "",
            "due_on": self.due_on.data,
        }

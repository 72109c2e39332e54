"""Forms of imports and exports: the file, the choices for its columns, the kind of file that goes out."""

from collections.abc import Sequence
from typing import Any

from flask_wtf.file import FileField, FileRequired
from wtforms import Field, RadioField, SelectField, StringField
from wtforms.validators import DataRequired, Length

from crm.consent.kinds import Basis
from crm.contacts.custom_rules import FieldShape
from crm.contacts.kinds import Lifecycle
from crm.contacts.words import LIFECYCLE_LABELS
from crm.lifecycle.kinds import ExportFormat, ImportMode, MatchKey
from crm.lifecycle.models import Import
from crm.lifecycle.rules.columns import Target
from crm.lifecycle.services import Choices
from crm.lifecycle.words import BASES, FORMATS, MATCHES, MODES, TARGETS, source
from crm.lifecycle.words import column as shown
from crm.web.forms import Form
from crm.web.i18n import _, lazy, lazy_p


class UploadForm(Form):
    file = FileField(lazy("File"), validators=[FileRequired(lazy("Choose a file."))])


class ChoicesForm(Form):
    """Mode, basis and source; `for_import` adds one choice per column of the file."""

    match = SelectField(lazy("Recognise people by"), choices=[(kind.value, label) for kind, label in MATCHES.items()])
    new_lifecycle = SelectField(
        lazy("Relationship of new people"),
        description=lazy("Where no column says it; those we know keep theirs."),
        choices=[("", lazy("as usual")), *((kind.value, LIFECYCLE_LABELS[kind]) for kind in Lifecycle)],
    )
    month_first = SelectField(
        lazy("Birthdays are written"),
        choices=[("", lazy("day first: 21/04/1980")), ("1", lazy("month first: 04/21/1980"))],
    )
    mode = SelectField(lazy_p("import", "What to do"), choices=[(kind.value, label) for kind, label in MODES.items()])
    source = StringField(
        lazy("Where these people come from"),
        description=lazy("Kept with each value, like “Cersaie fair, September 2026”."),
        validators=[DataRequired(lazy("Say where they come from.")), Length(max=200)],
    )
    basis = RadioField(
        lazy("Why you may write to them"),
        choices=[(kind.value, label) for kind, label in BASES.items()],
        default=Basis.UNKNOWN.value,
    )
    tag = StringField(lazy("Tag for everybody in this file"), validators=[Length(max=100)])

    columns: dict[str, Field]

    @classmethod
    def for_import(cls, row: Import, own: Sequence[FieldShape] = ()) -> "ChoicesForm":
        """The form of one import, filled with what was guessed or chosen before; `own` are fields to choose, too."""
        choices: Any = [(target.value, label) for target, label in TARGETS.items()]
        if own:
            leave_out, *meanings = choices
            choices = {
                "": [leave_out],
                _("Fields of every person"): meanings,
                _("Own fields"): [(field.name, field.label) for field in own],
            }
        fields = {
            f"column_{index}": SelectField(shown(row, column), choices=choices, default=row.mapping.get(column, ""))
            for index, column in enumerate(row.columns)
        }
        form = type("ChoicesFormOfFile", (cls,), fields)(
            data=None,
            mode=row.mode,
            source=source(row),
            basis=row.basis,
            tag=row.tag,
            match=row.match,
            new_lifecycle=row.new_lifecycle,
            month_first="1" if row.month_first else "",
        )
        if Target.BIRTHDAY not in row.mapping.values():
            del form.month_first
        form.columns = {column: form._fields[f"column_{index}"] for index, column in enumerate(row.columns)}
        return form

    def choices(self) -> Choices:
        """What was chosen, as the service takes it."""
        return Choices(
            mapping={column: field.data for column, field in self.columns.items()},
            mode=ImportMode(self.mode.data),
            basis=Basis(self.basis.data),
            source=self.source.data or "",
            tag=self.tag.data or "",
            match=MatchKey(self.match.data),
            month_first=bool(self.month_first and self.month_first.data),
            new_lifecycle=Lifecycle(self.new_lifecycle.data) if self.new_lifecycle.data else None,
        )


class ExportForm(Form):
    """As what people are exported."""

    format = RadioField(
        lazy("Kind of file"),
        choices=[(kind.value, label) for kind, label in FORMATS.items()],
        default=ExportFormat.CSV.value,
    )

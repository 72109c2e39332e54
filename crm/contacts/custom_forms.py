"""Owns the forms of the workspace's own fields: their controls beside others, one alone, and their definition."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from babel import Locale
from babel.numbers import NumberFormatError, format_decimal, get_currency_precision, parse_decimal
from flask_babel import get_locale
from wtforms import BooleanField, Field, HiddenField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from crm.contacts.custom_inputs import LONGEST_LABEL
from crm.contacts.custom_rules import CHOOSING, LARGEST, LONGEST_TEXT, FieldShape, Value
from crm.contacts.custom_words import SUBJECT_LABELS, TYPE_LABELS
from crm.contacts.kinds import CustomSubject, CustomType
from crm.contacts.queries import Values
from crm.web.forms import Form
from crm.web.i18n import _, lazy

F = TypeVar("F", bound=Form)
_NUMBERS: Final = frozenset({CustomType.NUMBER, CustomType.MONEY})
_DIGITS: Final = "0.##########"


def with_custom(base: type[F], fields: Sequence[FieldShape], values: Values | None = None) -> type[F]:
    """`base` with one more control for each of the `fields`, called by its name (`custom.<key>`).

    Choices that are archived are offered to those whose `values` hold them.
    """
    controls = {field.name: _control(field, (values or {}).get(field.key)) for field in fields}
    return cast("type[F]", type(base.__name__, (base,), controls))


def _control(field: FieldShape, value: Value | None) -> Field:  # noqa: PLR0911 - a line for each type.
    held = value.text.split(", ") if value and field.type in CHOOSING else []
    listed = [(one.key, one.label) for one in field.choices if not one.is_archived or one.key in held]
    given: dict[str, Any] = {"description": field.help, "validators": [InputRequired()] if field.required else []}
    match field.type:
        case CustomType.CHOICE:
            return SelectField(field.label, choices=[("", _("not known")), *listed], validate_choice=False, **given)
        case CustomType.CHOICES:
            return SelectMultipleField(field.label, choices=listed, validate_choice=False, **given)
        case CustomType.YES_NO:
            answers = [("", _("not known")), ("yes", _("yes")), ("no", _("no"))]
            return SelectField(field.label, choices=answers, validate_choice=False, **given)
        case CustomType.NUMBER | CustomType.MONEY:
            return StringField(field.label, render_kw={"inputmode": "decimal", "autocomplete": "off"}, **given)
        case CustomType.DATE:
            return StringField(field.label, render_kw={"type": "date"}, **given)
        case CustomType.CONTACT:
            hint = {"placeholder": _("Name or e-mail address"), "autocomplete": "off"}
            return StringField(field.label, render_kw=hint, **given)
        case _:
            given["validators"] = [*given["validators"], Length(max=LONGEST_TEXT)]
            return StringField(field.label, **given)


def show_custom(form: Form, fields: Sequence[FieldShape], values: Values, *, names: Mapping[str, str]) -> None:
    """Fill the controls from values."""
    for field in fields:
        if (value := values.get(field.key)) is not None:
            form[field.name].data = _written(field, value, names)


def _written(field: FieldShape, value: Value, names: Mapping[str, str]) -> Any:
    locale = get_locale() or Locale("en")
    match field.type:
        case CustomType.NUMBER:
            return format_decimal(value.plain, _DIGITS, locale=locale, group_separator=False)
        case CustomType.MONEY:
            currency = value.plain["currency"]
            major = value.plain["amount"] / 10 ** get_currency_precision(currency)
            text = format_decimal(major, _DIGITS, locale=locale, group_separator=False)
            return text if currency == field.currency else f"{text} {currency}"
        case CustomType.CHOICES:
            return value.plain
        case CustomType.CONTACT:
            return names.get(value.text, value.text)
        case _:
            return value.text


def custom_changes(
    form: Form, fields: Sequence[FieldShape], values: Values, *, names: Mapping[str, str]
) -> dict[str, Any]:
    """What the controls say by key, as `services.set_custom_values` takes it; numbers by the reader's locale."""
    found: dict[str, Any] = {}
    for field in fields:
        given = form[field.name].data
        value = values.get(field.key)
        if field.type is CustomType.CONTACT and value is not None and given == _written(field, value, names):
            # Two people may be called so; who was chosen once stays chosen.
            continue
        found[field.key] = _number(given) if field.type in _NUMBERS else given
    return found


def _number(text: str | None) -> Any:
    try:
        number = parse_decimal(text, locale=get_locale() or Locale("en"), strict=True) if text else None
    except NumberFormatError:
        return text
    # What can't be written so exactly is left to the one who refuses it.
    return float(number) if number is not None and abs(number) <= LARGEST else text


class CustomValueForm(Form):
    """One value, edited where it stands; its control comes by `with_custom`."""

    version = HiddenField()


class CustomFieldForm(Form):
    """The definition of a field; choices are lines, each in its place."""

    subject = SelectField(
        lazy("Describes"), choices=[(str(key), label) for key, label in SUBJECT_LABELS.items()], default="contact"
    )
    label = StringField(lazy("Name"), validators=[InputRequired(), Length(max=LONGEST_LABEL)])
    type = SelectField(lazy("Kind of value"), choices=[(str(key), label) for key, label in TYPE_LABELS.items()])
    help = StringField(
        lazy("Help"),
        description=lazy("A line under the field, for those who fill it in."),
        validators=[Length(max=200)],
    )
    choices = TextAreaField(lazy("Choices"), description=lazy("One on each line. Only for one or several choices."))
    lowest = StringField(lazy("Lowest value"), description=lazy("For numbers, amounts and dates."))
    highest = StringField(lazy("Highest value"))
    currency = StringField(lazy("Usual currency"), default="EUR", validators=[Length(max=3)])
    pattern = StringField(
        lazy("Form of the text"),
        description=lazy("A is a letter, 9 a digit, X either: AA999AA."),
        validators=[Length(max=60)],
    )
    required = BooleanField(lazy("Required when somebody types a record in"))
    filterable = BooleanField(lazy("Offered in filters and segments"), default=True)

    PLAIN: Final = ("label", "type", "help", "lowest", "highest", "currency", "pattern", "required", "filterable")

    def show(self, field: FieldShape) -> "CustomFieldForm":
        """Fill the form from a definition."""
        for name in self.PLAIN:
            self[name].data = getattr(field, name)
        self.type.data = str(field.type)
        self.subject.data = str(field.subject)
        self.choices.data = "\n".join(choice_line(field))
        return self

    def changes(self, field: FieldShape | None = None) -> dict[str, Any]:
        """The definition as `CustomFieldInput` takes it; a line that names a known choice keeps its key."""
        values: dict[str, Any] = {name: self[name].data for name in self.PLAIN}
        values = {name: "" if value is None else value for name, value in values.items()}
        values["currency"] = (self.currency.data or "EUR").strip().upper()
        if field is None:
            values["subject"] = self.subject.data or CustomSubject.CONTACT
        values["choices"] = [_choice(line) for line in (self.choices.data or "").splitlines() if line.strip()]
        return values


#: A choice keeps its key when it is renamed: the key stands behind its label in brackets.
_CHOICE: Final = re.compile(r"(?P<label>.*?)\s*(?:\[(?P<key>[a-z][a-z0-9_]{0,39})\])?\s*")


def choice_line(field: FieldShape) -> list[str]:
    """The choices in use as lines of a text."""
    return [f"{one.label} [{one.key}]" for one in field.choices if not one.is_archived]


def _choice(line: str) -> dict[str, str]:
    found = _CHOICE.fullmatch(line)
    return {"key": (found["key"] or "") if found else "", "label": found["label"] if found else line.strip()}

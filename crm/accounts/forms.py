"""Owns the forms of accounts: first run, invitation, profile, workspace, tokens, audit."""

from typing import Any
from zoneinfo import available_timezones

from babel import Locale
from flask_babel import get_locale
from wtforms import (
    BooleanField,
    DateField,
    EmailField,
    HiddenField,
    IntegerField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import TimeInput

from crm.accounts.kinds import Permission, Role
from crm.accounts.services.workspaces import PER_WEEK_LIMITS, PER_WEEK_SENTENCE
from crm.accounts.words import PERMISSIONS, ROLES
from crm.channels.addresses import DEFAULT_REGION, REGIONS
from crm.web.forms import Form
from crm.web.i18n import lazy, lazy_p

LANGUAGES = [("en", "English"), ("it", "Italiano")]
DAYS = [
    ("1", lazy("Monday")),
    ("2", lazy("Tuesday")),
    ("3", lazy("Wednesday")),
    ("4", lazy("Thursday")),
    ("5", lazy("Friday")),
    ("6", lazy("Saturday")),
    ("7", lazy("Sunday")),
]


ZONES: list[tuple[str, Any]] = [
    (name, name) for name in sorted(available_timezones()) if "/" in name and not name.startswith(("Etc/", "SystemV/"))
]
"""The time zones to choose from: places, without the historical short names."""


def countries() -> list[tuple[str, str]]:
    """The countries to choose from, by their name in the reader's language."""
    names = (get_locale() or Locale("en")).territories
    return sorted(((code, names.get(code, code)) for code in REGIONS), key=lambda pair: pair[1])


def new_password_field(label: Any, **extra: Any) -> PasswordField:
    """A field for a password to be set; its rules are checked where it is hashed."""
    return PasswordField(
        label,
        validators=[InputRequired(), Length(max=200)],
        description=lazy("At least 10 signs; a short sentence is best."),
        render_kw={"autocomplete": "new-password", "minlength": "10", **extra},
    )


class FirstRunForm(Form):
    """The owner and the first workspace."""

    workspace_name = StringField(
        lazy("Name of your firm"), validators=[InputRequired(), Length(max=120)], render_kw={"autofocus": True}
    )
    name = StringField(
        lazy("Your name"), validators=[InputRequired(), Length(max=120)], render_kw={"autocomplete": "name"}
    )
    email = EmailField(
        lazy("Your e-mail"), validators=[InputRequired(), Length(max=320)], render_kw={"autocomplete": "username"}
    )
    password = new_password_field(lazy("Password"))
    locale = SelectField(lazy("Language"), choices=LANGUAGES)
    time_zone = SelectField(lazy("Time zone"), choices=ZONES)
    country = SelectField(lazy("Country"), choices=countries, default=DEFAULT_REGION)


class AcceptForm(Form):
    """A new person who was invited."""

    name = StringField(
        lazy("Your name"),
        validators=[InputRequired(), Length(max=120)],
        render_kw={"autocomplete": "name", "autofocus": True},
    )
    password = new_password_field(lazy("Password"))


class ForgotForm(Form):
    """Whose password is lost."""

    email = EmailField(
        lazy("E-mail"),
        validators=[InputRequired(), Length(max=320)],
        render_kw={"autocomplete": "username", "autofocus": True},
    )


class ResetForm(Form):
    """The new password behind a link."""

    password = new_password_field(lazy("New password"), autofocus=True)


class ProfileForm(Form):
    """What a person may change about themselves."""

    name = StringField(lazy("Name"), validators=[InputRequired(), Length(max=120)], render_kw={"autocomplete": "name"})
    locale = SelectField(lazy("Language"), choices=[("", lazy("As the workspace")), *LANGUAGES])
    time_zone = SelectField(lazy("Time zone"), choices=[("", lazy("As the workspace")), *ZONES])
    theme = SelectField(
        lazy("Appearance"),
        choices=[("auto", lazy("As the device")), ("light", lazy("Light")), ("dark", lazy("Dark"))],
    )


class PasswordForm(Form):
    """The old password and the new one."""

    current = PasswordField(
        lazy("Your password now"),
        validators=[InputRequired(), Length(max=1000)],
        render_kw={"autocomplete": "current-password"},
    )
    password = new_password_field(lazy("New password"))


class InviteForm(Form):
    """Whom to invite, and as what."""

    email = EmailField(lazy("E-mail"), validators=[InputRequired(), Length(max=320)])
    role = SelectField(lazy("Role"), choices=[(role.value, ROLES[role]) for role in Role], default=Role.SALES.value)


class RoleForm(Form):
    """Another role for a member."""

    role = SelectField(lazy("Role"), choices=[(role.value, ROLES[role]) for role in Role])


class TeamForm(Form):
    """With whom a member works."""

    team = StringField(lazy("Team"), validators=[Length(max=60)])


class WorkspaceForm(Form):
    """The settings of the workspace."""

    name = StringField(lazy("Name"), validators=[InputRequired(), Length(max=120)])
    locale = SelectField(lazy("Language"), choices=LANGUAGES)
    time_zone = SelectField(lazy("Time zone"), choices=ZONES)
    country = SelectField(
        lazy("Country"),
        choices=countries,
        description=lazy("Phone numbers without a prefix, VAT numbers and public holidays are those of this country."),
    )
    postal_address = TextAreaField(
        lazy("Postal address"),
        validators=[Length(max=500)],
        description=lazy("Stands under every promotion, as the law asks."),
        render_kw={"rows": 3, "autocomplete": "street-address"},
    )
    window_start = StringField(lazy("From"), validators=[InputRequired()], widget=TimeInput())
    window_end = StringField(lazy_p("hour", "Until"), validators=[InputRequired()], widget=TimeInput())
    window_days = SelectMultipleField(
        lazy("Days"), choices=DAYS, validators=[InputRequired(lazy("Choose at least one day."))]
    )
    promotional_per_week = IntegerField(
        lazy("Promotions to one person in a week"),
        validators=[InputRequired(), NumberRange(*PER_WEEK_LIMITS, message=lazy(PER_WEEK_SENTENCE))],
    )
    company_per_week = IntegerField(
        lazy("Messages to one company in a week"),
        validators=[InputRequired(), NumberRange(*PER_WEEK_LIMITS, message=lazy(PER_WEEK_SENTENCE))],
    )
    audience_limit = IntegerField(
        lazy("Most people in one campaign"),
        validators=[InputRequired(), NumberRange(1, 5000)],
        description=lazy("One to few: a larger audience needs the right to send beyond limits."),
    )
    second_approval = BooleanField(lazy("A second person approves campaigns"))
    require_second_factor = BooleanField(lazy("Everybody signs in with a second factor"))


class TokenForm(Form):
    """A new API token."""

    name = StringField(
        lazy("What is it for?"), validators=[InputRequired(), Length(max=80)], render_kw={"autocomplete": "off"}
    )
    role = SelectField(lazy("Role"), choices=[(role.value, ROLES[role]) for role in Role], default=Role.VIEWER.value)
    scopes = SelectMultipleField(
        lazy("Only these rights"),
        choices=[(right.value, PERMISSIONS[right]) for right in Permission],
        description=lazy("Choose none for all rights of the role."),
    )
    days = SelectField(
        lazy("Ends after"),
        choices=[("30", lazy("30 days")), ("90", lazy("90 days")), ("365", lazy("One year"))],
        default="90",
    )


class Blank(Optional):
    """An empty field is fine, and of a filter nobody need be told so."""

    def __init__(self) -> None:
        super().__init__()
        self.field_flags = {}


class AuditForm(Form):
    """What the audit log is narrowed by; read from the address."""

    who = SelectField(lazy("Who"), validators=[Blank()], validate_choice=False)
    action = SelectField(lazy("What"), validators=[Blank()], validate_choice=False)
    since = DateField(lazy("From"), validators=[Blank()])
    until = DateField(lazy("Until"), validators=[Blank()])
    object = HiddenField()

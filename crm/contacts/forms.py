"""Owns the forms of people, companies, addresses and single values; each turns into the input model of the API."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID
from zoneinfo import available_timezones

from babel.dates import get_month_names
from flask_babel import get_locale
from wtforms import BooleanField, DateField, HiddenField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from crm.channels.base import ChannelKind
from crm.contacts.kinds import Address, CompanyKind, Importance, Lifecycle, LinkKind
from crm.contacts.models import Company, Contact
from crm.contacts.rules import parse_birthday
from crm.contacts.values import birthday_of
from crm.contacts.words import (
    ADDRESS_LABELS,
    CHANNEL_LABELS,
    COMPANY_KIND_LABELS,
    COUNTRY_LABELS,
    FIELD_LABELS,
    IMPORTANCE_LABELS,
    LANGUAGE_LABELS,
    LIFECYCLE_LABELS,
    LINK_CHOICES,
)
from crm.errors import AppError
from crm.web.forms import Form
from crm.web.i18n import _, lazy, translated

LINE: Final = Length(max=200)
PLAIN_CHANNELS: Final = tuple(channel for channel in ChannelKind if channel is not ChannelKind.WEBHOOK)


def _choices(labels: Mapping[Any, Any], *, empty: str | None = None) -> list[tuple[str, Any]]:
    found = [(str(value), label) for value, label in labels.items()]
    return [("", empty), *found] if empty is not None else found


def _countries() -> list[tuple[str, str]]:
    named = sorted(((code, str(label)) for code, label in COUNTRY_LABELS.items()), key=lambda pair: pair[1])
    return [("", _("not known")), *named]


def _zones() -> list[tuple[str, str]]:
    names = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return [("", _("as the workspace")), *((name, name.replace("_", " ")) for name in names)]


class BirthdayMixin:
    """Day, month and year of birth as three fields, each of which may be empty together; the year alone too."""

    birth_day = IntegerField(lazy("Day"), validators=[Optional(), NumberRange(1, 31)])
    birth_month = SelectField(lazy("Month"))
    birth_year = IntegerField(lazy("Year"), validators=[Optional(), NumberRange(1900, date.max.year)])

    def name_months(self) -> None:
        """Offer the months in the reader's language."""
        months = get_month_names("wide", context="stand-alone", locale=get_locale() or "en")
        self.birth_month.choices = [("", "–"), *((str(number), months[number]) for number in range(1, 13))]

    def show_birthday(self, value: str) -> None:
        """Fill the three fields from `1980-04-21` or `--04-21`."""
        known = parse_birthday(value)
        if known is not None:
            self.birth_day.data, self.birth_month.data = known.day, str(known.month)
            self.birth_year.data = known.year

    def birthday(self) -> str:
        """The three fields as one value; a part without the others is passed on and refused by the service."""
        given_day, month, year = self.birth_day.data, self.birth_month.data, self.birth_year.data
        if not given_day and not month:
            return "" if not year else f"{year:04d}"
        return f"{f'{year:04d}' if year else '-'}-{int(month or 0):02d}-{int(given_day or 0):02d}"


class ContactForm(BirthdayMixin, Form):
    """A whole person; `email` and `phone` only while making one."""

    version = HiddenField()
    first_name = StringField(FIELD_LABELS["first_name"], validators=[LINE])
    last_name = StringField(FIELD_LABELS["last_name"], validators=[LINE])
    title = StringField(FIELD_LABELS["title"], validators=[LINE])
    company_name = StringField(FIELD_LABELS["company_id"], validators=[LINE])
    email = StringField(lazy("E-mail"), validators=[Length(max=320)])
    phone = StringField(lazy("Phone"), validators=[Length(max=40)])
    importance = SelectField(FIELD_LABELS["importance"], choices=_choices(IMPORTANCE_LABELS), default=Importance.NORMAL)
    lifecycle = SelectField(FIELD_LABELS["lifecycle"], choices=_choices(LIFECYCLE_LABELS), default=Lifecycle.LEAD)
    owner_id = SelectField(FIELD_LABELS["owner_id"])
    tags = StringField(lazy("Tags"), description=lazy("Separate them by commas."), validators=[Length(max=1000)])
    language = SelectField(FIELD_LABELS["language"])
    address_form = SelectField(FIELD_LABELS["address_form"], choices=_choices(ADDRESS_LABELS), default=Address.FORMAL)
    time_zone = SelectField(FIELD_LABELS["time_zone"])
    street = StringField(FIELD_LABELS["street"], validators=[LINE])
    city = StringField(FIELD_LABELS["city"], validators=[LINE])
    country = SelectField(FIELD_LABELS["country"])
    interests = TextAreaField(FIELD_LABELS["interests"], validators=[Length(max=5000)])
    came_from = StringField(FIELD_LABELS["came_from"], validators=[LINE])
    external_id = StringField(FIELD_LABELS["external_id"], validators=[LINE])

    PLAIN: Final = (
        "first_name",
        "last_name",
        "title",
        "company_name",
        "importance",
        "lifecycle",
        "language",
        "address_form",
        "time_zone",
        "street",
        "city",
        "country",
        "interests",
        "came_from",
        "external_id",
    )

    def offer(self, colleagues: Mapping[UUID, str]) -> "ContactForm":
        """Fill the choices that depend on the workspace and the reader's language."""
        self.name_months()
        self.owner_id.choices = _choices(colleagues, empty=_("nobody"))
        self.language.choices = _choices(LANGUAGE_LABELS, empty=_("not known"))
        self.country.choices = _countries()
        self.time_zone.choices = _zones()
        return self

    def show(self, contact: Contact, tags: list[str]) -> "ContactForm":
        """Fill the fields from a contact whose company is loaded."""
        for name in self.PLAIN:
            if name != "company_name":
                self[name].data = getattr(contact, name)
        self.company_name.data = contact.company.name if contact.company else ""
        self.owner_id.data = str(contact.owner_id or "")
        self.tags.data = ", ".join(tags)
        self.version.data = str(contact.version)
        self.show_birthday(birthday_of(contact))
        return self

    def changes(self) -> dict[str, Any]:
        """The fields as `ContactInput` takes them."""
        values: dict[str, Any] = {name: self[name].data or "" for name in self.PLAIN}
        values["birthday"] = self.birthday()
        values["owner_id"] = self.owner_id.data or None
        values["tags"] = [name.strip() for name in (self.tags.data or "").split(",") if name.strip()]
        return values

    def handles(self) -> list[dict[str, Any]]:
        """The addresses of a new person."""
        given = ((ChannelKind.EMAIL, self.email.data or ""), (ChannelKind.PHONE, self.phone.data or ""))
        return [{"channel": channel, "address": address.strip()} for channel, address in given if address.strip()]

    def absorb(self, error: AppError) -> None:
        """Put a refusal beside our fields: some of them are called otherwise in the input model."""
        channels = [handle["channel"] for handle in self.handles()]
        aliases = {f"handles.{index}.address": channel.value for index, channel in enumerate(channels)}
        aliases |= {"birthday": "birth_day", "company_id": "company_name"}
        error.fields = {aliases.get(name, name): message for name, message in error.fields.items()}
        super().absorb(error)


class CompanyForm(Form):
    """A whole company."""

    version = HiddenField()
    name = StringField(FIELD_LABELS["name"], validators=[InputRequired(), LINE])
    kind = SelectField(FIELD_LABELS["kind"], choices=_choices(COMPANY_KIND_LABELS), default=CompanyKind.PROSPECT)
    website = StringField(FIELD_LABELS["website"], validators=[Length(max=300)])
    vat_number = StringField(FIELD_LABELS["vat_number"], validators=[Length(max=30)])
    phone = StringField(FIELD_LABELS["phone"], validators=[Length(max=40)])
    street = StringField(FIELD_LABELS["street"], validators=[LINE])
    city = StringField(FIELD_LABELS["city"], validators=[LINE])
    country = SelectField(FIELD_LABELS["country"])
    industry = StringField(FIELD_LABELS["industry"], validators=[LINE])
    staff = IntegerField(FIELD_LABELS["staff"], validators=[Optional(), NumberRange(0, 10_000_000)])
    description = TextAreaField(FIELD_LABELS["description"], validators=[Length(max=5000)])
    domains = StringField(lazy("Further domains"), description=lazy("Separate them by commas."))
    parent_name = StringField(FIELD_LABELS["parent_id"], validators=[LINE])
    owner_id = SelectField(FIELD_LABELS["owner_id"])

    PLAIN: Final = (
        "name",
        "kind",
        "website",
        "vat_number",
        "phone",
        "street",
        "city",
        "country",
        "industry",
        "description",
    )

    def offer(self, colleagues: Mapping[UUID, str]) -> "CompanyForm":
        """Fill the choices that depend on the workspace and the reader's language."""
        self.owner_id.choices = _choices(colleagues, empty=_("nobody"))
        self.country.choices = _countries()
        return self

    def show(self, company: Company, *, parent_name: str = "", domains: Sequence[str] = ()) -> "CompanyForm":
        """Fill the fields from a company."""
        self.parent_name.data, self.domains.data = parent_name, ", ".join(domains)
        for name in (*self.PLAIN, "staff"):
            self[name].data = getattr(company, name)
        self.owner_id.data = str(company.owner_id or "")
        self.version.data = str(company.version)
        return self

    def changes(self) -> dict[str, Any]:
        """The fields as `CompanyInput` takes them."""
        values: dict[str, Any] = {name: self[name].data or "" for name in self.PLAIN}
        values["staff"] = self.staff.data
        values["owner_id"] = self.owner_id.data or None
        values["domains"] = [part.strip() for part in (self.domains.data or "").split(",") if part.strip()]
        return values

    def absorb(self, error: AppError) -> None:
        """Put a refusal beside our fields: some of them are called otherwise in the input model."""
        aliases = {"domain": "website", "parent_id": "parent_name"}
        error.fields = {
            aliases.get(name, "domains" if name.startswith("domains.") else name): text
            for name, text in error.fields.items()
        }
        super().absorb(error)


class PlaceForm(Form):
    """A person's place in a company; `company` only while making one."""

    company = StringField(FIELD_LABELS["company_id"], validators=[InputRequired(), LINE])
    role = StringField(FIELD_LABELS["title"], validators=[LINE])
    started_on = DateField(lazy("From"), validators=[Optional()])
    ended_on = DateField(lazy("Until"), description=lazy("Empty as long as it lasts."), validators=[Optional()])
    is_primary = BooleanField(lazy("The primary one, shown beside the name"))


class HandleForm(Form):
    """One address on one channel."""

    channel = SelectField(
        lazy("Channel"), choices=[(str(channel), CHANNEL_LABELS[channel]) for channel in PLAIN_CHANNELS]
    )
    address = StringField(lazy("Address"), validators=[InputRequired(), Length(max=320)])
    label = StringField(lazy("Label"), description=lazy("Like “office” or “private”."), validators=[Length(max=60)])
    is_primary = BooleanField(lazy("Use this one first"))


class AddressForm(Form):
    """The address of an account that is known."""

    address = StringField(lazy("Address"), validators=[InputRequired(), Length(max=320)])
    label = StringField(lazy("Label"), description=lazy("Like “office” or “private”."), validators=[Length(max=60)])


class OwnerForm(Form):
    """Whose an address is."""

    other = StringField(lazy("Whose is it?"), validators=[InputRequired(), LINE])


class TagForm(Form):
    """The tags of one person, or one tag for many."""

    tags = StringField(lazy("Tags"), description=lazy("Separate them by commas."), validators=[Length(max=1000)])

    def names(self) -> list[str]:
        """The names one by one."""
        return [name.strip() for name in (self.tags.data or "").split(",") if name.strip()]


class LinkForm(Form):
    """A link to another person, found by name."""

    kind = SelectField(
        lazy("How"), choices=[(str(kind), label) for kind, label in LINK_CHOICES], default=LinkKind.KNOWS
    )
    other = StringField(lazy("Whom"), validators=[InputRequired(), LINE])


class ValueForm(BirthdayMixin, Form):
    """One value of a person, edited where it stands."""

    version = HiddenField()
    text = StringField()
    long = TextAreaField()
    choice = SelectField(validate_choice=False)

    TEXTS: Final = ("title", "street", "city", "came_from", "company_id")
    LONGS: Final = ("interests",)

    def prepare(self, field: str, colleagues: Mapping[UUID, str]) -> "ValueForm":
        """Keep the one control that fits `field`, with its label and choices."""
        control = self.control(field)
        kept = {"birth_day", "birth_month", "birth_year"} if control == "birthday" else {control}
        for name in {"text", "long", "choice", "birth_day", "birth_month", "birth_year"} - kept:
            del self[name]
        if control == "birthday":
            self.name_months()
            return self
        self[control].label.text = FIELD_LABELS[field]
        offered = {
            "language": lambda: _choices(LANGUAGE_LABELS, empty=_("not known")),
            "address_form": lambda: _choices(ADDRESS_LABELS),
            "time_zone": _zones,
            "country": _countries,
            "lifecycle": lambda: _choices(LIFECYCLE_LABELS),
            "importance": lambda: _choices(IMPORTANCE_LABELS),
            "owner_id": lambda: _choices(colleagues, empty=_("nobody")),
        }
        if field in offered:
            self.choice.choices = offered[field]()
        return self

    def control(self, field: str) -> str:
        """Which control stands for `field`: text, long, choice or birthday."""
        if field == "birthday":
            return "birthday"
        return "text" if field in self.TEXTS else "long" if field in self.LONGS else "choice"

    def show(self, contact: Contact, field: str) -> "ValueForm":
        """Fill the control from a contact whose company is loaded."""
        self.version.data = str(contact.version)
        control = self.control(field)
        if control == "birthday":
            self.show_birthday(birthday_of(contact))
        elif field == "company_id":
            self.text.data = contact.company.name if contact.company else ""
        else:
            value = getattr(contact, field)
            self[control].data = "" if value is None else str(value)
        return self

    def absorb_value(self, error: AppError, field: str) -> None:
        """Put a refusal beside the one control."""
        control = self.control(field)
        message = next(iter(error.fields.values()), error.message)
        shown = self["birth_day" if control == "birthday" else control]
        shown.errors = [*shown.errors, translated(message)]

    def changes(self, field: str) -> dict[str, Any]:
        """The one field as `ContactInput` takes it."""
        control = self.control(field)
        if control == "birthday":
            return {"birthday": self.birthday()}
        value = self[control].data or ""
        if field == "company_id":
            return {"company_name": value}
        return {field: value or None} if field == "owner_id" else {field: value}

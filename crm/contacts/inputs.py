"""Owns what can be said about a contact or company: the one input model of forms, API and imports."""

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.clock import UnknownZoneError, zone
from crm.contacts.kinds import Address, CompanyKind, Importance, Lifecycle
from crm.contacts.rules import parse_birthday
from crm.errors import InvalidInputError
from crm.web.findings import NOT_VALID, field_errors

M = TypeVar("M", bound=BaseModel)


def _one_line(value: str) -> str:
    """Refuse control characters: a name with a line break could become a header of a message."""
    # A printable text holds none of these; nearly every value is one, and the question is much cheaper.
    if not value.isprintable() and any(unicodedata.category(letter) in {"Cc", "Zl", "Zp"} for letter in value):
        raise ValueError(N_("Write this on one line, without control characters."))
    return value


def _paragraphs(value: str) -> str:
    if any(unicodedata.category(letter) == "Cc" and letter not in "\n\r\t" for letter in value):
        raise ValueError(N_("The text contains a character that can't be shown."))
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _known_zone(value: str) -> str:
    if value:
        try:
            zone(value)
        except UnknownZoneError as error:
            raise ValueError(N_("This is not a time zone like Europe/Rome.")) from error
    return value


def _birthday(value: str) -> str:
    try:
        known = parse_birthday(value)
    except ValueError as error:
        raise ValueError(N_("This day doesn't exist. Write 1980-04-21, or --04-21 without the year.")) from error
    return str(known) if known else ""


def _language(value: str) -> str:
    if value and not (value.isascii() and value.isalpha() and len(value) in {2, 3}):
        raise ValueError(N_("Write the language as a code like it or en."))
    return value.lower()


def _country(value: str) -> str:
    if value and not (value.isascii() and value.isalpha() and len(value) == 2):  # noqa: PLR2004 - ISO 3166-1 alpha-2.
        raise ValueError(N_("Write the country as a code of two letters, like IT."))
    return value.upper()


def _empty(value: object) -> object:
    return "" if value is None else value


Line = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Text = Annotated[str, Field(max_length=5000), AfterValidator(_paragraphs)]

#: Values of the workspace's own fields by key; each is checked by its field (`custom_rules.read`).
Custom = Annotated[
    dict[str, JsonValue],
    Field(max_length=100, description="Values of the workspace's own fields by key, null for none."),
]


class Input(BaseModel):
    """Base: unknown names are refused, spaces around texts are dropped."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class HandleInput(Input):
    """One address on one channel, as somebody typed it."""

    channel: ChannelKind
    address: Annotated[str, Field(min_length=1, max_length=320)]
    label: Line = ""
    is_primary: bool = False


class ContactInput(Input):
    """A person. Needs a name or at least one handle; `company_name` finds or makes the company."""

    first_name: Line = ""
    last_name: Line = ""
    title: Line = ""
    company_id: UUID | None = None
    company_name: Line = ""
    handles: Annotated[list[HandleInput], Field(max_length=30)] = []
    language: Annotated[str, BeforeValidator(_empty), AfterValidator(_language)] = ""
    address_form: Address = Address.FORMAL
    time_zone: Annotated[str, AfterValidator(_known_zone)] = ""
    birthday: Annotated[str, BeforeValidator(_empty), AfterValidator(_birthday)] = ""
    street: Line = ""
    city: Line = ""
    country: Annotated[str, AfterValidator(_country)] = ""
    interests: Text = ""
    came_from: Line = ""
    external_id: Line = ""
    owner_id: UUID | None = None
    importance: Importance = Importance.NORMAL
    lifecycle: Lifecycle = Lifecycle.LEAD
    tags: Annotated[list[Line], Field(max_length=50)] = []
    custom: Custom = {}


class CompanyInput(Input):
    """A company; `domain` is taken from `website` when it is not given."""

    name: Annotated[Line, Field(min_length=1)]
    kind: CompanyKind = CompanyKind.PROSPECT
    website: Annotated[str, Field(max_length=300), AfterValidator(_one_line)] = ""
    domain: Annotated[str, Field(max_length=253), AfterValidator(_one_line)] = ""
    vat_number: Annotated[str, Field(max_length=30), AfterValidator(_one_line)] = ""
    phone: Annotated[str, Field(max_length=40), AfterValidator(_one_line)] = ""
    street: Line = ""
    city: Line = ""
    country: Annotated[str, AfterValidator(_country)] = ""
    industry: Line = ""
    description: Text = ""
    staff: Annotated[int | None, Field(ge=0, le=10_000_000)] = None
    domains: Annotated[list[Line], Field(max_length=50, description="Further domains, beside the main one.")] = []
    parent_id: UUID | None = None
    owner_id: UUID | None = None
    custom: Custom = {}


def parsed(model: type[M], data: Mapping[str, Any]) -> M:
    """`data` as `model`; raises `InvalidInputError` with one sentence per wrong field (`handles.0.address`)."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidInputError(NOT_VALID, fields=field_errors(error)) from error

"""What the API says about people, companies and tags."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from crm.channels.base import ChannelKind
from crm.contacts.inputs import CompanyInput, ContactInput, HandleInput, Input, Line
from crm.contacts.kinds import Address, CompanyKind, HandleState, Importance, Lifecycle, LinkKind
from crm.contacts.models import Company, Contact, Handle, Tag
from crm.contacts.queries import ContactSort, Values
from crm.contacts.values import birthday_of
from crm.errors import worded
from crm.web.api import ApiModel, PageQuery


class EarlierAddressOut(ApiModel):
    address: str
    until: datetime


class EarlierAddressesOut(ApiModel):
    items: list[EarlierAddressOut]


class HandlePatch(Input):
    """The new address of the same account."""

    address: Annotated[str, Field(min_length=1, max_length=320)]
    label: Line | None = None


class HandleOut(ApiModel):
    id: UUID
    channel: ChannelKind
    address: str
    platform_id: str | None = Field(description="The platform's immutable id, once it is known.")
    label: str
    is_primary: bool
    state: HandleState
    state_reason: str


class CompanyRef(ApiModel):
    id: UUID
    name: str


class ContactOut(ApiModel):
    id: UUID
    version: int
    display_name: str
    first_name: str
    last_name: str
    title: str
    company: CompanyRef | None
    handles: list[HandleOut]
    tags: list[str]
    custom: dict[str, Any] = Field(description="Values of the workspace's own fields by key.")
    language: str
    address_form: Address
    time_zone: str
    birthday: str = Field(description="`1980-04-21`, `--04-21` when the year is not known, or empty.")
    street: str
    city: str
    country: str
    interests: str
    came_from: str
    external_id: str = Field(description="The person's code in another program; imports recognise people by it.")
    owner_id: UUID | None
    restricted: bool = Field(description="Only the owner, named colleagues, owners and managers see the person.")
    limited_at: datetime | None = Field(description="Since when the data may only be kept (GDPR, article 18).")
    importance: Importance
    lifecycle: Lifecycle
    last_outbound_at: datetime | None
    last_inbound_at: datetime | None
    last_interaction_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ContactQuery(PageQuery):
    q: str = Field("", max_length=200, description="Fragments of names, addresses or a company; one page, best first.")
    sort: ContactSort = ContactSort.NAME
    owner_id: UUID | None = None
    company_id: UUID | None = None
    tag_id: UUID | None = None
    lifecycle: Lifecycle | None = None
    importance: Importance | None = None


class DeletedOut(ApiModel):
    id: UUID
    name: str
    deleted_at: datetime | None


class ContactCreate(ContactInput):
    """A person with names or at least one handle."""


class ContactPatch(ContactInput):
    """The fields to change; handles have operations of their own."""

    handles: Annotated[list[HandleInput], Field(max_length=0)] = []


class HandleCreate(HandleInput):
    """An address on a channel."""


class FactOut(ApiModel):
    id: UUID
    field: str
    value: str
    origin: str
    source: str
    source_url: str
    confidence: int
    user_name: str
    at: datetime


class FactsOut(ApiModel):
    current: list[FactOut]
    suggested: list[FactOut]


class AffiliationOut(ApiModel):
    id: UUID
    company_id: UUID
    company_name: str
    role: str
    is_primary: bool
    started_on: date | None
    ended_on: date | None


class AffiliationCreate(Input):
    company_id: UUID
    role: Line = ""
    is_primary: bool = False
    started_on: date | None = None
    ended_on: date | None = None


class AffiliationPatch(Input):
    """What changes of a place; what is left out stays."""

    role: Line = ""
    is_primary: bool = False
    started_on: date | None = None
    ended_on: date | None = None


class LinkOut(ApiModel):
    id: UUID
    kind: LinkKind
    contact_id: UUID
    name: str
    outgoing: bool


class LinkCreate(Input):
    other_id: UUID
    kind: LinkKind


class CompanyOut(ApiModel):
    id: UUID
    version: int
    name: str
    kind: CompanyKind
    website: str
    domain: str
    domains: list[str] = Field(description="Further domains, beside the main one.")
    vat_number: str
    phone: str
    street: str
    city: str
    country: str
    industry: str
    description: str
    staff: int | None
    parent_id: UUID | None
    owner_id: UUID | None
    custom: dict[str, Any] = Field(description="Values of the workspace's own fields by key.")
    created_at: datetime
    updated_at: datetime


class CompanyCreate(CompanyInput):
    """A company; its domain follows from the website."""


def _not_null(value: str | None) -> str:
    if not value:
        raise ValueError(worded("A company needs a name."))
    return value


class CompanyPatch(CompanyInput):
    """The fields to change."""

    name: Annotated[Line, AfterValidator(_not_null)] = ""


class CompanyQuery(PageQuery):
    q: str = Field("", max_length=200, description="Fragments of name, domain, VAT number or city; one page.")


class TagOut(ApiModel):
    id: UUID
    name: str


class TagIn(Input):
    name: Annotated[Line, Field(min_length=1)]


def contact_out(row: Contact, handles: list[Handle], tags: list[Tag], custom: Values) -> ContactOut:
    """The contact as the API shows it."""
    plain = {
        name: getattr(row, name)
        for name in ContactOut.model_fields
        if name not in {"company", "handles", "tags", "birthday", "custom"}
    }
    return ContactOut(
        **plain,
        birthday=birthday_of(row),
        company=CompanyRef(id=row.company.id, name=row.company.name) if row.company else None,
        handles=[HandleOut.model_validate(handle) for handle in handles],
        tags=[tag.name for tag in tags],
        custom=plain_custom(custom),
    )


def company_out(row: Company, custom: Values, domains: list[str]) -> CompanyOut:
    """The company as the API shows it."""
    plain = {name: getattr(row, name) for name in CompanyOut.model_fields if name not in {"custom", "domains"}}
    return CompanyOut(**plain, domains=domains, custom=plain_custom(custom))


def plain_custom(values: Values) -> dict[str, Any]:
    """Values of own fields as JSON."""
    return {key: value.plain for key, value in values.items()}

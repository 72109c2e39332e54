"""Owns the tables of contacts, companies, handles, affiliations, facts with provenance, and tags."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm.channels.base import ChannelKind
from crm.contacts.kinds import (
    Address,
    CompanyKind,
    FactOrigin,
    FactState,
    HandleState,
    Importance,
    Lifecycle,
    LinkKind,
)
from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args, user_fk


class Company(Tenant, Base):
    __tablename__ = "company"

    name: Mapped[str]
    name_norm: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default=CompanyKind.PROSPECT.value)
    website: Mapped[str] = mapped_column(server_default="")
    domain: Mapped[str] = mapped_column(server_default="")
    vat_number: Mapped[str] = mapped_column(server_default="")
    phone: Mapped[str] = mapped_column(server_default="")
    street: Mapped[str] = mapped_column(server_default="")
    city: Mapped[str] = mapped_column(server_default="")
    city_norm: Mapped[str] = mapped_column(server_default="")
    country: Mapped[str] = mapped_column(server_default="")
    industry: Mapped[str] = mapped_column(server_default="")
    description: Mapped[str] = mapped_column(server_default="")
    staff: Mapped[int | None]
    parent_id: Mapped[UUID | None]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    search: Mapped[str] = mapped_column(
        Computed("public.crm_search_text(name || ' ' || domain || ' ' || vat_number || ' ' || city)", persisted=True)
    )
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}
    __table_args__ = tenant_args(
        one_of("kind", CompanyKind),
        CheckConstraint("parent_id <> id", name="not_own_parent"),
        reference("company", "parent_id", ondelete="SET NULL"),
        Index("ix_company_parent", "workspace_id", "parent_id", postgresql_where=text("parent_id is not null")),
        Index("ix_company_name", "workspace_id", "name_norm", "id", postgresql_where=text("deleted_at is null")),
        Index("ix_company_created", "workspace_id", "created_at", "id", postgresql_where=text("deleted_at is null")),
        Index(
            "ix_company_owner",
            "workspace_id",
            "owner_id",
            "name_norm",
            "id",
            postgresql_where=text("deleted_at is null"),
        ),
        Index(
            "ix_company_city",
            "workspace_id",
            "city_norm",
            "name_norm",
            "id",
            postgresql_where=text("deleted_at is null"),
        ),
        Index(
            "ix_company_deleted", "workspace_id", "deleted_at", "id", postgresql_where=text("deleted_at is not null")
        ),
        Index(
            "uq_company_domain",
            "workspace_id",
            "domain",
            unique=True,
            postgresql_where=text("deleted_at is null and domain <> ''"),
        ),
        Index(
            "ix_company_search",
            "workspace_id",
            "search",
            postgresql_using="gin",
            postgresql_ops={"search": "gin_trgm_ops"},
        ),
    )


class Contact(Tenant, Base):
    """A person: a set of handles with a name, a place in companies and a history."""

    __tablename__ = "contact"

    first_name: Mapped[str] = mapped_column(server_default="")
    last_name: Mapped[str] = mapped_column(server_default="")
    display_name: Mapped[str]
    sort_name: Mapped[str]
    first_name_norm: Mapped[str] = mapped_column(server_default="")
    last_name_norm: Mapped[str] = mapped_column(server_default="")
    title: Mapped[str] = mapped_column(server_default="")
    title_norm: Mapped[str] = mapped_column(server_default="")
    company_id: Mapped[UUID | None] = mapped_column()
    email: Mapped[str] = mapped_column(server_default="")
    language: Mapped[str] = mapped_column(server_default="")
    address_form: Mapped[str] = mapped_column(server_default=Address.FORMAL.value)
    time_zone: Mapped[str] = mapped_column(server_default="")
    birth_day: Mapped[int | None] = mapped_column(SmallInteger)
    birth_month: Mapped[int | None] = mapped_column(SmallInteger)
    birth_year: Mapped[int | None] = mapped_column(SmallInteger)
    street: Mapped[str] = mapped_column(server_default="")
    city: Mapped[str] = mapped_column(server_default="")
    city_norm: Mapped[str] = mapped_column(server_default="")
    country: Mapped[str] = mapped_column(server_default="")
    interests: Mapped[str] = mapped_column(server_default="")
    came_from: Mapped[str] = mapped_column(server_default="")
    external_id: Mapped[str] = mapped_column(server_default="")
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    # Only the owner, those whom `ContactAccess` names, owners and managers of the workspace see a restricted person.
    restricted: Mapped[bool] = mapped_column(server_default=text("false"))
    limited_at: Mapped[datetime | None]
    importance: Mapped[str] = mapped_column(server_default=Importance.NORMAL.value)
    lifecycle: Mapped[str] = mapped_column(server_default=Lifecycle.LEAD.value)
    last_outbound_at: Mapped[datetime | None]
    last_inbound_at: Mapped[datetime | None]
    last_interaction_at: Mapped[datetime | None]
    search: Mapped[str] = mapped_column(
        Computed("public.crm_search_text(display_name || ' ' || email)", persisted=True)
    )
    # What likely duplicates are looked up by.
    mail_domain: Mapped[str] = mapped_column(Computed("split_part(lower(email), '@', 2)", persisted=True))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    merged_into_id: Mapped[UUID | None]

    company: Mapped["Company | None"] = relationship(foreign_keys=[company_id], lazy="raise")

    __mapper_args__ = {"version_id_col": version}
    __table_args__ = tenant_args(
        one_of("importance", Importance),
        one_of("lifecycle", Lifecycle),
        one_of("address_form", Address),
        CheckConstraint("birth_month between 1 and 12 and birth_day between 1 and 31", name="birthday"),
        reference("company", "company_id", ondelete="SET NULL"),
        reference("contact", "merged_into_id"),
        Index("ix_contact_sort", "workspace_id", "sort_name", "id", postgresql_where=text("deleted_at is null")),
        Index("ix_contact_created", "workspace_id", "created_at", "id", postgresql_where=text("deleted_at is null")),
        Index(
            "ix_contact_last", "workspace_id", "last_interaction_at", "id", postgresql_where=text("deleted_at is null")
        ),
        Index(
            "ix_contact_deleted", "workspace_id", "deleted_at", "id", postgresql_where=text("deleted_at is not null")
        ),
        # Those who matter, by their last exchange.
        Index(
            "ix_contact_important",
            "workspace_id",
            "last_interaction_at",
            "id",
            postgresql_where=text("deleted_at is null and importance <> 'normal'"),
        ),
        Index("ix_contact_company", "workspace_id", "company_id", "sort_name"),
        # When anybody of a company was last heard.
        Index(
            "ix_contact_heard",
            "workspace_id",
            "company_id",
            "last_interaction_at",
            postgresql_where=text("deleted_at is null and company_id is not null"),
        ),
        Index("ix_contact_external", "workspace_id", "external_id", postgresql_where=text("external_id <> ''")),
        Index(
            "ix_contact_mail_domain",
            "workspace_id",
            "mail_domain",
            postgresql_where=text("deleted_at is null and mail_domain <> ''"),
        ),
        Index(
            "ix_contact_merged", "workspace_id", "merged_into_id", postgresql_where=text("merged_into_id is not null")
        ),
        Index("ix_contact_owner", "workspace_id", "owner_id", "sort_name"),
        Index("ix_contact_restricted", "workspace_id", "id", postgresql_where=text("restricted")),
        Index("ix_contact_limited", "workspace_id", "id", postgresql_where=text("limited_at is not null")),
        Index(
            "ix_contact_birthday",
            "workspace_id",
            "birth_month",
            "birth_day",
            postgresql_where=text("birth_month is not null"),
        ),
        Index(
            "ix_contact_search",
            "workspace_id",
            "search",
            postgresql_using="gin",
            postgresql_ops={"search": "gin_trgm_ops"},
        ),
    )


class ContactAccess(Attached, Base):
    """A colleague who was named to see a person, whatever the colleague's role sees of others."""

    __tablename__ = "contact_access"

    contact_id: Mapped[UUID]
    user_id: Mapped[user_fk]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        reference("contact", "contact_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "contact_id", "user_id"),
        Index("ix_contact_access_user", "workspace_id", "user_id", "contact_id"),
        referred=False,
    )


class Affiliation(Attached, Base):
    """A person's place in a company; `contact.company_id` repeats the primary one for lists."""

    __tablename__ = "affiliation"

    contact_id: Mapped[UUID]
    company_id: Mapped[UUID]
    role: Mapped[str] = mapped_column(server_default="")
    is_primary: Mapped[bool] = mapped_column(server_default=text("true"))
    started_on: Mapped[date | None]
    ended_on: Mapped[date | None]

    __table_args__ = tenant_args(
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="CASCADE"),
        Index("ix_affiliation_contact", "workspace_id", "contact_id"),
        Index("ix_affiliation_company", "workspace_id", "company_id"),
        # Who came somewhere, or left, lately.
        Index("ix_affiliation_started", "workspace_id", "started_on", postgresql_where=text("started_on is not null")),
        Index("ix_affiliation_ended", "workspace_id", "ended_on", postgresql_where=text("ended_on is not null")),
        Index(
            "uq_affiliation_primary",
            "workspace_id",
            "contact_id",
            unique=True,
            postgresql_where=text("is_primary and ended_on is null"),
        ),
        referred=False,
    )


class ContactLink(Attached, Base):
    __tablename__ = "contact_link"

    contact_id: Mapped[UUID]
    other_id: Mapped[UUID]
    kind: Mapped[str]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        one_of("kind", LinkKind),
        CheckConstraint("contact_id <> other_id", name="not_oneself"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("contact", "other_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "contact_id", "other_id", "kind"),
        Index("ix_contact_link_other", "workspace_id", "other_id"),
        referred=False,
    )


class Handle(Tenant, Base):
    """One address on one channel, of a contact, of a company, or of somebody not yet known."""

    __tablename__ = "handle"

    channel: Mapped[str]
    address: Mapped[str]
    address_norm: Mapped[str]
    platform_id: Mapped[str | None]
    contact_id: Mapped[UUID | None]
    company_id: Mapped[UUID | None]
    display_name: Mapped[str] = mapped_column(server_default="")
    label: Mapped[str] = mapped_column(server_default="")
    is_primary: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[str] = mapped_column(server_default=HandleState.ACTIVE.value)
    state_reason: Mapped[str] = mapped_column(server_default="")
    state_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    created_at: Mapped[created_at]
    deleted_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("channel", ChannelKind),
        one_of("state", HandleState),
        CheckConstraint("contact_id is null or company_id is null", name="one_owner"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="CASCADE"),
        Index(
            "uq_handle_address",
            "workspace_id",
            "channel",
            "address_norm",
            unique=True,
            postgresql_where=text("deleted_at is null"),
        ),
        Index(
            "uq_handle_platform",
            "workspace_id",
            "channel",
            "platform_id",
            unique=True,
            postgresql_where=text("deleted_at is null and platform_id is not null"),
        ),
        Index("ix_handle_contact", "workspace_id", "contact_id", "channel"),
        # The same address again, on another channel or given up by somebody: likely duplicates.
        Index("ix_handle_again", "workspace_id", "address_norm"),
        Index(
            "ix_handle_nobody",
            "workspace_id",
            "created_at",
            "id",
            postgresql_where=text("contact_id is null and company_id is null and deleted_at is null"),
        ),
        Index("ix_handle_company", "workspace_id", "company_id", postgresql_where=text("company_id is not null")),
        Index(
            "ix_handle_search",
            "workspace_id",
            "address_norm",
            postgresql_using="gin",
            postgresql_ops={"address_norm": "gin_trgm_ops"},
        ),
    )


class HandleChange(Attached, Base):
    """An earlier address of a handle that was renamed."""

    __tablename__ = "handle_change"

    handle_id: Mapped[UUID]
    address: Mapped[str]
    address_norm: Mapped[str]
    until: Mapped[datetime]

    __table_args__ = tenant_args(
        reference("handle", "handle_id", ondelete="CASCADE"),
        Index("ix_handle_change_handle", "workspace_id", "handle_id"),
        referred=False,
    )


class Fact(Tenant, Base):
    """Where a value of a contact or company came from; machine findings that conflict wait as suggestions.

    `version` is the contact's (or company's) version that this value came with: two people's edits of different
    fields are told from two edits of the same one by it.
    """

    __tablename__ = "fact"

    contact_id: Mapped[UUID | None]
    company_id: Mapped[UUID | None]
    field: Mapped[str]
    value: Mapped[str]
    origin: Mapped[str]
    source: Mapped[str] = mapped_column(server_default="")
    source_url: Mapped[str] = mapped_column(server_default="")
    source_id: Mapped[UUID | None]
    confidence: Mapped[int] = mapped_column(SmallInteger, server_default=text("100"))
    state: Mapped[str] = mapped_column(server_default=FactState.CURRENT.value)
    version: Mapped[int] = mapped_column(server_default=text("0"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    at: Mapped[created_at]
    decided_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("origin", FactOrigin),
        one_of("state", FactState),
        CheckConstraint("(contact_id is null) <> (company_id is null)", name="one_subject"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="CASCADE"),
        Index("ix_fact_contact", "workspace_id", "contact_id", "field", "state"),
        Index(
            "ix_fact_company",
            "workspace_id",
            "company_id",
            "field",
            "state",
            postgresql_where=text("company_id is not null"),
        ),
        Index("ix_fact_found", "workspace_id", "at", postgresql_where=text("origin = 'found' and state = 'current'")),
        referred=False,
    )


class Tag(Tenant, Base):
    __tablename__ = "tag"

    name: Mapped[str]
    name_norm: Mapped[str]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(UniqueConstraint("workspace_id", "name_norm"))


class ContactTag(Attached, Base):
    __tablename__ = "contact_tag"

    contact_id: Mapped[UUID]
    tag_id: Mapped[UUID]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("tag", "tag_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "contact_id", "tag_id"),
        Index("ix_contact_tag_tag", "workspace_id", "tag_id", "contact_id"),
        referred=False,
    )


class CompanyTag(Attached, Base):
    __tablename__ = "company_tag"

    company_id: Mapped[UUID]
    tag_id: Mapped[UUID]

    __table_args__ = tenant_args(
        reference("company", "company_id", ondelete="CASCADE"),
        reference("tag", "tag_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "company_id", "tag_id"),
        referred=False,
    )

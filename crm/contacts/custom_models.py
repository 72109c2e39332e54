"""Owns the tables of the workspace's own fields: what they are called and hold, their choices, and the values."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Double, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.contacts.kinds import CustomSubject, CustomType
from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args


class CustomField(Tenant, Base):
    """A field of the workspace's own.

    `key` is its name in rules, files and the API and never changes. `lowest` and `highest` are written as the type
    writes its values; `pattern` is a mask (see `custom_rules.fits`).
    """

    __tablename__ = "custom_field"

    subject: Mapped[str]
    key: Mapped[str]
    label: Mapped[str]
    type: Mapped[str]
    help: Mapped[str] = mapped_column(server_default="")
    position: Mapped[int] = mapped_column(server_default=text("0"))
    required: Mapped[bool] = mapped_column(server_default=text("false"))
    filterable: Mapped[bool] = mapped_column(server_default=text("true"))
    lowest: Mapped[str] = mapped_column(server_default="")
    highest: Mapped[str] = mapped_column(server_default="")
    pattern: Mapped[str] = mapped_column(server_default="")
    currency: Mapped[str] = mapped_column(server_default="EUR")
    created_at: Mapped[created_at]
    archived_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("subject", CustomSubject),
        one_of("type", CustomType),
        UniqueConstraint("workspace_id", "subject", "key"),
    )


class CustomChoice(Attached, Base):
    """One of the values that a field of choices offers; what is archived stays with those who have it."""

    __tablename__ = "custom_choice"

    field_id: Mapped[UUID]
    key: Mapped[str]
    label: Mapped[str]
    position: Mapped[int] = mapped_column(server_default=text("0"))
    archived_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        reference("custom_field", "field_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "field_id", "key"),
    )


class CustomValue(Attached, Base):
    """One value of a person or company; several chosen ones are several rows.

    Each type has a column of its own, compared by operators that an index may serve under row-level security. A row is
    in the index of its type alone.
    """

    __tablename__ = "custom_value"

    field_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    company_id: Mapped[UUID | None]
    text_value: Mapped[str | None]
    text_norm: Mapped[str | None]
    number: Mapped[float | None] = mapped_column(Double)
    amount: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None]
    day: Mapped[date | None]
    flag: Mapped[bool | None]
    ref_id: Mapped[UUID | None]
    choice_id: Mapped[UUID | None]

    __table_args__ = tenant_args(
        CheckConstraint("(contact_id is null) <> (company_id is null)", name="one_subject"),
        CheckConstraint("num_nonnulls(text_norm, number, amount, day, flag, ref_id, choice_id) = 1", name="one_value"),
        CheckConstraint("(amount is null) = (currency is null)", name="money"),
        reference("custom_field", "field_id", ondelete="CASCADE"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="CASCADE"),
        reference("contact", "ref_id", ondelete="CASCADE"),
        reference("custom_choice", "choice_id", ondelete="CASCADE"),
        Index(
            "uq_custom_value_contact",
            "workspace_id",
            "contact_id",
            "field_id",
            "choice_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("contact_id is not null"),
        ),
        Index(
            "uq_custom_value_company",
            "workspace_id",
            "company_id",
            "field_id",
            "choice_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("company_id is not null"),
        ),
        *(
            Index(
                f"ix_custom_value_{column}",
                "workspace_id",
                "field_id",
                *(("currency", column) if column == "amount" else (column,)),
                "contact_id",
                postgresql_where=text(f"{column} is not null"),
            )
            for column in ("text_norm", "number", "amount", "day", "flag", "ref_id", "choice_id")
        ),
        Index("ix_custom_value_ref", "workspace_id", "ref_id", postgresql_where=text("ref_id is not null")),
        referred=False,
    )

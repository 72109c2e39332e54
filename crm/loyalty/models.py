"""Owns the tables of programmes, members, the double-entry ledger with lots, earning rules, offers and vouchers."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, Tenant, big, created_at, one_of, reference, tenant_args
from crm.loyalty.kinds import EntryKind, LedgerAccount, OfferKind, OfferState, VoucherState


class Program(Tenant, Base):
    __tablename__ = "program"

    name: Mapped[str]
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    time_zone: Mapped[str] = mapped_column(server_default="Europe/Rome")
    currency: Mapped[str] = mapped_column(server_default="EUR")
    point_value_minor: Mapped[int] = mapped_column(server_default=text("1"))
    validity_months: Mapped[int | None]
    rules_text: Mapped[str] = mapped_column(server_default="")
    rules_version: Mapped[int] = mapped_column(server_default=text("1"))
    started_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        Index("uq_program_default", "workspace_id", unique=True, postgresql_where=text("is_default"))
    )


class Member(Attached, Base):
    """A contact's membership; the ledger knows this opaque id only. Balances are a cache of the postings."""

    __tablename__ = "member"

    program_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    number: Mapped[str]
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    balance: Mapped[big] = mapped_column(server_default=text("0"))
    pending: Mapped[big] = mapped_column(server_default=text("0"))
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        reference("program", "program_id"),
        reference("contact", "contact_id", ondelete="SET NULL"),
        UniqueConstraint("workspace_id", "program_id", "number"),
        Index(
            "uq_member_contact",
            "workspace_id",
            "program_id",
            "contact_id",
            unique=True,
            postgresql_where=text("contact_id is not null"),
        ),
        Index("ix_member_contact", "workspace_id", "contact_id"),
        Index("ix_member_balance", "workspace_id", "program_id", "balance", "contact_id"),
    )


class LedgerTransaction(Attached, Base):
    """One movement of points: who, why, when; its postings sum to zero. `at` is when it counts.

    A reversal keeps the rule and the local day of what it reverses, so that sums per rule and day are net.
    """

    __tablename__ = "ledger_transaction"

    program_id: Mapped[UUID]
    member_id: Mapped[UUID]
    kind: Mapped[str]
    at: Mapped[datetime]
    recorded_at: Mapped[created_at]
    cause_kind: Mapped[str] = mapped_column(server_default="")
    cause_id: Mapped[UUID | None]
    rule_id: Mapped[UUID | None]
    local_day: Mapped[date]
    idempotency_key: Mapped[str]
    request_hash: Mapped[str]
    reverses_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))

    __table_args__ = tenant_args(
        one_of("kind", EntryKind),
        reference("program", "program_id"),
        reference("member", "member_id"),
        reference("ledger_transaction", "reverses_id"),
        UniqueConstraint("workspace_id", "idempotency_key"),
        Index("ix_ledger_transaction_member", "workspace_id", "member_id", "at", "id"),
        Index("ix_ledger_transaction_rule", "workspace_id", "rule_id", "member_id", "local_day"),
        Index("ix_ledger_transaction_reverses", "workspace_id", "reverses_id"),
        Index("ix_ledger_transaction_cause", "workspace_id", "cause_id", postgresql_where=text("cause_id is not null")),
        append_only=True,
    )


class LedgerNote(Attached, Base):
    """What a person typed as the reason of an entry: apart from the ledger, so that erasure can remove it."""

    __tablename__ = "ledger_note"

    transaction_id: Mapped[UUID]
    note: Mapped[str]

    __table_args__ = tenant_args(
        reference("ledger_transaction", "transaction_id"),
        Index("uq_ledger_note_transaction", "workspace_id", "transaction_id", unique=True),
        referred=False,
    )


class Posting(Attached, Base):
    """`points` into (+) or out of (-) an account; `member_id` is null for the programme's own accounts."""

    __tablename__ = "posting"

    transaction_id: Mapped[UUID]
    program_id: Mapped[UUID]
    account: Mapped[str]
    member_id: Mapped[UUID | None]
    points: Mapped[big]

    __table_args__ = tenant_args(
        one_of("account", LedgerAccount),
        CheckConstraint("points <> 0", name="moves"),
        CheckConstraint("(member_id is not null) = (account in ('available', 'pending'))", name="member"),
        reference("ledger_transaction", "transaction_id"),
        reference("program", "program_id"),
        reference("member", "member_id"),
        Index("ix_posting_transaction", "workspace_id", "transaction_id"),
        Index("ix_posting_member", "workspace_id", "member_id", "account"),
        append_only=True,
        referred=False,
    )


class Lot(Attached, Base):
    """Points that came in together; what is left is `points` less the sum of its uses."""

    __tablename__ = "lot"

    member_id: Mapped[UUID]
    transaction_id: Mapped[UUID]
    points: Mapped[big]
    available_from: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    is_pending: Mapped[bool] = mapped_column(server_default=text("false"))
    remaining: Mapped[big]

    __table_args__ = tenant_args(
        CheckConstraint("points > 0 and remaining between 0 and points", name="remaining"),
        reference("member", "member_id"),
        reference("ledger_transaction", "transaction_id"),
        Index("ix_lot_live", "workspace_id", "member_id", "expires_at", postgresql_where=text("remaining > 0")),
        Index("ix_lot_due", "expires_at", postgresql_where=text("remaining > 0 and expires_at is not null")),
        Index("ix_lot_transaction", "workspace_id", "transaction_id"),
    )


class LotUse(Attached, Base):
    """Points taken from a lot (+) or put back into it (-) by a transaction."""

    __tablename__ = "lot_use"

    lot_id: Mapped[UUID]
    transaction_id: Mapped[UUID]
    points: Mapped[big]

    __table_args__ = tenant_args(
        CheckConstraint("points <> 0", name="moves"),
        reference("lot", "lot_id"),
        reference("ledger_transaction", "transaction_id"),
        Index("ix_lot_use_lot", "workspace_id", "lot_id"),
        Index("ix_lot_use_transaction", "workspace_id", "transaction_id"),
        append_only=True,
        referred=False,
    )


class EarningRule(Attached, Base):
    """Points for a kind of interaction, with a cap per member and local day."""

    __tablename__ = "earning_rule"

    program_id: Mapped[UUID]
    name: Mapped[str]
    interaction_kind: Mapped[str]
    channel: Mapped[str | None]
    direction: Mapped[str | None]
    points: Mapped[int]
    cap_per_day: Mapped[int | None]
    validity_months: Mapped[int | None]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[created_at]
    retired_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        CheckConstraint("points > 0", name="points"),
        reference("program", "program_id"),
        Index("ix_earning_rule_kind", "workspace_id", "interaction_kind", postgresql_where=text("is_active")),
        referred=False,
    )


class Offer(Tenant, Base):
    __tablename__ = "offer"

    program_id: Mapped[UUID | None]
    name: Mapped[str]
    public_text: Mapped[str] = mapped_column(server_default="")
    kind: Mapped[str]
    percent: Mapped[int | None] = mapped_column(SmallInteger)
    amount_minor: Mapped[int | None]
    currency: Mapped[str] = mapped_column(server_default="EUR")
    gift: Mapped[str] = mapped_column(server_default="")
    terms: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default=OfferState.ACTIVE.value)
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    time_zone: Mapped[str] = mapped_column(server_default="Europe/Rome")
    limit_total: Mapped[int | None]
    limit_per_person: Mapped[int] = mapped_column(server_default=text("1"))
    budget_minor: Mapped[big | None]
    redeemed: Mapped[int] = mapped_column(server_default=text("0"))
    spent_minor: Mapped[big] = mapped_column(server_default=text("0"))
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    withdrawn_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("kind", OfferKind),
        one_of("state", OfferState),
        CheckConstraint("percent between 1 and 100", name="percent"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("limit_total is null or redeemed <= limit_total", name="limit_total"),
        CheckConstraint("budget_minor is null or spent_minor <= budget_minor", name="budget"),
        reference("program", "program_id"),
        Index("ix_offer_state", "workspace_id", "state", "valid_until"),
    )


class Voucher(Attached, Base):
    """A single-holder code of an offer."""

    __tablename__ = "voucher"

    offer_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    code: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=VoucherState.ALLOCATED.value)
    source_kind: Mapped[str] = mapped_column(server_default="")
    source_id: Mapped[UUID | None]
    allocated_at: Mapped[created_at]
    active_at: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    redeemed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("state", VoucherState),
        reference("offer", "offer_id"),
        reference("contact", "contact_id", ondelete="SET NULL"),
        # By code first: the public page knows nothing else.
        UniqueConstraint("code", "workspace_id"),
        Index("ix_voucher_offer", "workspace_id", "offer_id", "state"),
        Index("ix_voucher_contact", "workspace_id", "contact_id"),
    )


class Redemption(Attached, Base):
    """One use of a voucher at the till or by API; undone, never deleted."""

    __tablename__ = "redemption"

    voucher_id: Mapped[UUID]
    offer_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    idempotency_key: Mapped[str]
    request_hash: Mapped[str]
    purchase_minor: Mapped[int | None]
    discount_minor: Mapped[int] = mapped_column(server_default=text("0"))
    at: Mapped[datetime]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    interaction_id: Mapped[UUID | None]
    undone_at: Mapped[datetime | None]
    undone_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))

    __table_args__ = tenant_args(
        reference("voucher", "voucher_id"),
        reference("offer", "offer_id"),
        reference("contact", "contact_id", ondelete="SET NULL"),
        UniqueConstraint("workspace_id", "idempotency_key"),
        Index(
            "uq_redemption_voucher",
            "workspace_id",
            "voucher_id",
            unique=True,
            postgresql_where=text("undone_at is null"),
        ),
        Index("ix_redemption_offer", "workspace_id", "offer_id", "at"),
        Index("ix_redemption_contact", "workspace_id", "contact_id"),
        referred=False,
    )

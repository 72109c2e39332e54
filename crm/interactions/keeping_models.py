"""Owns the tables of keeping in touch: how warm each person is, and when they are due."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Double, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, Tenant, created_at, reference, tenant_args, user_fk


class Warmth(Attached, Base):
    """What the exchanges with a person amount to (`crm.interactions.rules.warmth.State`).

    The row without a user is the house's; each colleague who took part has one of their own. Only the house's row has a
    `score`: 0 to 100 as it was `scored_at`, which the clock renews each night.
    """

    __tablename__ = "warmth"

    contact_id: Mapped[UUID]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    inbound: Mapped[float] = mapped_column(Double)
    outbound: Mapped[float] = mapped_column(Double)
    at: Mapped[datetime]
    two_way_at: Mapped[datetime | None]
    any_at: Mapped[datetime | None]
    score: Mapped[int] = mapped_column(server_default=text("0"))
    scored_at: Mapped[datetime]

    __table_args__ = tenant_args(
        reference("contact", "contact_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "contact_id", "user_id", postgresql_nulls_not_distinct=True),
        Index("ix_warmth_score", "workspace_id", "score", "contact_id", postgresql_where=text("user_id is null")),
        Index("ix_warmth_scored", "scored_at", "workspace_id", postgresql_where=text("user_id is null and score > 0")),
        referred=False,
    )


class Cadence(Attached, Base):
    """How often to be in touch with a person, and when they are due (`crm.interactions.rules.cadence`).

    `own_days` is the person's own number (0: never); without one `days` follows from their importance and the settings
    of the workspace. `days` is what holds now, None for never. `met_at` is the first time that both took part.
    """

    __tablename__ = "cadence"

    contact_id: Mapped[UUID]
    own_days: Mapped[int | None]
    days: Mapped[int | None]
    began_at: Mapped[datetime]
    two_way_at: Mapped[datetime | None]
    wrote_at: Mapped[datetime | None]
    met_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    pause_reason: Mapped[str] = mapped_column(server_default="")
    due_at: Mapped[datetime | None]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        reference("contact", "contact_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "contact_id"),
        Index("ix_cadence_due", "workspace_id", "due_at", "contact_id", postgresql_where=text("due_at is not null")),
        # Since when people are known, for the days on which the years are full.
        Index("ix_cadence_met", "workspace_id", "met_at", "contact_id", postgresql_where=text("met_at is not null")),
        referred=False,
    )


class SetAside(Tenant, Base):
    """A reason on somebody's Today that they put off (`until`) or skipped, with why.

    `kind` and `object_id` name the reason; `mark` is the moment of the newest it was about, so that something newer
    brings it back.
    """

    __tablename__ = "set_aside"

    user_id: Mapped[user_fk]
    kind: Mapped[str]
    object_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    mark: Mapped[datetime]
    until: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        reference("contact", "contact_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "user_id", "kind", "object_id"),
        Index("ix_set_aside_contact", "workspace_id", "contact_id", postgresql_where=text("contact_id is not null")),
        referred=False,
    )

"""Mailboxes that are read: how, how far, and what stays out."""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

# The clock looks across all workspaces. What was refused is asked again only after somebody changed the account.
DUE = """
    create function public.crm_due_mailboxes(most integer)
    returns table (workspace_id uuid, mailbox_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
    as $$
        select m.workspace_id, m.id from public.synced_mailbox m
        join public.sender_account a on a.workspace_id = m.workspace_id and a.id = m.account_id
        where a.deleted_at is null and (m.leased_until is null or m.leased_until < now())
            and ((m.state = 'on' and m.next_at <= now()) or (m.state = 'held' and a.version <> m.held_version))
        order by m.next_at limit most
    $$
    """


def _moment(name: str, *, default: bool = False) -> sa.Column:
    kind = sa.DateTime(timezone=True)
    return sa.Column(name, kind, server_default=sa.text("now()"), nullable=False) if default else sa.Column(name, kind)


def _text(name: str, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _number(name: str, kind: type = sa.Integer) -> sa.Column:
    return sa.Column(name, kind(), server_default=sa.text("0"), nullable=False)


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _keys(table: str, target: str, column: str, *unique: str) -> list[sa.sql.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", column],
            [f"{target}.workspace_id", f"{target}.id"],
            name=op.f(f"fk_{table}_workspace_id_{column}"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("workspace_id", *unique, name=op.f(f"uq_{table}_workspace_id_{'_'.join(unique)}")),
    ]


def upgrade() -> None:
    op.create_table(
        "synced_mailbox",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("app_user.id", name=op.f("fk_synced_mailbox_user_id"))),
        _text("state", "stopped"),
        _flag("keeps_strangers"),
        _text("reach", "two_years"),
        *map(_moment, ("since", "started_at", "next_at", "leased_until")),
        _number("fencing", sa.BigInteger),
        _moment("looked_at"),
        _number("failures"),
        _text("error", ""),
        sa.Column("held_version", sa.Integer()),
        _moment("created_at", default=True),
        sa.CheckConstraint("state in ('on', 'held', 'stopped')", name=op.f("ck_synced_mailbox_state")),
        sa.CheckConstraint(
            "reach in ('nothing', 'three_months', 'two_years')", name=op.f("ck_synced_mailbox_reach")
        ),
        *_keys("synced_mailbox", "sender_account", "account_id", "account_id"),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_synced_mailbox_workspace_id_id")),
    )
    op.create_index(
        "ix_synced_mailbox_due", "synced_mailbox", ["next_at"], postgresql_where=sa.text("state <> 'stopped'")
    )
    op.create_table(
        "mailbox_folder",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        _text("wire_name"),
        _text("name"),
        _text("role", "received"),
        _flag("is_on"),
        sa.Column("uidvalidity", sa.BigInteger()),
        _number("last_uid", sa.BigInteger),
        sa.Column("back_uid", sa.BigInteger()),
        _flag("again"),
        _number("back_total"),
        _number("back_done"),
        _moment("back_began_at"),
        *map(_number, ("kept", "strangers", "left_out")),
        _text("error", ""),
        _moment("looked_at"),
        sa.CheckConstraint("role in ('received', 'sent')", name=op.f("ck_mailbox_folder_role")),
        *_keys("mailbox_folder", "synced_mailbox", "mailbox_id", "mailbox_id", "wire_name"),
    )
    op.create_table(
        "mailbox_exclusion",
        sa.Column("mailbox_id", sa.Uuid(), nullable=False),
        _text("pattern"),
        sa.Column(
            "created_by_id",
            sa.Uuid(),
            sa.ForeignKey("app_user.id", name=op.f("fk_mailbox_exclusion_created_by_id")),
        ),
        _moment("created_at", default=True),
        *_keys("mailbox_exclusion", "synced_mailbox", "mailbox_id", "mailbox_id", "pattern"),
    )
    op.execute(DUE)


def downgrade() -> None:
    op.execute("drop function public.crm_due_mailboxes(integer)")
    for table in ("mailbox_exclusion", "mailbox_folder", "synced_mailbox"):
        op.drop_table(table)

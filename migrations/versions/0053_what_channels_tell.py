"""Room for what channels tell: posts, receipts ahead of their message, how far we asked, start links, and the door."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

FUNCTIONS = {
    # A platform's delivery names an account by its public id and no workspace. Two ids are all that is told, and only
    # to who has a random id of 128 bits; whether the delivery is proven is decided with the account's own secret.
    "crm_hook_account(uuid)": """
        create function public.crm_hook_account(wanted uuid) returns table (workspace_id uuid, account_id uuid)
        language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
            select a.workspace_id, a.id from public.sender_account a where a.public_id = wanted and a.deleted_at is null
        $$""",
    # The clock looks across all workspaces and learns ids alone. A parked receipt is looked at again after a pause.
    "crm_inbound_waiting(integer)": """
        create function public.crm_inbound_waiting(most integer) returns table (workspace_id uuid, account_id uuid)
        language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
            select e.workspace_id, e.account_id from public.inbound_event e
            where e.state in ('stored', 'parked')
                and (e.state = 'stored' or e.handled_at < now() - interval '5 seconds')
            group by e.workspace_id, e.account_id order by min(e.received_at) limit most
        $$""",
    # The clock looks across all workspaces and learns ids alone: accounts that ask instead of being called.
    "crm_polls_due(integer)": """
        create function public.crm_polls_due(most integer) returns table (workspace_id uuid, account_id uuid)
        language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
            select a.workspace_id, a.id from public.sender_account a
            left join public.inbound_cursor c on c.workspace_id = a.workspace_id and c.account_id = a.id
            where a.state = 'active' and a.deleted_at is null and a.config ->> 'receive' = 'poll'
                and coalesce(c.next_at, '-infinity') <= now()
            order by c.next_at nulls first limit most
        $$""",
}
STORED = """
    create function public.crm_stored_inbound(most integer) returns table (workspace_id uuid, event_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select e.workspace_id, e.id from public.inbound_event e
        where e.state = 'stored' order by e.received_at limit most
    $$"""
DELIVERY = "delivery in ({})"
BEFORE = "'none', 'delivered', 'read', 'delayed', 'bounced', 'complained'"
AFTER = "'none', 'delivered', 'read', 'delayed', 'failed', 'bounced', 'complained'"


def _attached(name: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        *columns,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )


def _refers(table: str, column: str, target: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{target}.workspace_id", f"{target}.id"],
        name=op.f(f"fk_{table}_workspace_id_{column}"),
        ondelete=ondelete,
    )


def upgrade() -> None:
    op.add_column("conversation", sa.Column("post_url", sa.Text(), server_default="", nullable=False))
    op.drop_constraint("ck_message_delivery", "message")
    op.create_check_constraint(op.f("ck_message_delivery"), "message", DELIVERY.format(AFTER))
    op.create_index(
        "ix_message_remote",
        "message",
        ["workspace_id", "account_id", "remote_id"],
        postgresql_where=sa.text("remote_id is not null and channel <> 'email'"),
    )
    op.drop_constraint("ck_inbound_event_state", "inbound_event")
    op.create_check_constraint(
        op.f("ck_inbound_event_state"), "inbound_event", "state in ('stored', 'parked', 'handled', 'failed')"
    )
    op.drop_index("ix_inbound_event_state", table_name="inbound_event")
    op.create_index(
        "ix_inbound_event_waiting",
        "inbound_event",
        ["account_id", "received_at", "id"],
        postgresql_where=sa.text("state in ('stored', 'parked')"),
    )
    op.create_index(
        "ix_inbound_event_failed",
        "inbound_event",
        ["workspace_id", "account_id", "received_at"],
        postgresql_where=sa.text("state = 'failed'"),
    )
    _attached(
        "inbound_cursor",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("cursor", sa.Text(), server_default="", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("code", sa.Text(), server_default="", nullable=False),
        _refers("inbound_cursor", "account_id", "sender_account", "CASCADE"),
        sa.UniqueConstraint("workspace_id", "account_id", name=op.f("uq_inbound_cursor_workspace_id_account_id")),
    )
    _attached(
        "start_link",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handle_id", sa.Uuid(), nullable=True),
        _refers("start_link", "contact_id", "contact", "CASCADE"),
        _refers("start_link", "account_id", "sender_account", "CASCADE"),
        _refers("start_link", "handle_id", "handle", "SET NULL (handle_id)"),
        sa.UniqueConstraint("workspace_id", "digest", name=op.f("uq_start_link_workspace_id_digest")),
    )
    op.create_index("ix_start_link_contact", "start_link", ["workspace_id", "contact_id"])
    op.execute("drop function public.crm_stored_inbound(integer)")
    for definition in FUNCTIONS.values():
        op.execute(definition)


def downgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"drop function public.{name}")
    op.execute(STORED)
    op.drop_table("start_link")
    op.drop_table("inbound_cursor")
    op.execute("update inbound_event set state = 'stored' where state = 'parked'")
    op.drop_index("ix_inbound_event_failed", table_name="inbound_event")
    op.drop_index("ix_inbound_event_waiting", table_name="inbound_event")
    op.create_index(
        "ix_inbound_event_state",
        "inbound_event",
        ["state", "received_at"],
        postgresql_where=sa.text("state = 'stored'"),
    )
    op.drop_constraint("ck_inbound_event_state", "inbound_event")
    op.create_check_constraint(
        op.f("ck_inbound_event_state"), "inbound_event", "state in ('stored', 'handled', 'failed')"
    )
    op.drop_index("ix_message_remote", table_name="message")
    op.execute("update message set delivery = 'bounced' where delivery = 'failed'")
    op.drop_constraint("ck_message_delivery", "message")
    op.create_check_constraint(op.f("ck_message_delivery"), "message", DELIVERY.format(BEFORE))
    op.drop_column("conversation", "post_url")

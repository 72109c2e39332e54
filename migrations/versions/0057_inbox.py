"""Gives the inbox what it keeps: who has read what, drafts, canned replies, merges, answer times, and its mail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

CHANNELS = (
    "'email', 'phone', 'whatsapp', 'instagram', 'messenger', 'linkedin', 'x', 'telegram', 'mastodon', 'bluesky',"
    " 'sms', 'webhook'"
)
# Safe as SECURITY DEFINER: both answer ids alone, for the clock, which looks after all workspaces.
FUNCTIONS = {
    "crm_snoozes_over(integer)": """
    create function public.crm_snoozes_over(most integer) returns table (workspace_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select distinct due.workspace_id from (
            select c.workspace_id from public.conversation c
            where c.state = 'snoozed' and c.snoozed_until <= now()
            order by c.snoozed_until limit most
        ) due
    $$""",
    "crm_digests_due(integer)": """
    create function public.crm_digests_due(most integer) returns table (workspace_id uuid, user_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select n.workspace_id, n.user_id from public.inbox_notice n
        where n.due_at is not null and n.due_at <= now()
        order by n.due_at limit most
    $$""",
}
INDEXES = (
    ("ix_conversation_assignee", ["workspace_id", "assignee_id", "state", "last_at", "id"], None),
    ("ix_conversation_channel", ["workspace_id", "channel", "state", "last_at", "id"], None),
    ("ix_conversation_public", ["workspace_id", "state", "last_at", "id"], "visibility = 'public'"),
    ("ix_conversation_snoozed", ["snoozed_until"], "state = 'snoozed'"),
    ("ix_conversation_merged", ["workspace_id", "merged_into_id"], "merged_into_id is not null"),
)


def _ids() -> tuple[sa.Column, ...]:
    return sa.Column("id", sa.Uuid(), nullable=False), sa.Column("workspace_id", sa.Uuid(), nullable=False)


def _instant(name: str, *, is_optional: bool = False, is_now: bool = False) -> sa.Column:
    default = sa.func.now() if is_now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=is_optional, server_default=default)


def _of(table: str, column: str = "conversation_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        ["conversation.workspace_id", "conversation.id"],
        name=op.f(f"fk_{table}_workspace_id_{column}"),
        ondelete="CASCADE",
    )


def _user(table: str, column: str = "user_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["app_user.id"], name=op.f(f"fk_{table}_{column}"))


def _house(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name=op.f(f"fk_{table}_workspace_id"), ondelete="CASCADE")


def _key(table: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))


def _once(table: str) -> sa.UniqueConstraint:
    name = op.f(f"uq_{table}_workspace_id_conversation_id_user_id")
    return sa.UniqueConstraint("workspace_id", "conversation_id", "user_id", name=name)


def upgrade() -> None:
    op.add_column("conversation", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_conversation_workspace_id_merged_into_id"),
        "conversation",
        "conversation",
        ["workspace_id", "merged_into_id"],
        ["workspace_id", "id"],
        ondelete="SET NULL (merged_into_id)",
    )
    for name, columns, where in INDEXES:
        op.create_index(name, "conversation", columns, postgresql_where=sa.text(where) if where else None)
    op.create_table(
        "conversation_seen",
        *_ids(),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        _instant("seen_at"),
        _of("conversation_seen"),
        _user("conversation_seen"),
        _key("conversation_seen"),
        _once("conversation_seen"),
    )
    op.create_table(
        "conversation_draft",
        *_ids(),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), server_default="reply", nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        _instant("updated_at", is_now=True),
        sa.CheckConstraint("mode in ('reply', 'private', 'note')", name=op.f("ck_conversation_draft_mode")),
        _of("conversation_draft"),
        _user("conversation_draft"),
        _key("conversation_draft"),
        _once("conversation_draft"),
    )
    op.create_table(
        "canned_reply",
        *_ids(),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default="it", nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        _instant("created_at", is_now=True),
        _instant("updated_at", is_now=True),
        _house("canned_reply"),
        _key("canned_reply"),
    )
    op.create_index("ix_canned_reply_title", "canned_reply", ["workspace_id", "title", "id"])
    op.create_table(
        "answer_time",
        *_ids(),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        _instant("asked_at"),
        _instant("answered_at"),
        sa.CheckConstraint(f"channel in ({CHANNELS})", name=op.f("ck_answer_time_channel")),
        _of("answer_time"),
        _user("answer_time"),
        _key("answer_time"),
    )
    op.create_index("ix_answer_time_answered", "answer_time", ["workspace_id", "answered_at", "id"])
    op.create_index("ix_answer_time_conversation", "answer_time", ["workspace_id", "conversation_id"])
    op.create_table(
        "conversation_merge",
        *_ids(),
        sa.Column("kept_id", sa.Uuid(), nullable=False),
        sa.Column("gone_id", sa.Uuid(), nullable=False),
        sa.Column("moved", postgresql.JSONB(), nullable=False),
        sa.Column("merged_by_id", sa.Uuid(), nullable=True),
        _instant("created_at", is_now=True),
        _instant("undone_at", is_optional=True),
        _of("conversation_merge", "kept_id"),
        _of("conversation_merge", "gone_id"),
        _user("conversation_merge", "merged_by_id"),
        _key("conversation_merge"),
    )
    op.create_index("ix_conversation_merge_kept", "conversation_merge", ["workspace_id", "kept_id"])
    op.create_index("ix_conversation_merge_gone", "conversation_merge", ["workspace_id", "gone_id"])
    op.create_table(
        "inbox_notice",
        *_ids(),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest_hour", sa.Integer(), nullable=True),
        sa.Column("key_answers", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _instant("due_at", is_optional=True),
        sa.Column("sent_on", sa.Date(), nullable=True),
        sa.CheckConstraint("digest_hour between 0 and 23", name=op.f("ck_inbox_notice_hour")),
        _house("inbox_notice"),
        _user("inbox_notice"),
        _key("inbox_notice"),
        sa.UniqueConstraint("workspace_id", "user_id", name=op.f("uq_inbox_notice_workspace_id_user_id")),
    )
    op.create_index("ix_inbox_notice_due", "inbox_notice", ["due_at"], postgresql_where=sa.text("due_at is not null"))
    for function in FUNCTIONS.values():
        op.execute(function)


def downgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"drop function public.{name}")
    for table in (
        "inbox_notice", "conversation_merge", "answer_time", "canned_reply", "conversation_draft", "conversation_seen",
    ):  # fmt: skip
        op.drop_table(table)
    for name, _columns, where in reversed(INDEXES):
        op.drop_index(name, table_name="conversation", postgresql_where=sa.text(where) if where else None)
    op.drop_constraint(op.f("fk_conversation_workspace_id_merged_into_id"), "conversation", type_="foreignkey")
    op.drop_column("conversation", "merged_into_id")

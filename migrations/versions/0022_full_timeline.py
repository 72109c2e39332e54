"""The full timeline: own kinds, labels, files, earlier texts, keyword rules, spikes, and history that is brought in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "entry_label",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tone", sa.Text(), server_default="plain", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("tone in ('plain', 'accent', 'ok', 'wait', 'bad')", name=op.f("ck_entry_label_tone")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_entry_label_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry_label")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_entry_label_workspace_id_id")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("uq_entry_label_workspace_id_key")),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_table(
        "negative_spike",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("usual", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_negative_spike_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_negative_spike")),
        sa.UniqueConstraint("workspace_id", "day", name=op.f("uq_negative_spike_workspace_id_day")),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_table(
        "own_kind",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("icon", sa.Text(), nullable=False),
        sa.Column("tone", sa.Text(), server_default="plain", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("tone in ('plain', 'accent', 'ok', 'wait', 'bad')", name=op.f("ck_own_kind_tone")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_own_kind_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_own_kind")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("uq_own_kind_workspace_id_key")),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_table(
        "history_address",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_history_address_user_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_history_address_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history_address")),
        sa.UniqueConstraint("workspace_id", "token", name=op.f("uq_history_address_workspace_id_token")),
        sa.UniqueConstraint("workspace_id", "user_id", name=op.f("uq_history_address_workspace_id_user_id")),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_table(
        "keyword_rule",
        sa.Column("phrase", sa.Text(), nullable=False),
        sa.Column("phrase_norm", sa.Text(), nullable=False),
        sa.Column("sentiment", sa.Text(), nullable=True),
        sa.Column("label_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("sentiment in ('positive', 'neutral', 'negative')", name=op.f("ck_keyword_rule_sentiment")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "label_id"],
            ["entry_label.workspace_id", "entry_label.id"],
            name=op.f("fk_keyword_rule_workspace_id_label_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_keyword_rule_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keyword_rule")),
        sa.UniqueConstraint("workspace_id", "phrase_norm", name=op.f("uq_keyword_rule_workspace_id_phrase_norm")),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_index("ix_keyword_rule_label", "keyword_rule", ["workspace_id", "label_id"], unique=False)
    op.create_table(
        "unknown_correspondent",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("address_norm", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("mails", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_unknown_correspondent_user_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_unknown_correspondent_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unknown_correspondent")),
        sa.UniqueConstraint(
            "workspace_id",
            "user_id",
            "address_norm",
            name=op.f("uq_unknown_correspondent_workspace_id_user_id_address_norm"),
        ),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_table(
        "history_file",
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="uploaded", nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("day_first", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "found", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column(
            "people", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("total", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_item", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("added", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("known", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("left_out", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("progress_id", sa.Uuid(), nullable=True),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "format in ('whatsapp', 'linkedin', 'instagram', 'calendar')", name=op.f("ck_history_file_format")
        ),
        sa.CheckConstraint(
            "state in ('uploaded', 'queued', 'running', 'done', 'failed')", name=op.f("ck_history_file_state")
        ),
        sa.ForeignKeyConstraint(["created_by_id"], ["app_user.id"], name=op.f("fk_history_file_created_by_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "file_id"],
            ["stored_file.workspace_id", "stored_file.id"],
            name=op.f("fk_history_file_workspace_id_file_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "progress_id"],
            ["progress.workspace_id", "progress.id"],
            name=op.f("fk_history_file_workspace_id_progress_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_history_file_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history_file")),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_index("ix_history_file_progress", "history_file", ["workspace_id", "progress_id"], unique=False)
    op.create_table(
        "earlier_text",
        sa.Column("interaction_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("replaced_by_id", sa.Uuid(), nullable=True),
        sa.Column("replaced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["replaced_by_id"], ["app_user.id"], name=op.f("fk_earlier_text_replaced_by_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "interaction_id"],
            ["interaction.workspace_id", "interaction.id"],
            name=op.f("fk_earlier_text_workspace_id_interaction_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earlier_text")),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_index(
        "ix_earlier_text_interaction", "earlier_text", ["workspace_id", "interaction_id", "replaced_at"], unique=False
    )
    op.create_table(
        "entry_file",
        sa.Column("interaction_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "file_id"],
            ["stored_file.workspace_id", "stored_file.id"],
            name=op.f("fk_entry_file_workspace_id_file_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "interaction_id"],
            ["interaction.workspace_id", "interaction.id"],
            name=op.f("fk_entry_file_workspace_id_interaction_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry_file")),
        sa.UniqueConstraint(
            "workspace_id", "interaction_id", "file_id", name=op.f("uq_entry_file_workspace_id_interaction_id_file_id")
        ),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_index("ix_entry_file_file", "entry_file", ["workspace_id", "file_id"], unique=False)
    op.create_table(
        "labelled_entry",
        sa.Column("interaction_id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "interaction_id"],
            ["interaction.workspace_id", "interaction.id"],
            name=op.f("fk_labelled_entry_workspace_id_interaction_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "label_id"],
            ["entry_label.workspace_id", "entry_label.id"],
            name=op.f("fk_labelled_entry_workspace_id_label_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labelled_entry")),
        sa.UniqueConstraint(
            "workspace_id",
            "interaction_id",
            "label_id",
            name=op.f("uq_labelled_entry_workspace_id_interaction_id_label_id"),
        ),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_index(
        "ix_labelled_entry_label", "labelled_entry", ["workspace_id", "label_id", "interaction_id"], unique=False
    )
    op.create_index(
        "ix_interaction_negative",
        "interaction",
        ["workspace_id", "happened_at"],
        unique=False,
        postgresql_where=sa.text(
            "sentiment = 'negative' and direction = 'inbound' and visibility <> 'private' and removed_at is null"
        ),
    )
    op.add_column("interaction_body", sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("interaction_body", "edited_at")
    op.drop_index(
        "ix_interaction_negative",
        table_name="interaction",
        postgresql_where=sa.text(
            "sentiment = 'negative' and direction = 'inbound' and visibility <> 'private' and removed_at is null"
        ),
    )
    op.drop_index("ix_labelled_entry_label", table_name="labelled_entry")
    op.drop_table("labelled_entry")
    op.drop_index("ix_entry_file_file", table_name="entry_file")
    op.drop_table("entry_file")
    op.drop_index("ix_earlier_text_interaction", table_name="earlier_text")
    op.drop_table("earlier_text")
    op.drop_index("ix_history_file_progress", table_name="history_file")
    op.drop_table("history_file")
    op.drop_table("unknown_correspondent")
    op.drop_index("ix_keyword_rule_label", table_name="keyword_rule")
    op.drop_table("keyword_rule")
    op.drop_table("history_address")
    op.drop_table("own_kind")
    op.drop_table("negative_spike")
    op.drop_table("entry_label")

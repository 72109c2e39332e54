"""Days for the files of chats; what was there before imports, bulk edits and merges goes with their undo."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

BEFORE = (
    "data_class in ('raw_mails', 'refused_rows', 'read_files', 'removed_texts', 'audit_values',"
    " 'inactive_leads', 'deleted_people')"
)
NOW = (
    "data_class in ('raw_mails', 'refused_rows', 'read_files', 'chat_files', 'removed_texts', 'audit_values',"
    " 'change_values', 'inactive_leads', 'deleted_people')"
)


def _check(condition: str) -> None:
    op.drop_constraint(op.f("ck_retention_rule_data_class"), "retention_rule", type_="check")
    op.create_check_constraint(op.f("ck_retention_rule_data_class"), "retention_rule", condition)


def upgrade() -> None:
    _check(NOW)


def downgrade() -> None:
    op.execute("delete from retention_rule where data_class in ('chat_files', 'change_values')")
    _check(BEFORE)

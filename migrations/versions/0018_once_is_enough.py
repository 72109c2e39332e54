"""Each row proves its workspace once, keys that nobody refers to go, and indexes of few values hold only these."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# A row of these can't be without a row of another table in the same workspace, which the reference to that one checks.
# To look for the workspace itself proves nothing more, costs each insert as much again, and makes all writers of a
# workspace share a lock on its one row.
ATTACHED = (
    *("affiliation", "attempt", "attempt_evidence", "attempt_outcome", "budget_use", "campaign_pick", "campaign_text"),
    *("claim", "company_tag", "consent_event", "consent_evidence", "consent_state", "contact_link", "contact_tag"),
    *("domain_pace", "earning_rule", "frozen_content", "handle_change", "import", "inbound_event", "inbound_raw"),
    *("interaction_body", "ledger_note", "ledger_transaction", "lot", "lot_use", "member", "message_text", "posting"),
    *("recipient", "redemption", "refused_row", "segment_change", "segment_member", "segment_pick", "sender_pace"),
    "voucher",
)

# Their key of workspace and id was there for references that nobody made.
UNREFERRED = (
    *("affiliation", "attempt_evidence", "attempt_outcome", "budget_use", "campaign_pick", "campaign_text"),
    *("company_tag", "consent_evidence", "consent_state", "contact_link", "contact_tag", "domain_pace"),
    *("earning_rule", "fact", "frozen_content", "handle_change", "inbound_raw", "interaction_body", "ledger_note"),
    *("lot_use", "message_text", "posting", "recipient", "redemption", "refused_row", "segment_change"),
    *("segment_member", "segment_pick", "sender_pace"),
)

NARROW = {
    "ix_message_batch": ("message", ["workspace_id", "batch_id", "state"], "batch_id is not null"),
    "ix_message_conversation": (
        "message",
        ["workspace_id", "conversation_id", "created_at"],
        "conversation_id is not null",
    ),
    "ix_budget_use_company": ("budget_use", ["workspace_id", "company_id", "purpose", "at"], "company_id is not null"),
    "ix_interaction_company": (
        "interaction",
        ["workspace_id", "company_id", "happened_at", "id"],
        "company_id is not null",
    ),
}


def upgrade() -> None:
    for table in ATTACHED:
        op.drop_constraint(f"fk_{table}_workspace_id", table, type_="foreignkey")
    for table in UNREFERRED:
        op.drop_constraint(f"uq_{table}_workspace_id_id", table, type_="unique")
    for name, (table, columns, values) in NARROW.items():
        op.drop_index(name, table_name=table)
        op.create_index(name, table, columns, postgresql_where=values)


def downgrade() -> None:
    for name, (table, columns, _values) in NARROW.items():
        op.drop_index(name, table_name=table)
        op.create_index(name, table, columns)
    for table in UNREFERRED:
        op.create_unique_constraint(f"uq_{table}_workspace_id_id", table, ["workspace_id", "id"])
    for table in ATTACHED:
        op.create_foreign_key(
            f"fk_{table}_workspace_id", table, "workspace", ["workspace_id"], ["id"], ondelete="CASCADE"
        )

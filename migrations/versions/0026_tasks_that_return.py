"""Tasks have an hour, a reminder and a rule by which they return, and are about any number of people and companies."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("due_time", sa.Time(), nullable=True),
        sa.Column("time_zone", sa.Text(), server_default="", nullable=False),
        sa.Column("remind_days", sa.Integer(), nullable=True),
        sa.Column("remind_time", sa.Time(), nullable=True),
        sa.Column("remind_minutes", sa.Integer(), nullable=True),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("repeat", sa.Text(), server_default="", nullable=False),
        sa.Column("repeat_from", sa.Text(), server_default="due", nullable=False),
        sa.Column("repeat_anchor", sa.Date(), nullable=True),
        sa.Column("repeat_left", sa.Integer(), nullable=True),
        sa.Column("follows_id", sa.Uuid(), nullable=True),
    )


# Ids of workspaces and nothing else, for the clock: it looks across workspaces for reminders that are due, and then
# works in each of them like everybody else.
DUE = """
    create function public.crm_reminders_due(most integer) returns table (workspace_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select distinct due.workspace_id from (
            select t.workspace_id from public.task t
            where t.remind_at <= now() and t.reminded_at is null and t.done_at is null and t.remind_at is not null
            order by t.remind_at limit most
        ) due
    $$"""


def upgrade() -> None:
    for column in columns():
        op.add_column("task", column)
    op.create_check_constraint(op.f("ck_task_repeat_from"), "task", "repeat_from in ('due', 'done')")
    op.create_foreign_key(
        op.f("fk_task_workspace_id_follows_id"),
        "task",
        "task",
        ["workspace_id", "follows_id"],
        ["workspace_id", "id"],
        ondelete="SET NULL (follows_id)",
    )
    op.create_index(
        "uq_task_follows",
        "task",
        ["workspace_id", "follows_id"],
        unique=True,
        postgresql_where=sa.text("follows_id is not null"),
    )
    op.create_index(
        "ix_task_remind",
        "task",
        ["remind_at", "workspace_id"],
        postgresql_where=sa.text("remind_at is not null and reminded_at is null and done_at is null"),
    )
    op.create_table(
        "task_link",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("num_nonnulls(contact_id, company_id) = 1", name=op.f("ck_task_link_one_record")),
        *(
            sa.ForeignKeyConstraint(
                ["workspace_id", f"{name}_id"],
                [f"{name}.workspace_id", f"{name}.id"],
                name=op.f(f"fk_task_link_workspace_id_{name}_id"),
                ondelete="CASCADE",
            )
            for name in ("task", "contact", "company")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_link")),
    )
    for name in ("contact", "company"):
        op.create_index(
            f"uq_task_link_{name}",
            "task_link",
            ["workspace_id", f"{name}_id", "task_id"],
            unique=True,
            postgresql_where=sa.text(f"{name}_id is not null"),
        )
    op.create_index("ix_task_link_task", "task_link", ["workspace_id", "task_id"])
    op.execute(DUE)


def downgrade() -> None:
    op.execute("drop function public.crm_reminders_due(integer)")
    op.drop_table("task_link")
    op.drop_index("ix_task_remind", table_name="task")
    op.drop_index("uq_task_follows", table_name="task")
    op.drop_constraint(op.f("fk_task_workspace_id_follows_id"), "task", type_="foreignkey")
    op.drop_constraint(op.f("ck_task_repeat_from"), "task", type_="check")
    for column in reversed(columns()):
        op.drop_column("task", column.name)

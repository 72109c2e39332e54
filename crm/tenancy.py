"""Owns what the database itself enforces between workspaces: row-level security, policies and grants."""

from sqlalchemy import Connection, Table, text

from crm.db import Base

# As a query of its own, which is answered once for a statement and which the planner does not look into. It would find
# a workspace that the last statistics did not know yet, take it for empty, and read all of it by whatever index.
WORKSPACE = "(select nullif(current_setting('crm.workspace', true), '')::uuid)"


def apply_privileges(connection: Connection, *, role: str) -> None:
    """Bring policies and grants of every table in line with the metadata; run by the owner after each migration.

    Tenant tables get row-level security, enabled and not forced: the owner's SECURITY DEFINER functions and data
    migrations must pass. Append-only tables lose UPDATE, DELETE and TRUNCATE, revoked last because a later grant
    would undo it.
    """
    quoted = connection.dialect.identifier_preparer.quote(role)
    existing = set(connection.execute(text("select tablename from pg_tables where schemaname = 'public'")).scalars())
    connection.execute(text(f"grant usage on schema public to {quoted}"))
    for table in Base.metadata.sorted_tables:
        if table.name in existing:
            _protect(connection, table, quoted)
    for name in (
        connection.execute(
            text(
                "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
                " where n.nspname = 'public' and p.proname like 'crm\\_%' and p.proowner = current_user::regrole"
            )
        )
        .scalars()
        .all()
    ):
        connection.execute(text(f"revoke all on function {name} from public"))
        connection.execute(text(f"grant execute on function {name} to {quoted}"))


def _protect(connection: Connection, table: Table, quoted: str) -> None:
    name = f'public."{table.name}"'
    connection.execute(text(f"grant select, insert, update, delete on {name} to {quoted}"))
    key = "id" if table.name == "workspace" else "workspace_id"
    if table.info.get("tenant") or table.name == "workspace":
        connection.execute(text(f"alter table {name} enable row level security"))
        connection.execute(text(f"drop policy if exists workspace_isolation on {name}"))
        connection.execute(
            text(
                f"create policy workspace_isolation on {name}"
                f" using ({key} = {WORKSPACE}) with check ({key} = {WORKSPACE})"
            )
        )
    if table.info.get("append_only"):
        connection.execute(text(f"revoke update, delete, truncate on {name} from {quoted}"))
    if table.info.get("frozen"):
        connection.execute(text(f"revoke update, truncate on {name} from {quoted}"))

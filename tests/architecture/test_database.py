"""What the database must enforce, whatever the code does."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from factories import contacts
from sqlalchemy import UniqueConstraint, create_engine, inspect, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from crm import models
from crm.accounts.models import Workspace
from crm.accounts.rules import system_actor
from crm.db import new_id

ROOT = Path(__file__).parents[2]
TABLES = {table.name: table for table in models.metadata.sorted_tables}
TENANT = sorted(name for name, table in TABLES.items() if "workspace_id" in table.c and table.info.get("tenant"))
GLOBAL = {"app_user", "user_session", "one_time_link", "throttle", "clock_lease", "workspace"}


def _config(owner_url: str) -> Config:
    config = Config(toml_file=str(ROOT / "pyproject.toml"))
    config.attributes.update(owner_url=owner_url, app_role="crm_app")
    return config


def test_every_table_is_a_tenant_or_on_the_short_list_of_global_ones():
    assert set(TABLES) - set(TENANT) == GLOBAL


def _keys(table: str) -> list[list[str]]:
    """The columns of each unique key of a table."""
    return [sorted(key.columns.keys()) for key in TABLES[table].constraints if isinstance(key, UniqueConstraint)]


def _targets(table: str) -> set[str]:
    """The tables to which every row of `table` refers."""
    return {
        key.referred_table.name
        for key in TABLES[table].foreign_key_constraints
        if not any(TABLES[table].c[column].nullable for column in key.column_keys)
    }


def test_every_tenant_table_that_is_referred_to_has_the_key_for_it():
    referred = {
        key.referred_table.name
        for name in TENANT
        for key in TABLES[name].foreign_key_constraints
        if "workspace_id" in key.column_keys and key.referred_table.name != "workspace"
    }

    assert referred
    assert {name for name in referred if ["id", "workspace_id"] not in _keys(name)} == set()


@pytest.mark.parametrize("table", TENANT)
def test_every_tenant_table_proves_its_workspace_once(table):
    targets = _targets(table)
    parents = targets & set(TENANT)

    assert ("workspace" in targets) is not bool(parents)
    # From parent to parent the workspace is reached.
    seen: set[str] = set()
    while parents - seen:
        seen |= parents
        parents = parents | {target for name in parents for target in _targets(name) & set(TENANT)}
    assert "workspace" in targets or any("workspace" in _targets(name) for name in seen)


def test_a_removed_workspace_takes_what_hangs_on_its_rows_along(fresh_database):
    workspace_id = new_id()
    actor = system_actor(workspace_id)
    with fresh_database.database.scope(workspace_id) as session:
        session.add(Workspace(id=workspace_id, name="Lanterna", slug=f"w-{workspace_id.hex}"))
        session.flush()
        person = contacts.contact(session, actor, email="ann@example.com", company_name="Bo Ceramiche", tags=["VIP"])
        contacts.interaction(session, actor, person.id, body="We spoke.")
    hanging = ("affiliation", "contact_tag", "interaction_body")
    engine = create_engine(fresh_database.owner_url, poolclass=NullPool)
    with engine.begin() as connection:
        counts = {name: text(f"select count(*) from {name}") for name in hanging}  # noqa: S608 - own names
        before = {name: connection.scalar(count) for name, count in counts.items()}
        connection.execute(text("delete from workspace where id = :id"), {"id": workspace_id})
        after = {name: connection.scalar(count) for name, count in counts.items()}

    assert before == dict.fromkeys(hanging, 1)
    assert after == dict.fromkeys(hanging, 0)


def test_references_between_tenants_carry_the_workspace():
    loose = [
        f"{name}: {list(key.column_keys)}"
        for name in TENANT
        for key in TABLES[name].foreign_key_constraints
        if key.referred_table.info.get("tenant") and "workspace_id" not in key.column_keys
    ]
    assert loose == []


def test_there_is_one_migration_head():
    assert len(ScriptDirectory.from_config(_config("")).get_heads()) == 1


def test_the_migrations_make_exactly_the_models_and_go_down_and_up_again(fresh_database):
    config = _config(fresh_database.owner_url)

    command.check(config)
    command.downgrade(config, "base")
    engine = create_engine(fresh_database.owner_url, poolclass=NullPool)
    with engine.connect() as connection:
        left = set(inspect(connection).get_table_names())
        functions = connection.scalars(
            text("select proname from pg_proc where proname like 'crm\\_%' and pronamespace = 'public'::regnamespace")
        ).all()
    command.upgrade(config, "head")
    command.check(config)

    assert left == {"alembic_version"}
    assert functions == []


def test_every_tenant_table_is_protected_by_a_policy_for_reading_and_writing(session):
    rows = session.execute(
        text(
            "select c.relname, c.relrowsecurity, c.relforcerowsecurity, p.polcmd,"
            " pg_get_expr(p.polqual, p.polrelid) as qual,"
            " pg_get_expr(p.polwithcheck, p.polrelid) as chk"
            " from pg_class c left join pg_policy p on p.polrelid = c.oid"
            " where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'"
        )
    ).all()
    protected = {
        row.relname
        for row in rows
        if row.relrowsecurity
        and not row.relforcerowsecurity
        and row.polcmd == "*"
        and row.qual == row.chk
        and "crm.workspace" in row.qual
    }
    assert protected == {*TENANT, "workspace"}


def test_the_application_role_owns_nothing_and_can_not_bypass(session):
    role = session.execute(
        text("select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user")
    ).one()
    owned = session.scalar(text("select count(*) from pg_class where relowner = current_user::regrole"))

    assert tuple(role) == (False, False, False, False)
    assert owned == 0


@pytest.mark.parametrize("table", [name for name in TENANT if TABLES[name].info.get("append_only")])
@pytest.mark.parametrize("statement", ["update {} set workspace_id = workspace_id", "delete from {}", "truncate {}"])
def test_append_only_tables_refuse_change(session, workspace, table, statement):
    with pytest.raises(ProgrammingError, match="permission denied"):
        session.execute(text(statement.format(table)))


def test_definer_functions_fix_their_search_path_and_are_not_public(session):
    rows = session.execute(
        text(
            "select proname, proconfig, has_function_privilege('public', oid, 'execute') as open from pg_proc"
            " where prosecdef and pronamespace = 'public'::regnamespace and proname like 'crm\\_%'"
        )
    ).all()

    assert rows
    for row in rows:
        assert not row.open, row.proname
        assert any(setting.startswith("search_path=pg_catalog, public, pg_temp") for setting in row.proconfig or []), (
            row
        )


def test_a_session_without_a_workspace_sees_nothing(session, workspace):
    session.flush()
    workspace_id = workspace.id
    session.info["workspace_id"] = None
    session.execute(text("select set_config('crm.workspace', '', true)"))

    counts = {name: text(f'select count(*) from "{name}"') for name in [*TENANT, "workspace"]}  # noqa: S608 - own names
    seen = {name: session.scalar(count) for name, count in counts.items()}

    assert workspace_id
    assert {name: count for name, count in seen.items() if count} == {}

"""Runs migrations as the owner, then brings policies and grants in line with the metadata."""

from alembic import context
from sqlalchemy import create_engine, pool, text
from sqlalchemy.engine import make_url

from crm import models
from crm.settings import Settings
from crm.tenancy import apply_privileges


def _run() -> None:
    given = context.config.attributes
    settings = Settings.load()
    owner_url = given.get("owner_url") or settings.database_owner_url
    role = given.get("app_role") or make_url(settings.database_url).username or "crm_app"
    engine = create_engine(owner_url, poolclass=pool.NullPool)
    with engine.connect() as connection, connection.begin():
        context.configure(
            connection=connection,
            target_metadata=models.metadata,
            compare_type=True,
            include_object=given.get("include_object"),
        )
        # Two machines that upgrade at once take turns; the second finds nothing to do.
        connection.execute(text("select pg_advisory_xact_lock(4077001)"))
        context.run_migrations()
        apply_privileges(connection, role=role)
    engine.dispose()


_run()

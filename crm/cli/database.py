"""`crm db`: migrations up and down."""

import click
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine

from crm.app import folder
from crm.cli.servers import available
from crm.settings import Settings


def alembic_config(settings: Settings) -> Config:
    """Alembic's configuration for these settings, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(folder("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["owner_url"] = settings.database_owner_url
    return config


def revisions(settings: Settings) -> tuple[str | None, str | None]:
    """(what the database has, what this release wants); asks as the owner where that is possible."""
    wanted = ScriptDirectory.from_config(alembic_config(settings)).get_current_head()
    engine = create_engine(settings.database_owner_url or settings.database_url, poolclass=NullPool)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return found, wanted


def ready_for_migrations(settings: Settings) -> Settings:
    """The same settings when they name the owner; else prints what is missing and exits with 1."""
    if not settings.database_owner_url:
        raise click.ClickException(
            "DATABASE_OWNER_URL is not set: migrations run as the owner of the tables, the application as another role."
        )
    return settings


@click.group()
def db() -> None:
    """Upgrade or downgrade the database."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the tables to REVISION (default: what this release wants)."""
    with available(Settings.load(), command="crm db upgrade") as settings:
        command.upgrade(alembic_config(ready_for_migrations(settings)), revision)


# "-1" is a number of steps, not an option.
@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the tables back to REVISION, `-1` for one step; data that the former tables can't hold is lost."""
    with available(Settings.load(), command="crm db downgrade") as settings:
        command.downgrade(alembic_config(ready_for_migrations(settings)), revision)


@db.command()
def current() -> None:
    """Print the database's revision and the one this release wants."""
    with available(Settings.load(), command="crm db current") as settings:
        found, wanted = revisions(settings)
        click.echo(f"database {found or 'empty'}, release {wanted or 'none'}")

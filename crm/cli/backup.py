"""`crm backup` and `crm restore`."""

import zipfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
import psycopg
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from crm.cli import archive, forgotten, servers
from crm.cli.database import alembic_config, ready_for_migrations, revisions
from crm.embedded import EmbeddedError, HomeLock
from crm.embedded.home import make_home
from crm.lifecycle.erasure import listing
from crm.settings import Settings


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--without-keys", is_flag=True, help="Leave the key files out; keep them elsewhere, or secrets are lost.")
def backup(path: Path | None, *, without_keys: bool) -> None:
    """Write tables, files and keys into the archive PATH; the installation may be running.

    The archive holds personal data and, unless --without-keys is given, what is needed to read channel credentials.
    """
    target = path or Path(f"filodiretto-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip")
    with servers.available(Settings.load(), command="crm backup") as settings:
        try:
            manifest = archive.write(
                target,
                owner_url=ready_for_migrations(settings).database_owner_url,
                home=settings.home,
                with_keys=not without_keys,
            )
        except (archive.ArchiveError, OSError, psycopg.Error) as error:
            raise click.ClickException(f"No archive was written: {error}") from error
    click.echo(
        f"{target}: {manifest.rows} rows of {len(manifest.tables)} tables, {len(manifest.files)} files,"
        f" {target.stat().st_size} bytes"
    )


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--replace", is_flag=True, help="Also when there are workspaces here: they are lost.")
@click.option(
    "--erasures",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help=f"A later {listing.NAME}, when this home doesn't have it: whom to erase again.",
)
def restore(path: Path, *, replace: bool, erasures: Path | None) -> None:
    """Read the archive PATH into this installation, which must be stopped and empty.

    Sending is paused in every workspace afterwards: check what was sent since the archive was made before resuming it.
    """
    settings = Settings.load()
    with ExitStack() as stack:
        try:
            stack.enter_context(HomeLock(make_home(settings.home), command="crm restore"))
            postgres, _valkey = servers.embedded(settings)
            servers.start(stack, postgres, None)
            settings = servers.with_addresses(settings, postgres, None)
            opened = stack.enter_context(zipfile.ZipFile(path))
            manifest = archive.check(opened)
            again = _read(opened, manifest, ready_for_migrations(settings), replace=replace, erasures=erasures)
        except zipfile.BadZipFile as error:
            raise click.ClickException(f"{path} isn't a complete archive; nothing was restored.") from error
        except (archive.ArchiveError, EmbeddedError, OSError, psycopg.Error) as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"Restored {manifest.rows} rows of {len(manifest.tables)} tables and {len(manifest.files)} files.")
    if again:
        click.echo(f"{again} people who were erased since the archive was made are erased again.")
    click.echo("Sending is paused in every workspace; resume it in Settings.")


def _read(
    opened: zipfile.ZipFile, manifest: archive.Manifest, settings: Settings, *, replace: bool, erasures: Path | None
) -> int:
    """Tables at the archive's revision, then the rows in one transaction, the files, and the newest revision.

    Whoever was erased since is erased again; returns how many.
    """
    configuration = alembic_config(settings)
    try:
        ScriptDirectory.from_config(configuration).get_revision(manifest.revision)
    except CommandError as error:
        raise archive.ArchiveError(
            f"The archive has revision {manifest.revision}, which this release doesn't know: use the release that"
            f" made it ({manifest.product}) or a later one."
        ) from error
    found, _wanted = revisions(settings)
    if found is not None and not replace:
        with archive.owner_connection(settings.database_owner_url) as connection:
            if used := archive.used_tables(connection):
                raise archive.ArchiveError(
                    f"This installation isn't empty ({', '.join(used)}). Choose another home or database, or --replace."
                )
    erased = forgotten.known(settings, extra=erasures)
    # One of the two finds nothing to do, or both.
    command.upgrade(configuration, manifest.revision)
    command.downgrade(configuration, manifest.revision)
    with archive.owner_connection(settings.database_owner_url) as connection:
        archive.read_tables(opened, manifest, connection)
    archive.read_files(opened, manifest, settings.home)
    # The archive's own list took the place of a later one.
    listing.append(settings.home, erased)
    command.upgrade(configuration, "head")
    with archive.owner_connection(settings.database_owner_url) as connection:
        connection.execute("ANALYZE")
    return forgotten.erase_again(settings, listing.read(settings.home / listing.NAME))

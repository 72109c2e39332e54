"""`crm import`, `crm copy` and `crm erase`: load people from a file, copy what is known of one, erase one."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

import click

from crm import wiring
from crm.accounts import queries as accounts
from crm.accounts.rules import system_actor
from crm.cli.servers import available
from crm.consent.kinds import Basis
from crm.contacts.kinds import Lifecycle
from crm.db import Database, database_now
from crm.errors import AppError, InvalidInputError, NotFoundError
from crm.lifecycle import access_copy, queries, runner, services, words
from crm.lifecycle.erasure.sweep import sweep
from crm.lifecycle.kinds import ImportMode, MatchKey
from crm.lifecycle.models import Import
from crm.lifecycle.refused import as_csv
from crm.lifecycle.services import erasing
from crm.settings import Settings

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the options say about an import; None takes what the file or an earlier import suggests."""

    source: str | None
    basis: Basis
    mode: ImportMode
    tag: str
    match: MatchKey
    mapping: dict[str, str] | None


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--workspace", required=True, help="Name, slug or id.")
@click.option("--source", help="Where these people come from [default: the name of the file].")
@click.option("--basis", type=click.Choice([basis.value for basis in Basis]), default=Basis.UNKNOWN.value,
              show_default=True, help="Why they may be written to.")  # fmt: skip
@click.option("--mode", type=click.Choice([mode.value for mode in ImportMode]), default=ImportMode.UPSERT.value,
              show_default=True, help="Add new people, update those we know, or both.")  # fmt: skip
@click.option("--match", type=click.Choice([key.value for key in MatchKey]), default=MatchKey.ANY.value,
              show_default=True, help="By what known people are recognised.")  # fmt: skip
@click.option("--tag", default="", help="A tag for everybody in the file.")
@click.option("--mapping", metavar="JSON", help='What columns mean: {"Column": "email"} [default: guessed].')
@click.option("--refused", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the refused rows.")
def import_file(
    *,
    file: Path,
    workspace: str,
    source: str | None,
    basis: str,
    mode: str,
    match: str,
    tag: str,
    mapping: str | None,
    refused: Path | None,
) -> None:
    """Import people from FILE; exit with 1 when rows were refused or nothing could be loaded.

    FILE is a table (CSV, XLSX), contact cards (vCard) or a list of Instagram followers (JSON).
    """
    wishes = Wishes(
        source=source,
        basis=Basis(basis),
        mode=ImportMode(mode),
        tag=tag,
        match=MatchKey(match),
        mapping=_mapping(mapping) if mapping else None,
    )
    with available(Settings.load(), command="crm import") as settings:
        database = Database(settings.database_url, handlers=wiring.handlers(), size=1)
        try:
            workspace_id = _workspace(database, workspace)
            begun = begin(database, settings, workspace_id=workspace_id, file=file, wishes=wishes)
            ended = load(database, settings, begun=begun, tell=click.echo)
            _report(database, ended, refused)
        except AppError as error:
            raise click.ClickException(_sentence(error)) from error
        finally:
            database.dispose()
    if ended.refused:
        sys.exit(1)


def begin(database: Database, settings: Settings, *, workspace_id: UUID, file: Path, wishes: Wishes) -> Import:
    """Take the file, settle what its columns mean and queue it, all or nothing; raises the errors of the services."""
    folder, actor = settings.home / "files", system_actor(workspace_id)
    with database.scope(workspace_id) as session, file.open("rb") as stream:
        now = database_now(session)
        limit = settings.max_upload_mb * MEGABYTE
        row = services.upload(session, actor, folder=folder, name=file.name, stream=stream, limit=limit, now=now)
        choices = services.Choices(
            mapping=row.mapping if wishes.mapping is None else wishes.mapping,
            mode=wishes.mode,
            basis=wishes.basis,
            source=file.name if wishes.source is None else wishes.source,
            tag=wishes.tag,
            match=wishes.match,
            month_first=row.month_first,
            new_lifecycle=Lifecycle(row.new_lifecycle) if row.new_lifecycle else None,
        )
        services.configure(session, actor, import_id=row.id, choices=choices, now=now)
        return services.start(session, actor, import_id=row.id, folder=folder, now=now)


def load(database: Database, settings: Settings, *, begun: Import, tell: Callable[[str], None]) -> Import:
    """Load all rows as a worker would, and tell the count after each part; a crash is marked on the import."""
    ids = {"workspace_id": begun.workspace_id, "import_id": begun.id}
    with database.scope(begun.workspace_id) as session:
        work = queries.view(session, system_actor(begun.workspace_id), import_id=begun.id).progress
    total = work.total if work else None
    try:
        runner.run(
            database,
            folder=settings.home / "files",
            on_part=lambda done: tell(f"{done} of {total} rows"),
            **ids,
        )
    except Exception as error:
        runner.fail(database, error=error, **ids)
        raise
    with database.scope(begun.workspace_id) as session:
        return queries.get(session, system_actor(begun.workspace_id), import_id=begun.id)


def _report(database: Database, row: Import, target: Path | None) -> None:
    with database.scope(row.workspace_id) as session:
        rows = queries.refused(session, system_actor(row.workspace_id), import_id=row.id)
    for entry in rows:
        where = f"row {entry.row}, {entry.column}" if entry.column else f"row {entry.row}"
        click.echo(f"{where}: {words.reason(entry.code, entry.told)}", err=True)
    if target is not None:
        target.write_bytes(as_csv(row, rows))
    click.echo(f"{row.created} new, {row.updated} updated, {row.unchanged} already so, {row.refused} refused")


def _mapping(text: str) -> dict[str, str]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON: {error}", param_hint="--mapping") from error
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise click.BadParameter('write {"Column": "meaning", ...}', param_hint="--mapping")
    return given


def _workspace(database: Database, name: str) -> UUID:
    with database.scope() as session:
        found = accounts.workspace_called(session, name=name)
    if found is None:
        raise NotFoundError(f"there is no workspace '{name}'")
    return found


def _sentence(error: AppError) -> str:
    parts = [error.message or ("" if isinstance(error, InvalidInputError) and error.fields else error.code)]
    parts += [f"{name}: {message}" for name, message in error.fields.items()]
    return "\n".join(part for part in parts if part)


@click.command("erase")
@click.argument("contact_id", type=click.UUID)
@click.option("--workspace", required=True, help="Name, slug or id.")
@click.option("--name", help="The person's name, as a guard against mistakes [default: asked for].")
def erase(*, contact_id: UUID, workspace: str, name: str | None) -> None:
    """Erase the person CONTACT_ID everywhere; this can't be undone."""
    with available(Settings.load(), command="crm erase") as settings:
        database = Database(settings.database_url, handlers=wiring.handlers(), size=1)
        try:
            workspace_id = _workspace(database, workspace)
            typed = click.prompt("Type the person's name to erase them for good") if name is None else name
            with database.scope(workspace_id) as session:
                now, actor = database_now(session), system_actor(workspace_id)
                row = erasing.erase(session, actor, contact_id=contact_id, confirm=typed, now=now)
            is_done = sweep(database, workspace_id=workspace_id, erasure_id=row.id, home=settings.home)
        except AppError as error:
            raise click.ClickException(_sentence(error)) from error
        finally:
            database.dispose()
    click.echo(f"Erased: {sum(row.counts.values())} entries in {len(row.counts)} tables.")
    if not is_done:
        click.echo("A file that an import still reads names the person; the clock looks again.")


@click.command("copy")
@click.argument("contact_id", type=click.UUID)
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--workspace", required=True, help="Name, slug or id.")
def copy(*, contact_id: UUID, target: Path, workspace: str) -> None:
    """Write everything about the person CONTACT_ID into the zip TARGET, for the person."""
    with available(Settings.load(), command="crm copy") as settings:
        database = Database(settings.database_url, handlers=wiring.handlers(), size=1)
        try:
            workspace_id = _workspace(database, workspace)
            with database.scope(workspace_id) as session, _private(target) as file:
                access_copy.write(
                    session,
                    system_actor(workspace_id),
                    contact_id=contact_id,
                    target=file,
                    folder=settings.home / "files",
                    locale="en",
                    now=database_now(session),
                )
        except AppError as error:
            raise click.ClickException(_sentence(error)) from error
        finally:
            database.dispose()
    click.echo(f"{target}: {target.stat().st_size} bytes")


@contextmanager
def _private(target: Path) -> Iterator[IO[bytes]]:
    """A new file for nobody else to read; gone again when it could not be finished."""
    try:
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{target}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        target.unlink(missing_ok=True)
        raise

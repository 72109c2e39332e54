"""`crm user` and `crm token`: people and tokens from the command line."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import click
from sqlalchemy.orm import Session

from crm import wiring
from crm.accounts import queries
from crm.accounts.credentials import NewPassword, Passwords
from crm.accounts.kinds import Permission, Role
from crm.accounts.rules import system_actor
from crm.accounts.services import memberships, reset, tokens, users, workspaces
from crm.cli.servers import available
from crm.db import Database, database_now, enter_workspace
from crm.errors import AppError, NotFoundError
from crm.settings import Settings

ROLES = click.Choice([role.value for role in Role])


@click.group()
def user() -> None:
    """Add people who sign in, and let them in again."""


@click.group()
def token() -> None:
    """Make API tokens."""


@user.command()
@click.option("--email", required=True, help="The address they sign in with.")
@click.option("--name", required=True, help="Their name.")
@click.option("--workspace", required=True, help="Name, slug or id; the first owner's workspace is made when missing.")
@click.option("--role", type=ROLES, default=Role.OWNER.value, show_default=True, help="What they may do there.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@click.option("--time-zone", default="Europe/Rome", show_default=True, help="Of a workspace that is made.")
@click.option("--language", type=click.Choice(users.LOCALES), default="it", show_default=True, help="Of their pages.")
def add(
    *, email: str, name: str, workspace: str, role: str, password_stdin: bool, time_zone: str, language: str
) -> None:
    """Add a person to a workspace; without --password-stdin a password is made and printed."""
    with _session("crm user add") as (settings, session):
        now = database_now(session)
        given, made = _password(settings, (email, name), from_stdin=password_stdin)
        person = reset.user_by_address(session, email=email)
        is_new = person is None
        if person is None:
            person = users.create(session, email=email, name=name, password=given, locale=language)
        found = queries.workspace_called(session, name=workspace)
        if found is not None:
            enter_workspace(session, found)
            memberships.add(session, user=person, role=Role(role), now=now)
            person.last_workspace_id = found
        elif Role(role) is Role.OWNER:
            workspaces.create(session, owner=person, name=workspace, locale=language, time_zone=time_zone, now=now)
        else:
            raise NotFoundError(f"there is no workspace '{workspace}'; only an owner can begin a new one")
    click.echo(f"{email} is {role} in {workspace}")
    if not is_new:
        click.echo("The person was here already; the password is unchanged.")
    elif made:
        click.echo(f"Password: {made}")


@user.command("reset-link")
@click.argument("email")
def reset_link(email: str) -> None:
    """Print a link by which EMAIL sets a new password; it works once, for ten minutes."""
    with _session("crm user reset-link") as (settings, session):
        person = reset.user_by_address(session, email=email)
        if person is None:
            raise NotFoundError(f"there is no active user {email}")
        link = reset.reset_link(session, user=person, public_url=settings.public_url, now=database_now(session))
    click.echo(link)


@token.command()
@click.option("--workspace", required=True, help="Name, slug or id.")
@click.option("--role", type=ROLES, required=True, help="What the token may do at most.")
@click.option("--name", default="command line", show_default=True, help="How it is listed among the tokens.")
@click.option("--days", type=click.IntRange(1, 366), help="Ends after so many days [default: never].")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([right.value for right in Permission]),
    help="A right to narrow it to; may be given again [default: all of its role].",
)
def create(*, workspace: str, role: str, name: str, days: int | None, scopes: tuple[str, ...]) -> None:
    """Make an API token and print it, alone on the last line; it is shown this once."""
    with _session("crm token create") as (_settings, session):
        workspace_id = _workspace(session, workspace)
        enter_workspace(session, workspace_id)
        made, secret = tokens.create(
            session,
            system_actor(workspace_id),
            name=name,
            role=Role(role),
            scopes=[Permission(scope) for scope in scopes] or None,
            lives=timedelta(days=days) if days else None,
            now=database_now(session),
        )
    click.echo(f"Token '{made.name}' with role {role} in {workspace}:")
    click.echo(secret)


@contextmanager
def _session(command: str) -> Iterator[tuple[Settings, Session]]:
    """Settings and one transaction; a refusal becomes a line on standard error and exit code 1."""
    with available(Settings.load(), command=command) as settings:
        database = Database(settings.database_url, handlers=wiring.handlers(), pooled=False)
        try:
            with database.scope() as session:
                yield settings, session
        except AppError as error:
            raise click.ClickException(error.message or error.code) from error
        finally:
            database.dispose()


def _workspace(session: Session, name: str) -> UUID:
    found = queries.workspace_called(session, name=name)
    if found is None:
        raise NotFoundError(f"there is no workspace '{name}'")
    return found


def _password(settings: Settings, about: tuple[str, ...], *, from_stdin: bool) -> tuple[NewPassword, str | None]:
    """(the hashed password, the plain one when it was made here)."""
    made = None if from_stdin else secrets.token_urlsafe(12)
    plain = sys.stdin.readline().rstrip("\n") if made is None else made
    return Passwords(settings.password_hash_cost).new(plain, about=about), made

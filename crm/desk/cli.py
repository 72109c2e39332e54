"""Commands that fill a workspace: `crm demo` with a story, `crm seed` for measuring."""

import json
import secrets
import time

import click
from sqlalchemy import select

from crm.accounts.credentials import Passwords
from crm.accounts.kinds import Role
from crm.accounts.models import Membership, User, Workspace
from crm.cli.servers import available
from crm.db import Database, database_now, enter_workspace, new_id
from crm.desk import demo as building
from crm.desk import seed as seeding
from crm.settings import Settings
from crm.wiring import handlers

#: Easy to type, on a machine that is nobody else's: the demo is for looking around.
WORDS = (
    "lanterna", "ceramica", "vetro", "cantina", "foglio", "porto", "collina", "mulino", "sentiero", "bottega", "stella",
    "carta", "filo", "inchiostro", "campana", "ulivo", "grano", "barca", "tetto", "piazza", "ponte", "fiume", "neve",
    "sale", "lana", "bosco", "torre", "fontana", "nuvola", "pietra", "sabbia", "giardino",
)  # fmt: skip


@click.command()
def demo() -> None:
    """Build the demo workspace when it is not there yet, and print its sign-in on the last line."""
    settings = Settings.load()
    database = Database(settings.database_url, handlers=handlers(), pooled=False)
    kept = settings.home / "demo.json"
    with database.scope() as session:
        if not building.exists(session):
            password = "-".join(secrets.choice(WORDS) for _ in range(4))
            hashed = Passwords(settings.password_hash_cost).new(password)
            building.build(session, password=hashed, now=database_now(session))
            kept.write_text(json.dumps({"email": building.OWNER_ADDRESS, "password": password}))
            kept.chmod(0o600)
    if kept.exists():
        sign_in = json.loads(kept.read_text())
        click.echo(f"{sign_in['email']}  {sign_in['password']}")
    else:
        click.echo(f"{building.OWNER_ADDRESS}  (set a new password with: crm user reset-link)")


@click.command()
@click.option("--contacts", default=10_000, show_default=True, type=click.IntRange(1), help="How many people.")
@click.option(
    "--interactions", default=100_000, show_default=True, type=click.IntRange(0), help="How many entries they share."
)
@click.option("--seed", "number", default=1, show_default=True, help="The same number gives the same data.")
@click.option("--workspace", "slug", default="seed", show_default=True, help="Short name of the new workspace.")
@click.option("--user", "email", default="", help="Address of a user who becomes its owner.")
def seed(contacts: int, interactions: int, number: int, slug: str, email: str) -> None:
    """Fill a new workspace with generated people and history."""
    size = seeding.Size(contacts, interactions)
    with available(Settings.load(), command="crm seed") as settings:
        # The owner may load a database of nobody's much faster; where it is not known, the application's role does it.
        address = settings.database_owner_url or settings.database_url
        database = Database(address, handlers=handlers(), pooled=False)
        _fill(database, size=size, number=number, slug=slug, email=email)
        database.dispose()


def _fill(database: Database, *, size: seeding.Size, number: int, slug: str, email: str) -> None:
    workspace_id, started = new_id(), time.monotonic()
    with database.scope(workspace_id) as session:
        now = database_now(session)
        owner = session.scalars(select(User).where(User.email_norm == email.lower())).one_or_none() if email else None
        if email and owner is None:
            raise click.ClickException(f"there is no user {email}")
        session.add(Workspace(id=workspace_id, name=f"Seed {size.contacts}", slug=slug, locale="it", set_up_at=now))
        session.flush()
        if owner is not None:
            session.add(Membership(user_id=owner.id, role=Role.OWNER))
            session.flush()
        enter_workspace(session, workspace_id)
        seeding.fill(
            session,
            workspace_id=workspace_id,
            owner_id=owner.id if owner else None,
            size=size,
            seed=number,
            now=now,
            tell=lambda line: click.echo(f"{time.monotonic() - started:7.1f} s  {line}"),
        )
    click.echo(f"{time.monotonic() - started:7.1f} s  done: workspace {slug} ({workspace_id})")

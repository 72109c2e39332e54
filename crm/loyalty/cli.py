"""`crm ledger`: prove the points ledger, and rebuild what is cached of it."""

import dataclasses
import json
import sys
from uuid import UUID

import click
from sqlalchemy import select, text

from crm import wiring
from crm.accounts import queries as accounts
from crm.accounts.rules import system_actor
from crm.cli.servers import available
from crm.db import Database, database_now
from crm.loyalty import queries, services
from crm.loyalty.models import Member
from crm.loyalty.queries import Proof
from crm.settings import Settings

MEMBERS_AT_ONCE = 100


@click.group()
def ledger() -> None:
    """Check the points ledger."""


@ledger.command()
@click.option("--workspace", help="Name, slug or id [default: all].")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def verify(*, workspace: str | None, as_json: bool) -> None:
    """Prove that every balance is the sum of its postings and of its lots; exit with 1 when something disagrees."""
    with available(Settings.load(), command="crm ledger verify") as settings:
        database = Database(settings.database_url, handlers=wiring.handlers(), pooled=False)
        proofs = {workspace_id: prove(database, workspace_id) for workspace_id in wanted(database, workspace)}
        database.dispose()
    findings = [(where, finding) for where, proof in proofs.items() for finding in proof.discrepancies]
    totals = {name: sum(getattr(proof, name) for proof in proofs.values()) for name in ("members", "entries", "lots")}
    if as_json:
        lines = [{"workspace_id": str(where), **dataclasses.asdict(finding)} for where, finding in findings]
        click.echo(json.dumps({**totals, "workspaces": len(proofs), "discrepancies": lines}, default=str))
    else:
        for where, finding in findings:
            click.echo(
                f"{finding.law.value}: {finding.id} says {finding.stated}, its rows say {finding.proven}"
                f" (workspace {where})"
            )
        click.echo(
            f"{totals['members']} members, {totals['entries']} entries and {totals['lots']} lots in"
            f" {len(proofs)} workspaces: {'everything agrees' if not findings else f'{len(findings)} disagree'}"
        )
    if findings:
        sys.exit(1)


@ledger.command()
@click.option("--workspace", help="Name, slug or id [default: all].")
def rebuild(*, workspace: str | None) -> None:
    """Compute balances and lots anew from the entries, and prove the result."""
    with available(Settings.load(), command="crm ledger rebuild") as settings:
        database = Database(settings.database_url, handlers=wiring.handlers(), pooled=False)
        spaces = wanted(database, workspace)
        members = sum(rebuild_workspace(database, workspace_id) for workspace_id in spaces)
        findings = [finding for workspace_id in spaces for finding in prove(database, workspace_id).discrepancies]
        database.dispose()
    click.echo(f"{members} members rebuilt; {'everything agrees' if not findings else f'{len(findings)} disagree'}")
    if findings:
        sys.exit(1)


def wanted(database: Database, workspace: str | None) -> list[UUID]:
    """The workspaces a command is about; exits with a sentence for an unknown one."""
    with database.scope() as session:
        if workspace is None:
            return list(session.execute(text("select workspace_id from public.crm_loyalty_workspaces()")).scalars())
        found = accounts.workspace_called(session, name=workspace)
    if found is None:
        raise click.ClickException(f"There is no workspace '{workspace}'.")
    return [found]


def prove(database: Database, workspace_id: UUID) -> Proof:
    """The proof of one workspace's ledger."""
    with database.scope(workspace_id) as session:
        # All sums of one moment, because writers go on meanwhile; only possible before the first statement.
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        return queries.verify(session, system_actor(workspace_id))


def rebuild_workspace(database: Database, workspace_id: UUID) -> int:
    """Rebuild every member of a workspace, some at a time; returns how many."""
    with database.scope(workspace_id) as session:
        members = list(session.scalars(select(Member.id).order_by(Member.id)))
    for start in range(0, len(members), MEMBERS_AT_ONCE):
        with database.scope(workspace_id) as session:
            now = database_now(session)
            for member_id in members[start : start + MEMBERS_AT_ONCE]:
                services.rebuild(session, system_actor(workspace_id), member_id=member_id, now=now)
    return len(members)

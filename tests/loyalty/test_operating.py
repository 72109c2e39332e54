"""The sweep and the command that proves the ledger, on a committed database."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from conftest import make_house
from factories.contacts import contact
from factories.loyalty import earn, member, offer, voucher
from sqlalchemy import select, text

from crm import wiring
from crm.db import Database
from crm.loyalty import queries, runner
from crm.loyalty.cli import ledger
from crm.loyalty.kinds import VoucherState
from crm.loyalty.models import LedgerTransaction, Voucher

LONG_AGO = datetime(2025, 1, 15, 10, 0, tzinfo=UTC)


@pytest.fixture
def place(fresh_database, monkeypatch, tmp_path):
    """A workspace in which points and an offer ended long ago: (database, its actor, the member's id)."""
    with fresh_database.database.scope() as session:
        actor = make_house(session, name="Lanterna Dati").actor
        holder = member(session, actor, now=LONG_AGO)
        earn(session, actor, holder.id, 30, now=LONG_AGO, validity_months=1)
        earn(session, actor, holder.id, 12, now=LONG_AGO)
        ended = offer(session, actor, ends_on=LONG_AGO.date(), now=LONG_AGO)
        voucher(session, actor, offer_id=ended.id, contact_id=contact(session, actor).id, now=LONG_AGO)
    monkeypatch.setenv("DATABASE_URL", fresh_database.url)
    monkeypatch.setenv("DATABASE_OWNER_URL", fresh_database.owner_url)
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere/valkey.sock")
    monkeypatch.setenv("CRM_HOME", str(tmp_path / "home"))
    return fresh_database, actor, holder.id


def due(database):
    """What the clock asks: the workspaces in which something has expired."""
    with database.scope() as session:
        return list(session.scalars(text("select workspace_id from crm_loyalty_due(now())")))


def test_the_sweep_finds_the_workspaces_and_writes_off_at_the_true_expiry(place):
    fresh, actor, member_id = place
    assert due(fresh.database) == [actor.workspace_id]
    assert runner.sweep(fresh.database, workspace_id=actor.workspace_id) == 30
    assert due(fresh.database) == []
    assert runner.sweep(fresh.database, workspace_id=actor.workspace_id) == 0
    with fresh.database.scope(actor.workspace_id) as session:
        entry = session.scalars(select(LedgerTransaction).where(LedgerTransaction.kind == "expire")).one()
        assert entry.at == datetime(2025, 2, 15, 23, 0, tzinfo=UTC)
        assert session.scalar(select(Voucher.state)) == VoucherState.EXPIRED
        standing = queries.member_standing(session, actor, member_id=member_id, now=datetime.now(UTC))
        assert standing.balance == 12
        assert queries.verify(session, actor).discrepancies == []


def test_verify_agrees_and_says_how_much_it_looked_at(place):
    answer = CliRunner().invoke(ledger, ["verify"])
    assert answer.exit_code == 0
    assert "1 members, 2 entries and 2 lots in 1 workspaces: everything agrees" in answer.output


def test_verify_fails_for_a_changed_balance_and_rebuild_mends_it(place):
    fresh, actor, member_id = place
    with fresh.database.scope(actor.workspace_id) as session:
        session.execute(text("update member set balance = 7"))
    broken = CliRunner().invoke(ledger, ["verify", "--json", "--workspace", "Lanterna Dati"])
    assert broken.exit_code == 1
    found = json.loads(broken.output)["discrepancies"]
    assert {(line["law"], line["stated"], line["proven"], line["id"]) for line in found} == {
        ("balance_is_postings", 7, 42, str(member_id)),
        ("balance_is_lots", 7, 42, str(member_id)),
    }
    mended = CliRunner().invoke(ledger, ["rebuild"])
    assert (mended.exit_code, "1 members rebuilt; everything agrees" in mended.output) == (0, True)
    assert CliRunner().invoke(ledger, ["verify"]).exit_code == 0


def test_an_unknown_workspace_is_a_sentence(place):
    answer = CliRunner().invoke(ledger, ["verify", "--workspace", "Nobody"])
    assert answer.exit_code == 1
    assert "There is no workspace 'Nobody'." in answer.output


def test_the_worker_s_job_sweeps(place):
    from types import SimpleNamespace

    from workers.loyalty import sweep

    fresh, actor, _member_id = place
    database = Database(fresh.url, handlers=wiring.handlers(), pooled=False)
    sweep(SimpleNamespace(database=database), workspace_id=str(actor.workspace_id))
    assert due(database) == []

"""Redemptions of one hot offer, one a transaction, beside pgbench with the statements that can't be left out."""

import multiprocessing
import re
import subprocess
import tempfile
import time
from pathlib import Path

import click

from benchmarks.stand import Stand, alternating, table
from crm import wiring
from crm.accounts.rules import Actor
from crm.contacts.models import Contact
from crm.db import Database, database_now, new_id
from crm.embedded.binaries import find_postgres
from crm.loyalty import services
from crm.loyalty.kinds import OfferKind
from crm.loyalty.queries import default_program
from crm.loyalty.services import OfferInput, ProgramInput

EACH, PROCESSES, ROUNDS = 500, 2, 3
PROGRAM = {"name": "Club", "time_zone": "Europe/Rome"}

#: What any program must do: find the code, lock offer and code, see that nobody used it, write the redemption and the
#: timeline, count. The same tables, keys, references and row-level security.
SCRIPT = """
\\set n random(1, {codes})
begin;
select set_config('crm.workspace', '{workspace}', true);
select id as code_id, offer_id from voucher where code = (select code from bare_code where n = :n) \\gset
select state from offer where id = :offer_id::uuid for update;
select state from voucher where id = :code_id::uuid for update;
select count(*) from redemption where voucher_id = :code_id::uuid and undone_at is null;
insert into redemption (id, workspace_id, voucher_id, offer_id, contact_id, idempotency_key, request_hash, at,
                        undone_at)
  select gen_random_uuid(), '{workspace}', id, offer_id, contact_id, gen_random_uuid(), '', now(), now()
  from voucher where id = :code_id::uuid;
update voucher set redeemed_at = now() where id = :code_id::uuid;
update offer set redeemed = redeemed where id = :offer_id::uuid;
insert into interaction (id, workspace_id, contact_id, kind, happened_at)
  select gen_random_uuid(), '{workspace}', contact_id, 'offer.redeemed', now() from voucher where id = :code_id::uuid;
commit;
"""


def measure(stand: Stand) -> None:
    actor = stand.empty("till")
    rounds = [(_codes(stand, actor), f"round-{number}") for number in range(ROUNDS)]
    pending = iter(rounds)
    spare = _codes(stand, actor)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "redeem.sql"
        _note(stand, actor, spare, script)
        taken = alternating(
            ROUNDS, ours=lambda: _redeem(stand, actor, *next(pending)), bare=lambda: _bench(stand, script)
        )
    number = EACH * PROCESSES
    table(
        [f"redemptions, {PROCESSES} processes, one offer", "a second", "ratio"],
        [
            ("pgbench, the same statements", f"{taken['bare']:,.0f}", "1"),
            ("through the till's use case", f"{taken['ours']:,.0f}", f"{taken['ours'] / taken['bare']:.2f}"),
        ],
    )
    print(f"\n{number} codes in each of {ROUNDS} alternating runs; none was redeemed twice.")


def _codes(stand: Stand, actor: Actor) -> list[str]:
    """Active codes of a new offer, one for each of as many new people."""
    with stand.database.scope(actor.workspace_id) as session:
        now = database_now(session)
        people = [Contact(id=new_id(), display_name=f"P{n}", sort_name=f"{n:05}") for n in range(EACH * PROCESSES)]
        session.add_all(people)
        session.flush()
        if default_program(session, actor) is None:
            services.create_program(session, actor, data=ProgramInput.model_validate(PROGRAM), now=now)
        data = OfferInput.model_validate({"name": "20 %", "kind": OfferKind.PERCENT, "percent": 20})
        offer = services.create_offer(session, actor, data=data, now=now)
        made = services.allocate_vouchers(
            session, actor, offer_id=offer.id, contact_ids=[one.id for one in people], source_kind="bench",
            source_id=None, now=now,
        )  # fmt: skip
        services.activate_vouchers(session, voucher_ids=[voucher.id for voucher in made.values()], now=now)
        return [voucher.code for voucher in made.values()]


def _redeem(stand: Stand, actor: Actor, codes: list[str], run: str) -> float:
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        shares = [(stand.url, actor, codes[start::PROCESSES], run) for start in range(PROCESSES)]
        # Every process is connected and warm before the clock starts.
        pool.starmap(_share, [(stand.url, actor, [], run)] * PROCESSES, chunksize=1)
        slowest = max(pool.starmap(_share, shares, chunksize=1))
    return len(codes) / slowest


def _share(url: str, actor: Actor, codes: list[str], run: str) -> float:
    database = Database(url, handlers=wiring.handlers())
    with database.scope(actor.workspace_id) as session:
        database_now(session)
    started = time.monotonic()
    for code in codes:
        with database.scope(actor.workspace_id) as session:
            now = database_now(session)
            services.redeem(session, actor, code=code, idempotency_key=f"{run}-{code}", now=now)
    seconds = time.monotonic() - started
    database.dispose()
    return seconds


def _note(stand: Stand, actor: Actor, codes: list[str], script: Path) -> None:
    with stand.owner() as connection:
        connection.execute("create table if not exists bare_code (n int primary key, code text)")
        connection.execute("truncate bare_code")
        connection.cursor().executemany("insert into bare_code values (%s, %s)", list(enumerate(codes, start=1)))
        connection.execute("grant select on bare_code to crm_app")
    script.write_text(SCRIPT.format(codes=len(codes), workspace=actor.workspace_id))


def _bench(stand: Stand, script: Path) -> float:
    binary = find_postgres() / "pgbench"
    if not binary.exists():
        raise click.ClickException("pgbench is not among the PostgreSQL binaries")
    options = ["-n", "-M", "prepared", "-c", str(PROCESSES), "-j", "1", "-t", str(EACH), "-f", str(script)]
    command = [str(binary), *options, "-h", str(stand.server.sockets), "-U", "crm_app", "crm"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found.group(1))

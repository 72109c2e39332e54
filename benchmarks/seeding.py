"""How long `crm seed` takes for the wanted size, and which share of it the bare copy of the largest table is."""

import time

from benchmarks.stand import Stand, table


def measure(stand: Stand) -> None:
    actor = stand.seeded()
    with stand.owner() as connection:
        connection.execute("select set_config('crm.workspace', %s, false)", [str(actor.workspace_id)])
        started = time.monotonic()
        with connection.transaction():
            # The same rows with the same keys, references and indexes unchecked: what the storage alone costs.
            connection.execute("create temporary table bare (like interaction) on commit drop")
            connection.execute("insert into bare select * from interaction")
        bare = time.monotonic() - started
    rows = [(stand.contacts, stand.interactions, _seconds(stand.seed_seconds), _seconds(bare))]
    table(["contacts", "interactions", "crm seed", "bare copy of the interactions, no index, no reference"], rows)


def _seconds(value: float | None) -> str:
    return "was there already" if value is None else f"{value:.1f} s"

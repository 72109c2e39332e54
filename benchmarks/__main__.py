"""Runs the named benchmarks (all, without a name) on one embedded PostgreSQL and prints their results as tables."""

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks import bringing, codes, dealing, merging, pages, reading, receiving, rules, seeding, sending
from benchmarks.stand import Stand, machine, stand

BENCHMARKS: dict[str, Callable[[Stand], None]] = {
    "seed": seeding.measure,
    "pages": pages.measure,
    "rules": rules.measure,
    "import": bringing.measure,
    "merge": merging.measure,
    "deals": dealing.measure,
    "mailbox": reading.measure,
    "redemptions": codes.measure,
    "inbound": receiving.measure,
    "outreach": sending.measure,
    "outreach-growth": sending.measure_growth,
    "outreach-latency": sending.measure_latency,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Keep the data there [default: gone].")
@click.option("--contacts", default=100_000, show_default=True, type=click.IntRange(100))
@click.option("--interactions", default=1_000_000, show_default=True, type=click.IntRange(1000))
def main(names: tuple[str, ...], home: Path | None, contacts: int, interactions: int) -> None:
    """Measure the claims of docs/benchmarks.md."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}")
    with tempfile.TemporaryDirectory(prefix="crm-bench-", ignore_cleanup_errors=True) as scratch:
        folder = home or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        with stand(folder, contacts=contacts, interactions=interactions) as place:
            for name in names or BENCHMARKS:
                before = os.getloadavg()[0]
                print(f"\n## {name} (load before: {before:.1f})\n", flush=True)
                BENCHMARKS[name](place)


if __name__ == "__main__":
    main()

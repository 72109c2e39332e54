"""`crm chaos`: the promise that messages leave once, put to the test with killed processes and misbehaving servers."""

import os
import sys
import tempfile
import time

import click

from crm.settings import Settings, current


@click.command()
@click.option("--runs", type=click.IntRange(1), default=20, show_default=True, help="How many runs.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The first run's seed.")
@click.option("--lanes", type=click.IntRange(1, 16), default=2, show_default=True, help="Runs beside each other.")
@click.option("--only", multiple=True, help="A fault by its name, may be repeated; see --list.")
@click.option("--shipped", is_flag=True, help="Add one kill at the shipped settings; takes three minutes.")
@click.option("--list", "listed", is_flag=True, help="Print the names of all faults.")
def chaos(runs: int, seed: int, lanes: int, only: tuple[str, ...], *, shipped: bool, listed: bool) -> None:
    """Kill, freeze and restart real processes while messages leave, and count.

    Run number k has the seed SEED + k, which decides everything that is chosen in it: `--runs 1 --seed N` repeats one.
    Ends with 1 when a message was lost, left twice, or anything else of the promise didn't hold. Servers and data are
    its own, in a folder that is removed at the end.
    """
    from crm.chaos.faults import CATALOGUE

    if listed:
        click.echo("\n".join(CATALOGUE))
        return
    if not Settings.load().test_switch:
        raise click.ClickException(
            "crm chaos kills processes on purpose: set CRM_TEST_SWITCH=1 if that is what you want."
        )
    if unknown := [name for name in only if name not in CATALOGUE]:
        raise click.ClickException(f"No such fault: {', '.join(unknown)}. crm chaos --list shows them.")
    with tempfile.TemporaryDirectory(prefix="crm-chaos-keys-") as home:
        # Keys of its own: neither those of an installation here, nor its settings, take part.
        os.environ["CRM_HOME"] = home
        current.cache_clear()
        for name in ("channel_key", "secret_key"):
            os.environ[f"CRM_{name.upper()}"] = current().secret(name)
        clean = _play(runs, seed, lanes, only, shipped=shipped)
    sys.exit(0 if clean else 1)


def _play(runs: int, seed: int, lanes: int, only: tuple[str, ...], *, shipped: bool) -> bool:
    from crm.chaos.runs import run
    from crm.chaos.table import supports, table

    begun, results = time.monotonic(), []
    for result in run(range(seed, seed + runs), only=only, lanes=lanes, shipped=shipped):
        results.append(result)
        click.echo(f"{len(results):>4} seed {result.seed}: {result.fault}, {result.recovery:.1f} s", err=True)
        for violation in result.violations:
            click.echo(f"     VIOLATION (--seed {result.seed} --only '{result.fault}'): {violation}", err=True)
    bad = [result for result in results if result.violations]
    click.echo(table(results))
    click.echo(f"\n{len(results)} runs in {time.monotonic() - begun:.0f} s, seeds {seed} to {seed + runs - 1}.")
    click.echo(supports(len(results)) if not bad else f"Violated by seeds {', '.join(str(one.seed) for one in bad)}.")
    return not bad

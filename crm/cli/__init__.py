"""The `crm` command: one table of commands, each imported only when it is called."""

import importlib
import os
from pathlib import Path
from typing import Any

import click

# name -> (module:attribute, one line for `crm --help`). The line stands here, because importing a command for its
# help would import the whole application.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("crm.cli.up:up", "Start everything on this machine and keep it running."),
    "web": ("crm.cli.processes:web", "Run one web process."),
    "worker": ("crm.cli.processes:worker", "Run one worker process."),
    "clock": ("crm.cli.processes:clock", "Run the clock that finds due work."),
    "sandbox": ("crm.cli.processes:sandbox", "Run the sandbox mail server."),
    "db": ("crm.cli.database:db", "Upgrade or downgrade the database."),
    "doctor": ("crm.cli.doctor:doctor", "Check servers, role, migrations, clock, workers and DNS."),
    "backup": ("crm.cli.backup:backup", "Write everything into one archive."),
    "restore": ("crm.cli.backup:restore", "Read an archive into an empty installation."),
    "user": ("crm.accounts.cli:user", "Add people who sign in."),
    "token": ("crm.accounts.cli:token", "Make API tokens."),
    "import": ("crm.lifecycle.cli:import_file", "Import people from a file."),
    "copy": ("crm.lifecycle.cli:copy", "Write all that is known of a person into a file."),
    "erase": ("crm.lifecycle.cli:erase", "Erase a person everywhere."),
    "demo": ("crm.desk.cli:demo", "Build the demo workspace."),
    "seed": ("crm.desk.cli:seed", "Fill a workspace with generated data."),
    "chaos": ("crm.chaos.cli:chaos", "Kill real processes while messages leave, and count; needs CRM_TEST_SWITCH."),
    "ledger": ("crm.loyalty.cli:ledger", "Check the points ledger."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is called, so that `crm --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature.
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a setting that can't be used is named instead of shown as a fault of the program."""
        try:
            return super().invoke(ctx)
        except ValueError as error:
            # By its name: importing pydantic for it would make `crm --help` slow.
            if getattr(error, "title", "") != "Settings":
                raise
            raise click.UsageError("\n".join(_refusals(error))) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _refusals(error: Any) -> list[str]:
    """What is wrong with which variable; without its value, which may hold a password."""
    # The other names of the environment are given in capitals by the settings themselves.
    names = [str(each["loc"][0]) for each in error.errors()]
    names = [name if name.isupper() else f"CRM_{name.upper()}" for name in names]
    return [f"{name}: {each['msg']}." for name, each in zip(names, error.errors(), strict=True)]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the embedded servers, keys and files [default: CRM_HOME or instance/].",
)
@click.version_option(package_name="filodiretto")
def main(home: Path | None) -> None:
    """Filodiretto: keep track of the people who matter and write to them one by one."""
    if home is not None:
        # The one way in which all parts, and the processes they start, learn of it.
        os.environ["CRM_HOME"] = str(home.absolute())

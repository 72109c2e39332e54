"""The table of commands: each entry exists, and help is quick because nothing else is imported."""

import socket
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from crm.cli import COMMANDS, main


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_has_help(name: str):
    command = main.get_command(click.Context(main), name)
    assert isinstance(command, click.Command)
    assert command.name
    assert command.help


def commands(command: click.Command, path: str):
    """Every command below, with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from commands(below, f"{path} {name}")


def test_every_command_and_every_option_says_what_it_is_for():
    silent = [path for path, command in commands(main, "crm") if not command.help]
    silent += [
        f"{path} {option.opts[0]}"
        for path, command in commands(main, "crm")
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


def test_help_imports_no_application():
    source = "import sys; from crm.cli import main; main(['--help'], standalone_mode=False);"
    done = subprocess.run(
        [sys.executable, "-c", source + "print([m for m in ('flask', 'sqlalchemy', 'rq') if m in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_an_unknown_command_is_an_error(crm):
    result = crm("nonsense")
    assert result.exit_code == 2
    assert "No such command" in result.output


def test_migrations_need_the_owner(crm, own_servers):
    result = crm("db", "upgrade", **own_servers | {"DATABASE_OWNER_URL": ""})
    assert result.exit_code == 1
    assert "DATABASE_OWNER_URL is not set" in result.output


def test_the_database_goes_one_step_down_and_up_again(crm, own_servers):
    newest = crm("db", "current", **own_servers).output
    assert crm("db", "downgrade", "-1", **own_servers).exit_code == 0
    assert crm("db", "current", **own_servers).output != newest
    assert crm("db", "upgrade", **own_servers).exit_code == 0
    assert crm("db", "current", **own_servers).output == newest


def test_a_port_that_is_in_use_is_said_before_the_server_starts(crm, own_servers):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = crm("web", "--port", taken.getsockname()[1], **own_servers)
    assert result.exit_code == 1
    assert "Choose another with --port" in result.output


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("CRM_UNDO_SECONDS", "-1", "greater than or equal to 0"),
        ("CRM_LEASE_SECONDS", "0", "greater than or equal to 1"),
        ("CRM_PORT", "many", "valid integer"),
        ("CRM_SMTP_URL", "ftp://user:geheim@host", "match pattern"),
    ],
)
def test_a_setting_that_can_not_be_used_is_named_and_its_value_kept_quiet(monkeypatch, name, value, wrong):
    monkeypatch.setenv(name, value)
    said = CliRunner().invoke(main, ["doctor"])
    assert said.exit_code == 2
    assert f"{name}: " in said.output
    assert wrong in said.output
    assert "geheim" not in said.output

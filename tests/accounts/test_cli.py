"""`crm user` and `crm token`."""

import pytest
from click.testing import CliRunner
from factories import accounts as factory
from sqlalchemy import select

from crm.accounts import cli
from crm.accounts.credentials import Passwords
from crm.accounts.kinds import Permission
from crm.accounts.models import ApiToken, Membership, User
from crm.accounts.services import tokens
from crm.db import database_now, enter_workspace


@pytest.fixture
def run(fresh_database, tmp_path, monkeypatch, valkey_url):
    monkeypatch.setenv("DATABASE_URL", fresh_database.url)
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CRM_PASSWORD_HASH_COST", "test")

    def call(command, *args, **options):
        return CliRunner().invoke(command, args, **options)

    return call


def people(fresh_database):
    with fresh_database.database.scope() as session:
        return {row.email: row for row in session.scalars(select(User))}


def test_the_first_owner_begins_a_workspace_with_a_password_that_is_printed(run, fresh_database):
    result = run(cli.user, "add", "--email", "o@example.com", "--name", "Olga", "--workspace", "Bottega")

    assert result.exit_code == 0, result.output
    password = result.output.rstrip().rpartition("Password: ")[2]
    assert Passwords("test").matches(password, people(fresh_database)["o@example.com"].password)


def test_a_second_person_joins_by_name_or_slug_with_a_given_password(run, fresh_database):
    run(cli.user, "add", "--email", "o@example.com", "--name", "Olga", "--workspace", "La Bottega")
    args = ("add", "--email", "s@example.com", "--name", "Sara", "--role", "sales", "--password-stdin")

    result = run(cli.user, *args, "--workspace", "la-bottega", input="correct horse battery\n")

    assert result.exit_code == 0, result.output
    assert "Password:" not in result.output
    row = people(fresh_database)["s@example.com"]
    assert Passwords("test").matches("correct horse battery", row.password)
    with fresh_database.database.scope(row.last_workspace_id) as session:
        assert set(session.scalars(select(Membership.role))) == {"owner", "sales"}


def test_somebody_known_is_only_added(run, fresh_database):
    run(cli.user, "add", "--email", "o@example.com", "--name", "Olga", "--workspace", "One")
    before = people(fresh_database)["o@example.com"].password

    result = run(cli.user, "add", "--email", "O@example.com", "--name", "Olga", "--workspace", "Two")

    assert "password is unchanged" in result.output
    assert people(fresh_database)["o@example.com"].password == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--email", "x", "--name", "X", "--workspace", "W"), "not an e-mail address"),
        (("--email", "x@example.com", "--name", "X", "--workspace", "W", "--role", "viewer"), "no workspace 'W'"),
        (("--email", "x@example.com", "--name", "X", "--workspace", "W", "--time-zone", "Mars/X"), "time zone"),
    ],
)
def test_wrong_input_is_told_on_standard_error_and_leaves_nothing(run, fresh_database, args, message):
    result = run(cli.user, "add", *args)

    assert result.exit_code == 1
    assert message in result.output
    assert people(fresh_database) == {}


def test_a_weak_password_is_refused(run, fresh_database):
    result = run(
        cli.user,
        "add",
        "--email",
        "o@example.com",
        "--name",
        "O",
        "--workspace",
        "W",
        "--password-stdin",
        input="short\n",
    )

    assert result.exit_code == 1
    assert people(fresh_database) == {}


def test_a_reset_link_is_printed_for_known_people_only(run, fresh_database):
    run(cli.user, "add", "--email", "o@example.com", "--name", "Olga", "--workspace", "W")

    assert run(cli.user, "reset-link", "o@example.com").output.startswith("http://127.0.0.1:8000/reset/")
    assert run(cli.user, "reset-link", "nobody@example.com").exit_code == 1


def test_a_token_stands_alone_on_the_last_line_and_works(run, fresh_database):
    with fresh_database.database.scope() as session:
        factory.owner(session, workspace="House")

    result = run(cli.token, "create", "--workspace", "House", "--role", "manager", "--scope", "view_own")

    secret = result.output.splitlines()[-1]
    assert result.exit_code == 0, result.output
    with fresh_database.database.scope() as session:
        actor = tokens.bearer(session, secret=secret, now=database_now(session))
        assert (actor.role, actor.scopes) == ("manager", {Permission.VIEW_OWN})
        enter_workspace(session, actor.workspace_id)
        assert session.scalars(select(ApiToken.expires_at)).one() is None
    assert run(cli.token, "create", "--workspace", "Nowhere", "--role", "viewer").exit_code == 1

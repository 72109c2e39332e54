"""`crm import` loads a file without a worker, and its exit code says whether everything went in."""

import csv
import io
import json

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from crm.accounts.models import Workspace
from crm.cli import main
from crm.consent.models import ConsentState
from crm.contacts.models import Contact, ContactTag
from crm.db import new_id
from crm.lifecycle.models import Import

TABLE = "Nome;Cognome;E-mail\nChiara;Moretti;chiara@example.it\nLuca;Bianchi;luca@example.it\n"


@pytest.fixture
def bottega(fresh_database):
    workspace_id = new_id()
    with fresh_database.database.scope(workspace_id) as session:
        session.add(Workspace(id=workspace_id, name="Bottega", slug="bottega", locale="en"))
    return workspace_id


@pytest.fixture
def bring(fresh_database, bottega, tmp_path, monkeypatch, valkey_url):
    monkeypatch.setenv("DATABASE_URL", fresh_database.url)
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path / "home"))

    def bring(table: str, *options: str):
        file = tmp_path / "gente.csv"
        file.write_text(table)
        return CliRunner().invoke(main, ["import", str(file), "--workspace", "bottega", *options])

    return bring


@pytest.fixture
def count(fresh_database, bottega):
    def count(model):
        with fresh_database.database.scope(bottega) as session:
            return session.scalar(select(func.count()).select_from(model))

    return count


def test_a_file_is_loaded_with_its_source_basis_and_tag(bring, count, fresh_database, bottega):
    result = bring(TABLE, "--source", "Fiera di Bologna", "--basis", "consent", "--tag", "Fiera")

    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == ["2 of 2 rows", "2 new, 0 updated, 0 already so, 0 refused"]
    assert (count(Contact), count(ContactTag), count(ConsentState)) == (2, 2, 2)
    with fresh_database.database.scope(bottega) as session:
        row = session.scalars(select(Import)).one()
    assert (row.source, row.state, row.tag) == ("Fiera di Bologna", "done", "Fiera")


def test_a_refused_row_is_told_and_written_and_ends_with_one(bring, count, tmp_path):
    target = tmp_path / "refused.csv"

    result = bring(TABLE + "Anna;Verdi;anna.verdi\n", "--refused", str(target))

    assert result.exit_code == 1
    assert "row 4, E-mail: This is not an e-mail address." in result.output
    assert "2 new, 0 updated, 0 already so, 1 refused" in result.output
    assert count(Contact) == 2
    lines = list(csv.reader(io.StringIO(target.read_text(encoding="utf-8-sig")), delimiter=";"))
    assert lines[1][:4] == ["Anna", "Verdi", "anna.verdi", "4"]


def test_the_mapping_of_the_options_wins_over_the_guess(bring, fresh_database, bottega):
    columns = {"Nome": "last_name", "Cognome": "first_name", "E-mail": ""}

    result = bring(TABLE, "--mapping", json.dumps(columns))

    assert result.exit_code == 0, result.output
    with fresh_database.database.scope(bottega) as session:
        assert set(session.scalars(select(Contact.display_name))) == {"Moretti Chiara", "Bianchi Luca"}


def test_the_mode_keeps_known_people_as_they_are(bring, count):
    bring(TABLE)

    again = bring(TABLE + "Sara;Neri;sara@example.it\n", "--mode", "create")

    assert again.exit_code == 1
    assert "1 new, 0 updated, 0 already so, 2 refused" in again.output
    assert count(Contact) == 3


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (TABLE, ("--workspace", "altra"), "there is no workspace 'altra'"),
        (TABLE, ("--mapping", '{"Nome": "nickname"}'), "mapping: "),
        (TABLE, ("--mapping", '{"Ruolo": "title", "Nome": "full_name"}'), "Ruolo: The file has no such column."),
        (TABLE, ("--mapping", "Nome=first_name"), "this is not JSON"),
        (TABLE, ("--source", " "), "source: Say where they come from."),
        ("", (), "Error: "),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_kept(bring, count, table, options, message):
    result = bring(table, *options)

    assert result.exit_code in {1, 2}
    assert message in result.output
    assert (count(Contact), count(Import)) == (0, 0)


def test_a_crash_is_marked_on_the_import(bring, fresh_database, bottega, monkeypatch):
    def breaks(*_args, **_options):
        raise ConnectionError("the disk is gone")

    monkeypatch.setattr("crm.lifecycle.runner.services.load_part", breaks)

    result = bring(TABLE)

    assert isinstance(result.exception, ConnectionError)
    with fresh_database.database.scope(bottega) as session:
        assert session.scalars(select(Import.state)).one() == "failed"

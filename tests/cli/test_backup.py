"""Backup and restore: everything comes back, nothing half, and nothing is sent afterwards by itself."""

import json
import stat
import zipfile
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Text, cast, create_engine, literal_column, select, text
from sqlalchemy import table as named_table

from crm.accounts.models import User, Workspace
from crm.accounts.rules import system_actor
from crm.contacts.models import Contact
from crm.db import database_now, new_id
from crm.lifecycle.services import merging


@pytest.fixture
def filled(fresh_database):
    """A workspace with a few people, one of them with text that COPY must escape."""
    workspace_id = new_id()
    with fresh_database.database.scope(workspace_id) as session:
        session.add(Workspace(id=workspace_id, name="Lanterna Dati", slug="lanterna"))
        session.add(
            User(email="g@example.com", email_norm="g@example.com", name="Giulia\tFerri\n\\N", fs_uniquifier="g")
        )
        session.flush()
        session.add_all(
            Contact(first_name=name, last_name="Rossi", display_name=f"{name} Rossi", sort_name=f"rossi {name}")
            for name in ("Ada", "Niccolò", "Zoë")
        )
    return fresh_database


def rows_of(owner_url: str) -> dict[str, list]:
    """Every row of every table, as text, in a steady order."""
    engine = create_engine(owner_url)
    with engine.connect() as connection:
        names = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
        ).scalars()
        found = {}
        for name in names:
            row = cast(literal_column(f'"{name}"'), Text).label("row")
            query = select(row).select_from(named_table(name)).order_by(row)
            found[name] = list(connection.execute(query).scalars())
    engine.dispose()
    return found


def made_archive(crm, own_servers, tmp_path: Path, *words: str) -> Path:
    keys = tmp_path / "instance" / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    (keys / "channel_key").write_text("secret")
    path = tmp_path / "house.zip"
    result = crm("backup", path, *words, **own_servers)
    assert result.exit_code == 0, result.output
    return path


def test_a_restored_installation_has_every_row_and_file(crm, filled, own_servers, second_database, tmp_path: Path):
    path = made_archive(crm, own_servers, tmp_path)
    before = rows_of(filled.owner_url)
    result = crm("restore", path, CRM_HOME=str(tmp_path / "other"), **second_database)
    assert result.exit_code == 0, result.output
    after = rows_of(second_database["DATABASE_OWNER_URL"])
    workspace_before, workspace_after = before.pop("workspace"), after.pop("workspace")
    assert after == before
    assert len(after["contact"]) == 3
    assert workspace_after != workspace_before, "sending must be paused"
    assert (tmp_path / "other" / "keys" / "channel_key").read_text() == "secret"
    assert stat.S_IMODE((tmp_path / "other" / "keys" / "channel_key").stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sending_is_paused_after_a_restore(crm, filled, own_servers, second_database, tmp_path: Path):
    path = made_archive(crm, own_servers, tmp_path)
    result = crm("restore", path, **second_database)
    assert "Sending is paused" in result.output
    engine = create_engine(second_database["DATABASE_OWNER_URL"])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT sending_paused FROM workspace")).scalars().all() == [True]
    engine.dispose()


def test_references_and_sequences_hold_after_a_restore(crm, filled, own_servers, second_database, tmp_path: Path):
    query = text(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
    )

    def constraints(url: str) -> list:
        engine = create_engine(url)
        with engine.connect() as connection:
            found = connection.execute(query).all()
        engine.dispose()
        return list(found)

    path = made_archive(crm, own_servers, tmp_path)
    wanted = constraints(filled.owner_url)
    assert crm("restore", path, **second_database).exit_code == 0
    assert constraints(second_database["DATABASE_OWNER_URL"]) == wanted
    assert any("FOREIGN KEY" in definition for _, _, definition, _ in wanted)


def test_an_installation_with_people_is_not_overwritten_unless_asked(crm, filled, own_servers, tmp_path: Path):
    path = made_archive(crm, own_servers, tmp_path)
    before = rows_of(filled.owner_url)
    result = crm("restore", path, **own_servers)
    assert result.exit_code == 1
    assert "isn't empty (workspace, app_user)" in result.output
    assert rows_of(filled.owner_url) == before
    assert crm("restore", path, "--replace", **own_servers).exit_code == 0
    assert rows_of(filled.owner_url)["contact"] == before["contact"]


@pytest.mark.parametrize("harm", ["byte", "cut", "member", "foreign"])
def test_a_damaged_archive_changes_nothing(crm, filled, own_servers, second_database, tmp_path: Path, harm: str):
    path = made_archive(crm, own_servers, tmp_path)
    content = path.read_bytes()
    if harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "foreign":
        path.write_text("not a zip")
    else:
        rewrite(path, harm)
    before = rows_of(second_database["DATABASE_OWNER_URL"])
    result = crm("restore", path, **second_database)
    assert result.exit_code == 1
    assert "nothing was restored" in result.output
    assert rows_of(second_database["DATABASE_OWNER_URL"]) == before


def rewrite(path: Path, harm: str) -> None:
    """Change one row of the contacts, or leave their part out, in an archive that is a correct zip."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if harm == "member":
        del members["tables/contact"]
    else:
        members["tables/contact"] = members["tables/contact"].replace(b"Ada", b"Eva")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_an_archive_can_not_write_outside_the_home(crm, filled, own_servers, second_database, tmp_path: Path):
    path = made_archive(crm, own_servers, tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    manifest["files"]["../outside"] = manifest["files"].pop("keys/channel_key")
    members["home/../outside"] = members.pop("home/keys/channel_key")
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    result = crm("restore", path, **second_database)
    assert result.exit_code == 1
    assert "outside the home" in result.output
    assert not (tmp_path / "outside").exists()


def test_an_archive_of_a_later_release_is_refused(crm, filled, own_servers, second_database, tmp_path: Path):
    path = made_archive(crm, own_servers, tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["manifest.json"] = members["manifest.json"].replace(b'"revision": "', b'"revision": "9')
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    result = crm("restore", path, **second_database)
    assert result.exit_code == 1
    assert "this release doesn't know" in result.output


def test_keys_stay_out_when_asked(crm, filled, own_servers, tmp_path: Path):
    path = made_archive(crm, own_servers, tmp_path, "--without-keys")
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if "keys" in name]


def test_a_backup_that_fails_leaves_no_archive(crm, own_servers, tmp_path: Path):
    (tmp_path / "instance").mkdir(exist_ok=True)
    engine = create_engine(own_servers["DATABASE_OWNER_URL"])
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    engine.dispose()
    result = crm("backup", tmp_path / "house.zip", **own_servers)
    assert result.exit_code == 1
    assert "No archive was written" in result.output
    assert not list(tmp_path.glob("*house.zip*"))


def test_a_backup_without_the_owner_says_what_is_missing(crm, own_servers, tmp_path: Path):
    result = crm("backup", tmp_path / "house.zip", **own_servers | {"DATABASE_OWNER_URL": ""})
    assert result.exit_code == 1
    assert "DATABASE_OWNER_URL is not set" in result.output


def test_a_restore_of_an_older_archive_erases_again_who_was_erased_since(
    crm, filled, own_servers, second_database, tmp_path: Path
):
    """Also where neither home nor database know of it, by the list that somebody kept."""
    path = made_archive(crm, own_servers, tmp_path)
    rows = [json.loads(row) for row in _people(filled)]
    ada = next(row for row in rows if row["first_name"] == "Ada")
    wrong = crm("erase", ada["id"], "--workspace", "lanterna", "--name", "Zoë Rossi", **own_servers)
    assert (wrong.exit_code, "not the person's name" in wrong.output) == (1, True)
    done = crm("erase", ada["id"], "--workspace", "lanterna", "--name", "ada rossi", **own_servers)
    assert done.exit_code == 0, done.output
    listed = tmp_path / "instance" / "erasures.jsonl"
    assert ada["id"] in listed.read_text()
    assert "Ada" not in listed.read_text()
    # In place: the home and the database know.
    again = crm("restore", path, "--replace", **own_servers)
    assert (again.exit_code, "1 people who were erased" in again.output) == (0, True), again.output
    assert sorted(json.loads(row)["first_name"] for row in _people(filled)) == ["", "Niccolò", "Zoë"]
    assert ada["id"] in listed.read_text()
    # Elsewhere: only the list that was brought along knows.
    elsewhere = {**second_database, "CRM_HOME": str(tmp_path / "other")}
    moved = crm("restore", path, "--erasures", listed, **elsewhere)
    assert "1 people who were erased" in moved.output, moved.output
    assert not any("Ada" in row for rows in rows_of(second_database["DATABASE_OWNER_URL"]).values() for row in rows)


def test_who_was_merged_into_somebody_erased_does_not_come_back_either(
    crm, filled, own_servers, second_database, tmp_path: Path
):
    """In the older archive both are people of their own."""
    path = made_archive(crm, own_servers, tmp_path)
    people = {row["first_name"]: row for row in map(json.loads, _people(filled))}
    house = UUID(people["Ada"]["workspace_id"])
    with filled.database.scope(house) as session:
        pair = {"kept_id": UUID(people["Ada"]["id"]), "other_id": UUID(people["Zoë"]["id"])}
        merging.merge(session, system_actor(house), **pair, now=database_now(session))
    done = crm("erase", people["Zoë"]["id"], "--workspace", "lanterna", "--name", "ada rossi", **own_servers)
    assert done.exit_code == 0, done.output
    listed = tmp_path / "instance" / "erasures.jsonl"
    assert all(people[name]["id"] in listed.read_text() for name in ("Ada", "Zoë"))
    # Neither home nor database know of it there.
    elsewhere = {**second_database, "CRM_HOME": str(tmp_path / "other")}
    moved = crm("restore", path, "--erasures", listed, **elsewhere)
    assert "2 people who were erased" in moved.output, moved.output
    held = [row for rows in rows_of(second_database["DATABASE_OWNER_URL"]).values() for row in rows]
    assert not any(name in row for name in ("Ada", "Zoë") for row in held)


def _people(filled) -> list[str]:
    engine = create_engine(filled.owner_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT row_to_json(c)::text FROM contact c")).scalars().all()
    engine.dispose()
    return list(rows)

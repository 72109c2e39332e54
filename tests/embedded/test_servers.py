"""PostgreSQL and Valkey as children: where they live, whom they obey, how they end."""

import os
import signal
import stat
import sys
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from crm.embedded import BinaryMissingError, EmbeddedError, PostgresServer, ValkeyServer
from crm.embedded.binaries import find_postgres, find_valkey
from crm.embedded.postgres import EXTENSIONS
from crm.embedded.processes import Account, account_for, launch

SERVERS = """
import sys, signal
from pathlib import Path
from crm.embedded import PostgresServer, ValkeyServer
home = Path(sys.argv[1])
with PostgresServer(home, fast=True) as postgres, ValkeyServer(home) as valkey:
    postgres.provision()
    print(postgres.process.pid, valkey.process.pid, flush=True)
    signal.pause()
"""


def connect(server: PostgresServer, role: str = "crm_app", database: str = "crm") -> psycopg.Connection:
    url = make_url(server.url(role, database))
    return psycopg.connect(host=url.query["host"], user=url.username, dbname=url.database, autocommit=True)


@pytest.mark.parametrize("name", ["plain", "with a space and 'quotes'", "deep"])
def test_servers_work_in_a_home_called(home: Path, name: str):
    place = home / name if name != "deep" else home.joinpath(*["x" * 60] * 4)
    with PostgresServer(place, fast=True) as postgres, ValkeyServer(place) as valkey:
        postgres.provision()
        with connect(postgres) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("crm_app",)
        with redis.Redis.from_url(valkey.url) as queue:
            assert queue.ping()
    assert not (place / "postgres" / "postmaster.pid").exists()


def test_provisioning_twice_gives_two_plain_roles_and_the_extensions(home: Path):
    with PostgresServer(home, fast=True) as server:
        server.provision()
        server.provision()
        with connect(server) as connection:
            roles = connection.execute(
                "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolcanlogin FROM pg_roles"
                " WHERE rolname LIKE 'crm%' ORDER BY rolname"
            ).fetchall()
            extensions = connection.execute("SELECT extname FROM pg_extension").fetchall()
            connection.execute("CREATE TEMPORARY TABLE scratch (id int)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE TABLE public.kept (id int)")
        with connect(server, "crm_owner") as connection:
            connection.execute("CREATE TABLE public.kept (id int)")
            owner = connection.execute(
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'crm'"
            ).fetchone()
    assert roles == [("crm_app", False, False, False, False, True), ("crm_owner", False, False, False, False, True)]
    assert {name for (name,) in extensions} >= set(EXTENSIONS)
    assert owner == ("crm_owner",)


def test_data_survives_a_stop(home: Path):
    with PostgresServer(home, fast=True) as server, ValkeyServer(home) as valkey:
        server.provision()
        with connect(server, "crm_owner") as connection:
            connection.execute("CREATE TABLE note AS SELECT 'kept' AS word")
        with redis.Redis.from_url(valkey.url) as queue:
            queue.set("word", "kept")
    with PostgresServer(home, fast=True) as server, ValkeyServer(home) as valkey:
        with connect(server, "crm_owner") as connection:
            assert connection.execute("SELECT word FROM note").fetchone() == ("kept",)
        with redis.Redis.from_url(valkey.url) as queue:
            assert queue.get("word") == b"kept"


def test_nothing_stays_outside_the_home_after_a_stop(home: Path):
    with ValkeyServer(home) as valkey:
        with PostgresServer(home, fast=True) as postgres:
            folder = postgres.sockets
        assert folder.is_dir()
        assert valkey.socket.exists()
    assert not folder.exists()


def test_servers_listen_on_private_sockets_only(home: Path):
    with PostgresServer(home, fast=True) as server, ValkeyServer(home) as valkey:
        assert stat.S_IMODE(server.sockets.stat().st_mode) == 0o700
        assert valkey.socket.parent == server.sockets
        with connect(server, "postgres", "postgres") as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        with redis.Redis.from_url(valkey.url) as queue:
            assert queue.config_get("port") == {"port": "0"}


def test_servers_end_when_their_parent_is_killed(home: Path, start_program, eventually, is_running):
    program = start_program(SERVERS, home)
    pids = [int(word) for word in program.stdout.readline().split()]
    assert all(is_running(pid) for pid in pids)
    program.kill()
    assert eventually(lambda: not any(is_running(pid) for pid in pids))


def test_servers_start_again_right_after_their_parent_was_killed(home: Path, start_program):
    program = start_program(SERVERS, home)
    program.stdout.readline()
    program.kill()
    with PostgresServer(home, fast=True) as server, ValkeyServer(home) as valkey:
        with connect(server) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with redis.Redis.from_url(valkey.url) as queue:
            assert queue.ping()


def test_a_killed_postmaster_is_replaced(home: Path):
    with PostgresServer(home, fast=True) as server:
        server.provision()
        assert server.process is not None
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server.start()
        with connect(server) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_unreadable_queue_data_is_set_aside(home: Path):
    with ValkeyServer(home) as valkey, redis.Redis.from_url(valkey.url) as queue:
        queue.set("word", "x" * 100)
    for path in (home / "valkey" / "appendonlydir").glob("*.incr.aof"):
        path.write_bytes(b"*3\r\n$3\r\nSET\r\nnonsense" + path.read_bytes())
    with ValkeyServer(home) as valkey, redis.Redis.from_url(valkey.url) as queue:
        assert queue.ping()
        assert list((home / "valkey").glob("unreadable-*"))


def test_a_set_up_that_was_interrupted_is_done_again(home: Path):
    half = home / "postgres.new"
    half.mkdir(parents=True)
    (half / "leftover").write_text("")
    with PostgresServer(home, fast=True) as server:
        assert (server.data / "PG_VERSION").exists()
    assert not half.exists()


def test_data_of_another_release_is_refused_with_the_way_out(home: Path):
    with PostgresServer(home, fast=True) as server:
        (server.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 12.*crm backup"):
        PostgresServer(home, fast=True).start()


def test_a_server_that_does_not_start_shows_its_log(home: Path):
    with PostgresServer(home, fast=True) as server:
        pass
    with (server.data / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match="no_such_setting"):
        PostgresServer(home, fast=True).start()


def test_a_missing_program_names_the_ways_out(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CRM_PG_BIN", str(home / "nowhere"))
    monkeypatch.setenv("CRM_VALKEY_BIN", str(home / "nowhere"))
    with pytest.raises(BinaryMissingError, match="CRM_PG_BIN"):
        PostgresServer(home).start()
    with pytest.raises(BinaryMissingError, match="CRM_VALKEY_BIN"):
        ValkeyServer(home).start()


def test_programs_can_be_named_by_the_operator(home: Path, monkeypatch: pytest.MonkeyPatch):
    postgres, valkey = find_postgres(), find_valkey()
    monkeypatch.setattr("crm.embedded.binaries._package_folder", lambda _name: None)
    monkeypatch.setenv("CRM_PG_BIN", str(postgres))
    monkeypatch.setenv("CRM_VALKEY_BIN", str(valkey.parent))
    assert (find_postgres(), find_valkey()) == (postgres, valkey)
    monkeypatch.delenv("CRM_PG_BIN")
    monkeypatch.delenv("CRM_VALKEY_BIN")
    monkeypatch.setenv("PATH", f"{postgres}{os.pathsep}{valkey.parent}")
    assert (find_postgres(), find_valkey()) == (postgres, valkey)


def test_a_closed_parent_folder_is_named_with_the_command_that_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr("crm.embedded.processes.passing_capability", lambda: None)
    stranger = Account("stranger", uid=54321, gid=54321)
    with pytest.raises(EmbeddedError, match=r"'stranger'.*chmod o\+x"):
        stranger.require_path(closed / "home" / "postgres")


def test_servers_and_programs_work_behind_a_folder_that_is_closed_to_others(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    (closed / "bin").symlink_to(find_postgres())
    monkeypatch.setenv("CRM_PG_BIN", str(closed / "bin"))
    with PostgresServer(closed / "instance", fast=True) as postgres, ValkeyServer(closed / "instance") as valkey:
        postgres.provision()
        with redis.Redis.from_url(valkey.url) as queue:
            assert queue.ping()
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_servers_work_for_an_ordinary_user(home: Path, tmp_path: Path, eventually, is_running):
    home.mkdir(parents=True)
    ordinary = account_for(home / "postgres")
    if ordinary is not None:
        os.chown(home, ordinary.uid, ordinary.gid)
    with (tmp_path / "output").open("w+b") as output:
        program = launch(
            [sys.executable, "-c", SERVERS, str(home)],
            parent_death=signal.SIGKILL,
            account=ordinary,
            needs=(Path(sys.executable).resolve(),),
            environment={"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home)},
            log=output,
            folder=home,
        )
        try:
            assert eventually(lambda: (tmp_path / "output").read_text().count("\n"))
            pids = [int(word) for word in (tmp_path / "output").read_text().split()]
            assert all(is_running(pid) for pid in pids)
            assert {(home / name).stat().st_uid for name in ("postgres", "valkey", "log")} == {home.stat().st_uid}
        finally:
            program.terminate()
            program.wait()
    assert eventually(lambda: not any(is_running(pid) for pid in pids))


def test_logs_hold_no_personal_values(home: Path):
    with PostgresServer(home, fast=True) as server:
        server.provision()
        with connect(server, "crm_owner") as connection:
            connection.execute("CREATE TABLE person (email text PRIMARY KEY)")
            connection.execute("INSERT INTO person VALUES ('private@example.org')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO person VALUES (%s)", ("private@example.org",))
    text = server.log.read_text()
    assert "person_pkey" in text
    assert "private@example.org" not in text

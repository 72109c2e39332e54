"""`crm doctor` finds each thing that can be wrong, and says what to do."""

from datetime import timedelta

import dns.resolver
import pytest
from sqlalchemy import create_engine, text

from crm.cli import doctor
from crm.cli.doctor import State, examine, sender_domain
from crm.settings import Settings

EVERYWHERE = "::"


def findings_of(own_servers, tmp_path, **changes) -> dict[str, doctor.Finding]:
    names = {"DATABASE_URL": "database_url", "DATABASE_OWNER_URL": "database_owner_url", "REDIS_URL": "redis_url"}
    given = {field: own_servers[name] for name, field in names.items()} | {"home": tmp_path} | changes
    return {finding.subject: finding for finding in examine(Settings.load(**given))}


def change(owner_url: str, statement: str) -> None:
    engine = create_engine(owner_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_healthy_database_passes(own_servers, tmp_path):
    found = findings_of(own_servers, tmp_path)
    assert {found[name].state for name in ("PostgreSQL", "role", "migrations", "extensions", "disk")} == {State.OK}


def test_a_role_that_can_bypass_is_found(own_servers, tmp_path):
    found = findings_of(own_servers, tmp_path, database_url=own_servers["DATABASE_OWNER_URL"])
    assert found["role"].state is State.FAIL
    assert "bypass" in found["role"].sentence


def test_missing_migrations_are_found(own_servers, tmp_path):
    change(own_servers["DATABASE_OWNER_URL"], "UPDATE alembic_version SET version_num = '0001'")
    found = findings_of(own_servers, tmp_path)
    assert found["migrations"].state is State.FAIL
    assert "crm db upgrade" in found["migrations"].sentence


@pytest.mark.parametrize(("minutes", "state"), [(0, State.OK), (5, State.FAIL)])
def test_the_clock_is_judged_by_its_last_look(own_servers, tmp_path, minutes: int, state: State):
    assert findings_of(own_servers, tmp_path)["clock"].state is State.FAIL
    change(
        own_servers["DATABASE_OWNER_URL"],
        "INSERT INTO clock_lease (name, holder, until, ticked_at) VALUES ('main', 'h', now(), now())",
    )
    owner = create_engine(own_servers["DATABASE_OWNER_URL"])
    with owner.begin() as connection:
        connection.execute(text("UPDATE clock_lease SET ticked_at = now() - :age"), {"age": timedelta(minutes=minutes)})
    owner.dispose()
    assert findings_of(own_servers, tmp_path)["clock"].state is state


def test_a_database_that_is_down_is_one_finding(own_servers, tmp_path):
    found = findings_of(
        own_servers, tmp_path, database_url="postgresql+psycopg://crm_app@/crm?host=/nowhere", database_owner_url=""
    )
    assert [name for name, finding in found.items() if finding.state is State.FAIL] == ["server", "Valkey"]


def test_a_queue_that_is_down_is_found(own_servers, tmp_path):
    found = findings_of(own_servers, tmp_path)
    assert found["Valkey"].state is State.FAIL
    assert "Work waits in PostgreSQL" in found["Valkey"].sentence


def test_queues_that_nobody_listens_on_are_found(own_servers, tmp_path, valkey_url):
    found = findings_of(own_servers, tmp_path, redis_url=valkey_url)
    assert found["Valkey"].state is State.OK
    assert found["workers outreach"].state is State.FAIL
    assert "crm worker --queue background" in found["workers background"].sentence


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, State.OK),
        ({"host": EVERYWHERE}, State.WARN),
        ({"base_url": "http://crm.example.com"}, State.WARN),
        ({"base_url": "https://crm.example.com", "host": EVERYWHERE}, State.OK),
    ],
)
def test_an_address_that_others_can_not_use_safely_is_named(own_servers, tmp_path, changes, state):
    assert findings_of(own_servers, tmp_path, **changes)["address"].state is state


def test_the_command_ends_with_1_when_something_is_broken(crm, own_servers):
    result = crm("doctor", **own_servers)
    assert result.exit_code == 1
    assert "FAIL  Valkey" in result.output
    assert "ok    PostgreSQL" in result.output


RECORDS = {
    ("good.example", "MX"): ["10 mail.good.example."],
    ("good.example", "TXT"): ["v=spf1 mx -all", "unrelated"],
    ("_dmarc.good.example", "TXT"): ["v=DMARC1; p=reject"],
    ("twice.example", "MX"): ["10 mail.twice.example."],
    ("twice.example", "TXT"): ["v=spf1 mx -all", "v=spf1 a -all"],
    ("_dmarc.twice.example", "TXT"): ["v=DMARC1; p=none"],
}


@pytest.mark.parametrize(
    ("domain", "state", "words"),
    [
        ("good.example", State.OK, "MX, SPF and DMARC"),
        ("bare.example", State.WARN, "missing: MX, DMARC, SPF"),
        ("twice.example", State.WARN, "a single SPF record"),
    ],
)
def test_the_records_of_a_sender_domain_are_judged(monkeypatch, domain: str, state: State, words: str):
    monkeypatch.setattr(doctor, "_records", lambda name, kind: RECORDS.get((name, kind), []))
    [finding] = sender_domain(domain)
    assert finding.state is state
    assert words in finding.sentence


def test_a_silent_resolver_is_a_warning(monkeypatch):
    def silent(_name: str, _kind: str) -> list[str]:
        raise dns.resolver.NoNameservers

    monkeypatch.setattr(doctor, "_records", silent)
    [finding] = sender_domain("example.com")
    assert finding.state is State.WARN

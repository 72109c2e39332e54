"""The sandbox keeps every mail before it says so, and shows each account its own."""

import json
import threading
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from crm.channels.base import ChannelKind, OutcomeKind
from crm.channels.mime import build
from crm.channels.registry import AccountSpec, adapter_for
from crm.channels.sandbox import SandboxStore, run, sandbox_port
from crm.net.guard import Guard
from crm.settings import Settings

OURS, THEIRS = UUID(int=1), UUID(int=2)


@pytest.fixture
def sandbox_settings(tmp_path):
    home = tmp_path / "casa con spazi"
    home.mkdir()
    return Settings.load(home=home, sandbox_smtp_port=0)


@pytest.fixture
def running(sandbox_settings):
    """A sandbox that listens; stopped at the end."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(sandbox_settings, stop))
    thread.start()
    while not (sandbox_settings.home / "sandbox.json").exists():
        assert thread.is_alive()
        stop.wait(0.01)
    yield sandbox_settings
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert not (sandbox_settings.home / "sandbox.json").exists()


def account(settings, public_id):
    spec = AccountSpec(channel=ChannelKind.EMAIL, public_id=public_id, sandbox_port=sandbox_port(settings))
    return adapter_for(spec, Guard())


def test_a_sent_mail_can_be_read_by_its_account_alone(running, outbound):
    ours, theirs = account(running, OURS), account(running, THEIRS)
    assert ours.check().ok
    assert ours.send(replace(outbound, to_name="Anna Rossi")).kind is OutcomeKind.ACCEPTED
    assert ours.send(replace(outbound, subject="Perché no?")).kind is OutcomeKind.ACCEPTED
    assert theirs.send(replace(outbound, to_address="altro@cliente.example")).kind is OutcomeKind.ACCEPTED
    store = SandboxStore(running.home)
    newest, oldest = store.letters([OURS])
    assert (newest.subject, newest.recipient, newest.reference) == (
        "Perché no?",
        "anna.rossi@cliente.example",
        outbound.reference,
    )
    found = store.letter([OURS], oldest.id)
    assert found is not None
    assert found[1] == build(replace(outbound, to_name="Anna Rossi"))
    assert store.letter([THEIRS], oldest.id) is None
    (person,) = store.people([OURS])
    assert (person.name, person.count, person.newest.id) == ("Anna Rossi", 2, newest.id)
    assert [letter.recipient for letter in store.letters([THEIRS])] == ["altro@cliente.example"]
    ours.close()
    theirs.close()


def test_a_reader_sees_what_comes_later(tmp_path):
    store, reader = SandboxStore(tmp_path), SandboxStore(tmp_path)
    store.prepare()
    assert reader.letters([OURS]) == []
    for number in range(3):
        store.keep(account=OURS, sender="a@b.it", recipients=["C@d.it"], content=b"Subject: %d\r\n\r\nx" % number)
        assert next(letter.subject for letter in reader.letters([OURS])) == str(number)
    assert len(reader.letters([OURS], recipient="c@d.it")) == 3


def test_a_line_half_written_by_a_crash_is_cut_off(tmp_path):
    store = SandboxStore(tmp_path)
    store.prepare()
    store.keep(account=OURS, sender="a@b.it", recipients=["c@d.it"], content=b"Subject: one\r\n\r\nx")
    index = tmp_path / "sandbox" / "index.jsonl"
    with index.open("ab") as file:
        file.write(b'{"id": "half')
    assert len(SandboxStore(tmp_path).letters([OURS])) == 1
    store.prepare()
    store.keep(account=OURS, sender="a@b.it", recipients=["c@d.it"], content=b"Subject: two\r\n\r\nx")
    assert [letter.subject for letter in SandboxStore(tmp_path).letters([OURS])] == ["two", "one"]


def test_an_emptied_folder_is_noticed(tmp_path):
    store = SandboxStore(tmp_path)
    store.prepare()
    store.keep(account=OURS, sender="a@b.it", recipients=["c@d.it"], content=b"Subject: one\r\n\r\nx")
    assert store.people([OURS])
    (tmp_path / "sandbox" / "index.jsonl").unlink()
    assert store.people([OURS]) == []


def test_a_disk_that_is_full_is_not_an_acceptance(running, outbound):
    for file in (running.home / "sandbox").iterdir():
        file.unlink()
    (running.home / "sandbox").rmdir()
    adapter = account(running, OURS)
    outcome = adapter.send(outbound)
    assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY_LATER, "final_452")
    adapter.close()


def test_without_a_running_sandbox_the_port_is_the_setting(sandbox_settings):
    settings = Settings.load(home=sandbox_settings.home, sandbox_smtp_port=8123)
    assert sandbox_port(settings) == 8123
    (settings.home / "sandbox.json").write_text(json.dumps({"port": "x"}))
    assert sandbox_port(settings) == 8123


def test_a_stranger_to_the_house_is_kept_for_nobody(tmp_path):
    store = SandboxStore(tmp_path)
    store.prepare()
    store.keep(account=None, sender="", recipients=["c@d.it"], content=b"\r\n")
    assert store.letters([uuid4()]) == []

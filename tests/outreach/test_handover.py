"""What of a killed sender's messages may have left: marks, the seal below them, and what is made of both."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from outreach.test_runner import Channel, sending  # noqa: F401 - a fixture
from sqlalchemy import select

from crm.channels.base import Outcome, OutcomeKind
from crm.db import database_now, new_id
from crm.interactions.models import Interaction
from crm.outreach import handover, runner
from crm.outreach.models import AttemptOutcome, BudgetUse, Claim
from crm.outreach.services.recover import recover


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(handover, "MEMORY", tmp_path)
    return tmp_path


def test_who_settles_a_claim_finds_what_was_noted_and_nothing_is_noted_after():
    claim_id = new_id()
    hanging, taken, refused, waiting = (new_id() for _ in range(4))
    journal = handover.begin(claim_id)
    assert journal is not None
    for attempt_id in (hanging, taken, refused):
        assert journal.mark(attempt_id)
    journal.note(taken, is_taken=True)
    journal.note(refused, is_taken=False)
    assert handover.seal(claim_id) == handover.Known(doubtful=frozenset({hanging}), taken=frozenset({taken}))
    assert not journal.mark(waiting)
    assert journal.is_over
    journal.close()


def test_an_end_that_is_noted_below_the_seal_ends_the_notes():
    claim_id, attempt_id = new_id(), new_id()
    journal = handover.begin(claim_id)
    assert journal is not None
    journal.mark(attempt_id)
    handover.seal(claim_id)
    journal.note(attempt_id, is_taken=True)
    assert journal.is_over
    journal.close()


def test_a_claim_may_be_settled_twice_when_the_first_transaction_failed():
    claim_id, first = new_id(), new_id()
    journal = handover.begin(claim_id)
    assert journal is not None
    journal.mark(first)
    journal.close()
    assert handover.seal(claim_id) == handover.seal(claim_id) == handover.Known(frozenset({first}), frozenset())


def test_nothing_is_known_of_a_claim_without_a_journal_or_with_half_a_head(memory):
    claim_id = new_id()
    assert handover.seal(claim_id) is None
    journal = handover.begin(claim_id)
    assert journal is not None
    (path,) = (item for item in memory.rglob("*") if item.is_file())
    os.truncate(path, 10)
    assert handover.seal(claim_id) is None
    journal.close()


def test_nothing_is_known_after_the_machine_was_started_anew(tmp_path, monkeypatch):
    claim_id = new_id()
    journal = handover.begin(claim_id)
    assert journal is not None
    journal.close()
    boot = tmp_path / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(handover, "_BOOT", boot)
    assert handover.seal(claim_id) is None


def test_a_machine_that_keeps_no_journal_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(handover, "MEMORY", tmp_path / "missing")
    assert handover.begin(new_id()) is None
    monkeypatch.setattr(handover, "_BOOT", tmp_path / "missing")
    assert handover.begin(new_id()) is None


def test_a_link_instead_of_our_folder_is_not_followed(memory):
    (memory / "elsewhere").mkdir()
    (memory / f"filodiretto-{os.getuid()}").symlink_to(memory / "elsewhere")
    assert handover.begin(new_id()) is None
    assert list((memory / "elsewhere").iterdir()) == []


def test_what_another_user_put_there_says_nothing(monkeypatch):
    claim_id = new_id()
    journal = handover.begin(claim_id)
    assert journal is not None
    monkeypatch.setattr(handover, "_is_ours", lambda *_given: False)
    assert handover.seal(claim_id) is None
    assert handover.begin(new_id()) is None
    assert journal.mark(new_id())
    journal.close()


def test_what_can_not_be_marked_must_not_leave():
    with Path("/dev/full").open("ab", buffering=0) as full:
        journal = handover.Journal(os.dup(full.fileno()), 0)
        assert not journal.mark(new_id())
        assert journal.is_over
        journal.close()


def test_a_settled_claim_leaves_no_file_behind(sending, memory):  # noqa: F811
    sending.write(*["News"] * 3)
    assert sending.run().sent == 3
    assert [item for item in memory.rglob("*") if item.is_file()] == []


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_killed_sender_leaves_uncertain_what_was_on_its_lines(sending, monkeypatch, is_kept):  # noqa: F811
    """Of six attempts one was taken, one refused and one hung: the others had not begun."""
    sending.write(*["News"] * 6)
    if not is_kept:
        monkeypatch.setattr(handover, "begin", lambda _claim_id: None)

    class KilledError(BaseException):
        """Nobody writes anything down any more."""

    def send(_channel, outbound):
        sending.left.append((outbound.reference, ""))
        outbound.may_leave()
        if len(sending.left) == 3:
            raise KilledError
        kind = OutcomeKind.ACCEPTED if len(sending.left) == 1 else OutcomeKind.RETRY_LATER
        return Outcome(kind=kind, code="said")

    monkeypatch.setattr(Channel, "asks_to_leave", True, raising=False)
    monkeypatch.setattr(Channel, "takes_turns", True, raising=False)
    monkeypatch.setattr(Channel, "send", send)
    with pytest.raises(KilledError):
        sending.run()
    assert sending.states() == ["sending"] * 6
    with sending.database.scope(sending.workspace_id) as session:
        claim = session.scalars(select(Claim)).one()
        claim.leased_until = database_now(session) - timedelta(seconds=1)
        session.flush()
        found = recover(session, sending.actor, claim_id=claim.id, now=database_now(session))
    assert found is not None
    assert (found.scheduled, found.uncertain) == ((4, 1) if is_kept else (0, 6))
    assert sending.states() == (["scheduled"] * 4 + ["sent", "uncertain"] if is_kept else ["uncertain"] * 6)
    with sending.database.scope(sending.workspace_id) as session:
        codes = sorted(session.scalars(select(AttemptOutcome.code)))
        uses = len(session.scalars(select(BudgetUse.id)).all())
        told = len(session.scalars(select(Interaction.id).where(Interaction.kind == "message.sent")).all())
    assert codes == (["accepted"] + ["not_handed_over"] * 4 + ["worker_stopped"] if is_kept else ["worker_stopped"] * 6)
    # Who may have got something is not written to again so soon; who got nothing has lost nothing.
    assert uses == (2 if is_kept else 6)
    assert told == (1 if is_kept else 0)


def test_a_sender_that_finds_the_seal_sends_nothing_and_stops(sending, monkeypatch):  # noqa: F811
    """Somebody took the claim for dead while it lived: what it had not begun is theirs."""
    sending.write(*["News"] * 40)
    original, waves = runner.wave, []

    def wave(session, actor, *, claimed, **given):
        waves.append(claimed)
        if len(waves) == 2:
            handover.seal(claimed.claim_id)
        return original(session, actor, claimed=claimed, **given)

    monkeypatch.setattr(runner, "wave", wave)
    report = sending.run()
    assert report.sent == len(sending.left) < 40
    assert set(sending.states()) == {"sent", "scheduled"}

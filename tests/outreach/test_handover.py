"""What of a killed sender's messages may have left: marks, the seal below them, and what is made of both."""

import os
import threading
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from outreach.test_runner import Channel, sending  # noqa: F401 - a fixture
from sqlalchemy import func, select, text, update
from stack.running import until

from crm.channels.base import Outcome, OutcomeKind
from crm.contacts.models import Contact
from crm.db import database_now, new_id
from crm.interactions.models import Interaction
from crm.outreach import handover, queries, runner
from crm.outreach.lines import CONNECTIONS
from crm.outreach.models import AttemptOutcome, BudgetUse, Claim, Conversation, Message
from crm.outreach.reasons import KEPT_BACK, sentence
from crm.outreach.services.recover import recover

#: How many wait for a lock in this database.
WAITING = text(
    "select count(*) from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()"
)


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(handover, "MEMORY", tmp_path)
    handover.attend()
    return tmp_path


def begun(claim_id: UUID) -> handover.Journal:
    journal = handover.begin(claim_id)
    assert journal is not None
    return journal


def files(memory: Path) -> list[Path]:
    """The journals in the memory."""
    return [item for item in memory.rglob("*") if item.is_file() and item.name != "attended"]


def test_who_settles_a_claim_finds_what_was_noted_and_nothing_is_noted_after():
    claim_id = new_id()
    hanging, taken, refused, waiting = (new_id() for _ in range(4))
    journal = begun(claim_id)
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
    journal = begun(claim_id)
    journal.mark(attempt_id)
    handover.seal(claim_id)
    journal.note(attempt_id, is_taken=True)
    assert journal.is_over
    journal.close()


def test_a_claim_may_be_settled_twice_when_the_first_transaction_failed():
    claim_id, first = new_id(), new_id()
    journal = begun(claim_id)
    journal.mark(first)
    journal.close()
    assert handover.seal(claim_id) == handover.seal(claim_id) == handover.Known(frozenset({first}), frozenset())


def test_nothing_is_known_of_a_claim_without_a_journal_or_with_half_a_head(memory):
    claim_id = new_id()
    assert handover.seal(claim_id) is None
    journal = begun(claim_id)
    (path,) = files(memory)
    os.truncate(path, 10)
    assert handover.seal(claim_id) is None
    journal.close()


def test_nothing_is_known_after_the_machine_was_started_anew(tmp_path, monkeypatch):
    claim_id = new_id()
    journal = begun(claim_id)
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
    (memory / f"filodiretto-{os.getuid()}").rename(memory / "elsewhere")
    (memory / f"filodiretto-{os.getuid()}").symlink_to(memory / "elsewhere")
    assert handover.begin(new_id()) is None
    assert files(memory) == []


def test_what_another_user_put_there_says_nothing(monkeypatch):
    claim_id = new_id()
    journal = begun(claim_id)
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
    assert files(memory) == []


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


def test_a_journal_that_can_not_be_read_to_its_end_says_nothing(monkeypatch):
    claim_id = new_id()
    journal = begun(claim_id)
    assert journal.mark(new_id())
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, length, at: whole(descriptor, length, at)[:-34])
    assert handover.seal(claim_id) is None
    journal.close()


def test_a_note_that_was_broken_off_makes_no_room_for_a_seal(monkeypatch):
    claim_id = new_id()
    journal = begun(claim_id)

    def interrupted(_descriptor, _content):
        raise BrokenOffError

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", interrupted)
        with pytest.raises(BrokenOffError):
            journal.mark(new_id())
    assert handover.seal(claim_id) == handover.Known(frozenset(), frozenset())
    assert not journal.mark(new_id())
    journal.close()


class BrokenOffError(Exception):
    """What a signal may raise anywhere."""


def test_who_settles_a_claim_holds_people_before_their_messages(sending, monkeypatch):  # noqa: F811
    """As whoever records an opt-out or an answer does: the other way round both would wait for ever."""
    sending.write(*["News"] * 3)

    class KilledError(BaseException):
        """Nobody writes anything down any more."""

    def send(_channel, outbound):
        sending.left.append((outbound.reference, ""))
        outbound.may_leave()
        if len(sending.left) == 3:
            raise KilledError
        return Outcome(kind=OutcomeKind.ACCEPTED, code="accepted")

    monkeypatch.setattr(Channel, "asks_to_leave", True, raising=False)
    monkeypatch.setattr(Channel, "takes_turns", True, raising=False)
    monkeypatch.setattr(Channel, "send", send)
    with pytest.raises(KilledError):
        sending.run()
    with sending.database.scope(sending.workspace_id) as session:
        claim_id = session.scalars(select(Claim.id)).one()
        session.execute(update(Claim).values(leased_until=func.now() - timedelta(seconds=1)))

    def settle():
        with sending.database.scope(sending.workspace_id) as session:
            recover(session, sending.actor, claim_id=claim_id, now=database_now(session))

    with sending.database.scope(sending.workspace_id) as session:
        session.execute(select(Contact.id).with_for_update(key_share=True))
        heir = threading.Thread(target=settle)
        heir.start()
        until(lambda: session.scalar(WAITING), "somebody who waits for the person")
        session.execute(select(Message.id).with_for_update(nowait=True))
    heir.join()
    assert sending.states() == ["sent", "sent", "uncertain"]


def test_a_sender_whose_notes_are_over_begins_no_more_conversations(sending, monkeypatch):  # noqa: F811
    sending.write(*["News"] * 40)
    in_vain, ahead = [], 30
    monkeypatch.setattr(runner._Run, "_ahead", lambda *_given: ahead)
    claims = []
    original = runner.wave

    def wave(session, actor, *, claimed, **given):
        claims.append(claimed.claim_id)
        return original(session, actor, claimed=claimed, **given)

    def send(_channel, outbound):
        if not sending.left:
            handover.seal(claims[0])
        sending.left.append((outbound.reference, ""))
        if not outbound.may_leave():
            in_vain.append(outbound.reference)
            return Outcome(kind=OutcomeKind.RETRY_LATER, code="lease_over")
        return Outcome(kind=OutcomeKind.ACCEPTED, code="accepted")

    monkeypatch.setattr(runner, "wave", wave)
    monkeypatch.setattr(Channel, "asks_to_leave", True, raising=False)
    monkeypatch.setattr(Channel, "takes_turns", True, raising=False)
    monkeypatch.setattr(Channel, "send", send)
    assert sending.run().sent == 0
    assert 0 < len(in_vain) <= CONNECTIONS
    assert sending.states() == ["scheduled"] * 40


def test_what_somebody_has_answered_does_not_go_again_whatever_the_notes_say(sending, monkeypatch):  # noqa: F811
    """A server may refuse what it delivers; the answer can be here before the try is settled."""
    sending.write("News", "News")

    class KilledError(BaseException):
        """Nobody writes anything down any more."""

    def send(_channel, outbound):
        sending.left.append((outbound.reference, ""))
        if len(sending.left) == 2:
            raise KilledError
        outbound.may_leave()
        return Outcome(kind=OutcomeKind.RETRY_LATER, code="said")

    monkeypatch.setattr(Channel, "asks_to_leave", True, raising=False)
    monkeypatch.setattr(Channel, "takes_turns", True, raising=False)
    monkeypatch.setattr(Channel, "send", send)
    with pytest.raises(KilledError):
        sending.run()
    (refused, _), _ = sending.left
    with sending.database.scope(sending.workspace_id) as session:
        session.execute(update(Message).where(Message.reference == refused).values(delivery="delivered"))
        claim = session.scalars(select(Claim)).one()
        claim.leased_until = database_now(session) - timedelta(seconds=1)
        session.flush()
        recover(session, sending.actor, claim_id=claim.id, now=database_now(session))
    assert sending.states() == ["scheduled", "uncertain"]


@pytest.mark.parametrize("is_ever", [True, False])
def test_where_nobody_would_read_them_no_notes_are_kept(memory, is_ever):
    attended = memory / f"filodiretto-{os.getuid()}" / "attended"
    if is_ever:
        long_ago = time.time() - handover.ATTENDED_SECONDS - 1
        os.utime(attended, (long_ago, long_ago))
    else:
        attended.unlink()
    assert handover.begin(new_id()) is None
    handover.attend()
    journal = begun(new_id())
    journal.close()


@pytest.mark.parametrize("code", [*sorted(KEPT_BACK), "worker_stopped", "adapter_error"])
def test_how_the_sender_itself_ended_a_try_is_said_in_a_sentence(code):
    assert " " in sentence(code)


def test_what_waited_too_long_for_a_connection_is_asked_about_again(sending, monkeypatch):  # noqa: F811
    """Somebody may have said no since its attempt; nothing of it left, so it goes at once when nobody has."""
    sending.write(*["News"] * 3)
    monkeypatch.setattr("crm.outreach.lines.STALE_SECONDS", -1.0)
    assert sending.run(seconds=0.5).sent == 0
    assert (sending.left, sending.states()) == ([], ["scheduled"] * 3)
    with sending.database.scope(sending.workspace_id) as session:
        assert session.scalars(select(Message.reason).distinct()).all() == [""]
        assert session.scalar(select(func.count()).where(Message.due_at > database_now(session))) == 0
        seen = queries.account_errors(session, sending.actor, account_id=sending.account_id, now=database_now(session))
        assert seen == []
        session.execute(update(Message).values(first_tried_at=func.now() - timedelta(days=3)))
    sending.run(seconds=0.2)
    # Nobody refused it: that it is old is no reason to give it up.
    assert sending.states() == ["scheduled"] * 3
    monkeypatch.setattr("crm.outreach.lines.STALE_SECONDS", 3.0)
    assert sending.run().sent == 3


def test_what_somebody_wrote_after_the_hand_over_stays_unanswered(sending, monkeypatch):  # noqa: F811
    """Their answer came before the end of the try was known: the message that they answer doesn't answer them."""
    sending.write("News", "News")
    with sending.database.scope(sending.workspace_id) as session:
        before, after = session.scalars(select(Message).order_by(Message.id)).all()
        now = database_now(session)
        for message, at in ((before, now - timedelta(hours=1)), (after, now + timedelta(hours=1))):
            talk = Conversation(
                id=new_id(),
                contact_id=message.contact_id,
                channel="email",
                account_id=message.account_id,
                unanswered_since=at,
                last_at=at,
                subject=str(message.id),
            )
            session.add(talk)
            session.flush()
            message.conversation_id = talk.id
        early, late = before.conversation_id, after.conversation_id
    assert sending.run().sent == 2
    with sending.database.scope(sending.workspace_id) as session:
        assert session.get_one(Conversation, early).unanswered_since is None
        assert session.get_one(Conversation, late).unanswered_since is not None

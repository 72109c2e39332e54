"""A message's life on its page, the decisions about an uncertain one, and how an account does."""

from datetime import timedelta

import pytest
from factories import outreach

from crm.channels.base import ChannelKind, OutcomeKind
from crm.db import database_now, new_id
from crm.outreach import queries
from crm.outreach.kinds import AccountState, MessageState
from crm.outreach.models import Attempt, AttemptEvidence, AttemptOutcome, Claim, Message
from crm.outreach.pace_models import DomainPace
from crm.outreach.queries import Step


@pytest.fixture
def now(session):
    """Pages ask the database for the time."""
    return database_now(session)


@pytest.fixture
def account(session, actor, now):
    return outreach.account(session, actor, is_sandbox=True, per_hour=40, now=now)


@pytest.fixture
def sent(session, actor, account, now):
    """A message that was written two hours ago."""
    ann = outreach.person(session, actor, now=now)
    row = outreach.message(session, actor, ann, subject="Autumn", now=now)
    row.created_at = row.approved_at = now - timedelta(hours=2)
    session.flush()
    return row


def tried(session, message, *, ago, kind, code, stage, words="", number=1, now):
    """One try of a message that ended so, `ago` before `now`."""
    at = now - ago
    claim = Claim(account_id=message.account_id, leased_until=at, created_at=at - timedelta(seconds=2))
    session.add(claim)
    session.flush()
    attempt = Attempt(
        id=new_id(),
        message_id=message.id,
        account_id=message.account_id,
        claim_id=claim.id,
        number=number,
        content_hash=message.approved_hash,
        started_at=at,
    )
    session.add(attempt)
    session.flush()
    outcome = AttemptOutcome(
        id=new_id(), attempt_id=attempt.id, kind=kind, code=code, stage=stage, at=at + timedelta(seconds=3)
    )
    session.add_all([outcome, *([AttemptEvidence(attempt_id=attempt.id, detail=words)] if words else [])])
    session.flush()
    return attempt


GREYLISTED = {"kind": OutcomeKind.RETRY_LATER, "code": "rcpt_450", "stage": "rcpt", "words": "450 4.2.0 Greylisted"}
BROKEN = {"kind": OutcomeKind.UNKNOWN, "code": "final_hang_up", "stage": "final", "words": ""}


def steps(session, actor, message):
    return [event.step for event in queries.life(session, actor, message_id=message.id)]


def test_a_life_is_told_in_its_order(session, actor, sent, now):
    tried(session, sent, ago=timedelta(minutes=40), number=1, now=now, **GREYLISTED)
    tried(
        session, sent, ago=timedelta(minutes=20), number=2, now=now, kind=OutcomeKind.ACCEPTED, code="", stage="final"
    )
    sent.state, sent.sent_at = MessageState.SENT.value, now - timedelta(minutes=19)
    sent.delivery, sent.delivery_at = "bounced", now - timedelta(minutes=5)
    session.flush()

    assert steps(session, actor, sent) == [
        Step.WRITTEN, Step.APPROVED, Step.CLAIMED, Step.TRIED, Step.OUTCOME, Step.CLAIMED, Step.TRIED, Step.OUTCOME,
        Step.SENT, Step.DELIVERY,
    ]  # fmt: skip


def test_an_answer_belongs_to_the_life_of_what_it_answers(session, actor, sent, now):
    sent.state, sent.sent_at = MessageState.SENT.value, now - timedelta(hours=1)
    received = Message(
        direction="inbound", channel=ChannelKind.EMAIL, purpose="reply", state=MessageState.RECEIVED,
        contact_id=sent.contact_id, conversation_id=sent.conversation_id, created_at=now,
    )  # fmt: skip
    session.add(received)
    session.flush()

    last = queries.life(session, actor, message_id=sent.id)[-1]

    assert (last.step, last.who) == (Step.REPLIED, "Ann Bo")


def test_what_is_put_off_says_why_and_until_when(client, session, actor, sent, now):
    sent.due_at, sent.reason = now + timedelta(days=1), "outside_window"
    session.flush()

    last = queries.life(session, actor, message_id=sent.id)[-1]

    assert (last.step, last.at, last.code) == (Step.DEFERRED, sent.due_at, "outside_window")
    assert "Put off until then." in client.get(f"/messages/{sent.id}").text


def test_the_page_names_who_wrote_and_approved_and_quotes_the_server(client, session, sent, now):
    tried(session, sent, ago=timedelta(minutes=40), now=now, **GREYLISTED)

    page = client.get(f"/messages/{sent.id}").text

    assert page.count("Giulia Ferri") >= 2
    assert "<q>450 4.2.0 Greylisted</q>" in page
    assert "It ended" not in page


def test_a_try_without_a_sentence_of_its_own_says_how_far_it_came(client, session, sent, now):
    tried(session, sent, ago=timedelta(minutes=40), kind=OutcomeKind.UNKNOWN, code="unknown", stage="data", now=now)

    assert "It ended before the text." in client.get(f"/messages/{sent.id}").text


def test_an_uncertain_message_shows_the_evidence_and_what_each_decision_means(client, session, sent, now):
    tried(session, sent, ago=timedelta(minutes=40), now=now, **BROKEN)
    sent.state, sent.reason = MessageState.UNCERTAIN.value, "final_hang_up"
    session.flush()

    page = client.get(f"/messages/{sent.id}").text

    assert "The connection broke after the whole message was sent: it may have arrived." in page
    assert f'action="/messages/{sent.id}/arrived"' in page
    assert f'action="/messages/{sent.id}/again"' in page
    assert "It counts as sent" in page
    assert "the person has it twice" in page


def test_a_decision_about_an_uncertain_message_joins_its_life(client, session, actor, sent, now):
    tried(session, sent, ago=timedelta(minutes=40), now=now, **BROKEN)
    sent.state = MessageState.UNCERTAIN.value
    session.flush()

    client.post(f"/messages/{sent.id}/again")

    found = [event for event in queries.life(session, actor, message_id=sent.id) if event.step is Step.DECIDED]
    assert [(event.who, event.code) for event in found] == [("Giulia Ferri", "send_again")]


def test_a_cancelled_message_ends_with_its_reason(session, actor, sent):
    sent.state, sent.reason = MessageState.CANCELLED.value, "taken_back"
    session.flush()

    last = queries.life(session, actor, message_id=sent.id)[-1]

    assert (last.step, last.code) == (Step.ENDED, "taken_back")


def test_an_account_tells_its_errors_with_what_to_do(client, session, actor, account, sent, now):
    tried(session, sent, ago=timedelta(minutes=40), number=1, now=now, **GREYLISTED)
    tried(
        session, sent, ago=timedelta(days=20), number=2, now=now, kind=OutcomeKind.AUTH, code="auth_535", stage="auth"
    )
    tried(session, sent, ago=timedelta(minutes=1), number=3, now=now, kind=OutcomeKind.ACCEPTED, code="", stage="final")

    found = queries.account_errors(session, actor, account_id=account.id, now=now)

    assert [(error.code, error.words) for error in found] == [("rcpt_450", "450 4.2.0 Greylisted")]
    assert "450 4.2.0 Greylisted" in client.get(f"/settings/channels/{account.id}").text


def test_a_held_account_says_what_is_wrong_and_how_to_mend_it(client, session, account, now):
    account.state, account.hold_reason = AccountState.HELD.value, "auth_535"
    account.last_error_at, account.last_error_code = now, "auth_535"
    session.flush()

    page = client.get(f"/settings/channels/{account.id}").text

    assert "The mail server refused the sign-in." in page
    assert "Write the password again" in page
    assert f'action="/settings/channels/{account.id}/resume"' in page


def test_an_account_names_the_domains_it_writes_to_slowly(client, session, actor, account, now):
    minute = now.replace(second=0, microsecond=0)
    for domain, steps_, until in (("slow.example", 2, now + timedelta(minutes=3)), ("done.example", 0, None)):
        session.add(
            DomainPace(account_id=account.id, domain=domain, minute=minute, tail=minute, steps=steps_, slow_until=until)
        )
    session.flush()

    found = queries.slow_domains(session, actor, account=account, now=now)

    assert [(row.domain, row.until) for row in found] == [("slow.example", now + timedelta(minutes=3))]
    page = client.get(f"/settings/channels/{account.id}").text
    assert "slow.example" in page
    assert "done.example" not in page


def test_an_account_shows_its_pace_and_what_waits(client, account, sent):
    page = client.get(f"/settings/channels/{account.id}").text

    assert "0 / 40" in page
    assert f"/messages/{sent.id}" in page
    assert f"/calendar?account={account.id}" in page

"""Claim, second look, attempt and outcome: what the sender's transactions do to a message."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from factories import outreach
from factories.contacts import company as make_company
from factories.contacts import handle
from sqlalchemy import select

from crm.channels.base import ChannelKind, Outcome, OutcomeKind
from crm.consent import services as consent
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose, SuppressionReason
from crm.contacts import services as contacts
from crm.contacts.kinds import HandleState
from crm.contacts.models import Handle
from crm.db import new_id
from crm.events import MessageSent, MessageStateChanged
from crm.interactions import queries as interactions
from crm.outreach import services
from crm.outreach.kinds import AccountState, MessageState
from crm.outreach.models import (
    Attempt,
    AttemptOutcome,
    BudgetUse,
    Claim,
    Conversation,
    FrozenContent,
    Message,
    SenderAccount,
)
from crm.outreach.pace_models import SenderPace
from crm.outreach.services.claim import claim, finish, release_held
from crm.outreach.services.compose import content_hash
from crm.outreach.services.outcomes import GIVE_UP_AFTER, Finished
from crm.outreach.services.recover import recover
from crm.outreach.services.wave import wave

LEASE = timedelta(seconds=120)
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, code="accepted", remote_id="queue-1")


def outcome(kind: OutcomeKind, **fields) -> Outcome:
    return Outcome(kind=kind, code=f"code_{kind.value}", **fields)


def take(desk, *, now: datetime):
    return claim(desk.session, desk.actor, account_id=desk.account.id, worker="test", lease=LEASE, now=now)


def begin(desk, claimed, *, now: datetime):
    """Write the attempts of what was claimed, as far as the gate lets it pass."""
    return wave(desk.session, desk.actor, claimed=claimed, finished=[], following=claimed.items, now=now)


def attempt(desk, *, now: datetime):
    """Claim what is due and begin it."""
    claimed = take(desk, now=now)
    return begin(desk, claimed, now=now) if claimed is not None else None


def end(desk, claimed, started, answer: Outcome, *, now: datetime):
    done = [Finished(each, answer) for each in started]
    return wave(desk.session, desk.actor, claimed=claimed, finished=done, following=[], now=now)


def state(desk, message_id: UUID) -> tuple[str, str]:
    return tuple(desk.session.execute(select(Message.state, Message.reason).where(Message.id == message_id)).one())


def row(desk, message_id: UUID) -> Message:
    return desk.session.get_one(Message, message_id, populate_existing=True)


def pass_through(desk, answer: Outcome, *, now: datetime, **fields) -> UUID:
    """One message through the whole pipeline with one answer."""
    message = outreach.message(desk.session, desk.actor, desk.contact_id, now=now, **fields)
    later = now + timedelta(seconds=2)
    claimed = take(desk, now=later)
    assert claimed is not None
    started = begin(desk, claimed, now=later).started
    assert [each.item.message_id for each in started] == [message.id]
    end(desk, claimed, started, answer, now=later)
    return message.id


def test_an_accepted_message_is_sent_with_its_attempt_its_timeline_entry_and_its_conversation(desk, now, told):
    message_id = pass_through(desk, ACCEPTED, now=now, subject="Il listino", body="Buongiorno **Ann**")
    sent = row(desk, message_id)
    assert (sent.state, sent.remote_id, sent.claim_id, sent.tries) == ("sent", "queue-1", None, 1)
    assert sent.sent_at == now + timedelta(seconds=2)
    attempt = desk.session.scalars(select(Attempt)).one()
    assert (attempt.number, attempt.content_hash) == (1, sent.approved_hash)
    ended = desk.session.scalars(select(AttemptOutcome)).one()
    assert (ended.kind, ended.attempt_id) == ("accepted", attempt.id)
    entry = interactions.timeline(desk.session, desk.actor, contact_id=desk.contact_id).items[0]
    assert (entry.kind, entry.subject, entry.body) == ("message.sent", "Il listino", "Buongiorno Ann")
    conversation = desk.session.get_one(Conversation, sent.conversation_id, populate_existing=True)
    assert (conversation.last_outbound_at, conversation.state) == (sent.sent_at, "waiting")
    assert [event.message_id for event in told if isinstance(event, MessageSent)] == [message_id]
    states = [event.state for event in told if isinstance(event, MessageStateChanged)]
    assert states == ["scheduled", "sent"]


def test_the_approved_hash_is_the_hash_of_what_leaves(desk, now):
    message = outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    claimed = take(desk, now=now + timedelta(seconds=2))
    frozen = desk.session.scalars(select(FrozenContent)).one()
    (item,) = claimed.items
    assert (
        item.content_hash == message.approved_hash == content_hash(frozen, handle_id=message.handle_id, voucher_id=None)
    )
    assert (item.text, item.html, item.to_address) == (frozen.text, frozen.html, "ann@example.com")


def test_nothing_is_claimed_before_its_time(desk, now):
    outreach.message(desk.session, desk.actor, desk.contact_id, send_at=now + timedelta(minutes=5), now=now)
    assert take(desk, now=now + timedelta(minutes=4, seconds=59)) is None
    assert take(desk, now=now + timedelta(minutes=5)) is not None


def test_what_one_run_has_claimed_no_other_run_gets(desk, now):
    outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    later = now + timedelta(seconds=2)
    assert take(desk, now=later) is not None
    assert take(desk, now=later) is None


def test_a_claim_gives_back_what_it_did_not_try(desk, now):
    message = outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    claimed = take(desk, now=now + timedelta(seconds=2))
    assert finish(desk.session, desk.actor, claim_id=claimed.claim_id, now=now) == 1
    assert state(desk, message.id)[0] == "scheduled"
    assert finish(desk.session, desk.actor, claim_id=claimed.claim_id, now=now) == 0


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (OutcomeKind.PERMANENT, "failed"),
        (OutcomeKind.POLICY, "failed"),
        (OutcomeKind.CONTENT, "failed"),
        (OutcomeKind.UNKNOWN, "uncertain"),
    ],
)
def test_a_final_refusal_fails_and_an_unknown_end_is_uncertain(desk, now, kind, expected):
    message_id = pass_through(desk, outcome(kind), now=now)
    assert state(desk, message_id) == (expected, kind.value)


def test_a_dead_address_is_marked_so_that_nobody_tries_again(desk, now):
    message_id = pass_through(desk, outcome(OutcomeKind.PERMANENT), now=now)
    found = desk.session.get_one(Handle, row(desk, message_id).handle_id, populate_existing=True)
    assert (found.state, found.state_reason) == (HandleState.BOUNCED, "code_permanent")


def test_what_surely_did_not_leave_is_tried_again_after_a_growing_pause(desk, now):
    message_id = pass_through(desk, outcome(OutcomeKind.RETRY_LATER), now=now)
    first = row(desk, message_id)
    assert (first.state, first.reason, first.claim_id) == ("scheduled", "retry_later", None)
    pause = first.due_at - (now + timedelta(seconds=2))
    assert timedelta(minutes=5) <= pause <= timedelta(minutes=6)
    assert first.planned_at == now + timedelta(seconds=1)


def test_the_channel_s_own_moment_is_respected(desk, now):
    not_before = now + timedelta(hours=7)
    message_id = pass_through(desk, outcome(OutcomeKind.RETRY_LATER, not_before=not_before), now=now)
    assert row(desk, message_id).due_at == not_before


def test_retries_end_after_two_days(desk, now):
    message_id = pass_through(desk, outcome(OutcomeKind.RETRY_LATER), now=now)
    again = now + GIVE_UP_AFTER
    desk.session.get_one(SenderAccount, desk.account.id).attended_at = again
    message = row(desk, message_id)
    message.due_at = again
    message.late_accepted = True
    desk.session.flush()
    claimed = take(desk, now=again)
    started = begin(desk, claimed, now=again).started
    assert started[0].number == 2
    end(desk, claimed, started, outcome(OutcomeKind.RETRY_LATER), now=again)
    assert state(desk, message_id) == ("failed", "retries_used_up")


def test_an_account_notes_that_it_works_once_a_minute(desk, now):
    def last_ok():
        return desk.session.scalar(select(SenderAccount.last_ok_at).where(SenderAccount.id == desk.account.id))

    pass_through(desk, ACCEPTED, now=now)
    first = last_ok()
    assert first == now + timedelta(seconds=2)
    pass_through(desk, ACCEPTED, now=now + timedelta(seconds=20))
    assert last_ok() == first
    pass_through(desk, ACCEPTED, now=now + timedelta(seconds=70))
    assert last_ok() == now + timedelta(seconds=72)


def test_a_refused_sign_in_holds_the_account_and_keeps_the_messages_due(desk, now):
    message_id = pass_through(desk, outcome(OutcomeKind.AUTH), now=now)
    assert state(desk, message_id) == ("scheduled", "auth")
    account = desk.session.get_one(SenderAccount, desk.account.id, populate_existing=True)
    assert (account.state, account.last_error_code) == (AccountState.HELD, "code_auth")
    assert take(desk, now=now + timedelta(minutes=30)) is None
    assert take(desk, now=now + timedelta(minutes=61)) is not None


# The second look


def promotion(desk, now, **fields):
    return outreach.message(desk.session, desk.actor, desk.contact_id, purpose=Purpose.PROMOTIONAL, now=now, **fields)


def test_an_opt_out_after_the_claim_still_stops_the_message(desk, now):
    message = promotion(desk, now)
    claimed = take(desk, now=now + timedelta(seconds=2))
    assert len(claimed.items) == 1
    consent.record(
        desk.session,
        desk.actor,
        contact_id=desk.contact_id,
        purpose=ConsentPurpose.PROMOTIONAL,
        channel=None,
        action=ConsentAction.WITHDRAWN,
        basis=Basis.CONSENT,
        source="phone",
        happened_at=now + timedelta(seconds=2),
        now=now + timedelta(seconds=2),
    )
    result = begin(desk, claimed, now=now + timedelta(seconds=3))
    assert result.started == []
    assert state(desk, message.id) == ("skipped", "consent_withdrawn")


def test_a_suppression_after_the_claim_still_stops_the_message(desk, now):
    message = promotion(desk, now)
    claimed = take(desk, now=now + timedelta(seconds=2))
    consent.suppress(
        desk.session,
        desk.actor,
        channel=ChannelKind.EMAIL,
        address_norm="ann@example.com",
        reason=SuppressionReason.ASKED,
        now=now,
    )
    assert begin(desk, claimed, now=now + timedelta(seconds=3)).started == []
    assert state(desk, message.id) == ("skipped", "suppressed")


def test_a_pause_after_the_claim_still_holds_the_message(desk, now):
    message = promotion(desk, now)
    claimed = take(desk, now=now + timedelta(seconds=2))
    services.pause_sending(desk.session, desk.actor, promotions_only=True)
    assert begin(desk, claimed, now=now + timedelta(seconds=3)).started == []
    assert state(desk, message.id) == ("held", "promotions_paused")
    assert services.resume_sending(desk.session, desk.actor, promotions_only=True, now=now + timedelta(minutes=5)) == 1
    resumed = row(desk, message.id)
    assert (resumed.state, resumed.due_at) == ("scheduled", now + timedelta(minutes=5))


def test_what_became_too_late_in_a_pause_waits_for_a_person(desk, now):
    message = promotion(desk, now)
    services.pause_sending(desk.session, desk.actor, promotions_only=True)
    attempt(desk, now=now + timedelta(seconds=2))
    assert services.resume_sending(desk.session, desk.actor, promotions_only=True, now=now + timedelta(hours=3)) == 0
    assert state(desk, message.id) == ("held", "stale")


def test_a_cancelled_message_is_not_begun_although_it_was_claimed(desk, now):
    message = promotion(desk, now)
    claimed = take(desk, now=now + timedelta(seconds=2))
    assert services.cancel(desk.session, desk.actor, message_ids=[message.id], now=now).done == (message.id,)
    assert begin(desk, claimed, now=now + timedelta(seconds=3)).started == []
    assert state(desk, message.id) == ("cancelled", "by_hand")


def test_two_promotions_to_one_person_in_a_wave_share_one_budget(desk, now):
    desk.session.add(budget(desk, now - timedelta(days=1)))
    desk.session.flush()
    first, second = promotion(desk, now), promotion(desk, now, send_at=now + timedelta(seconds=2))
    claimed = take(desk, now=now + timedelta(seconds=3))
    assert len(claimed.items) == 2
    result = begin(desk, claimed, now=now + timedelta(seconds=3))
    assert [each.item.message_id for each in result.started] == [first.id]
    held = row(desk, second.id)
    assert (held.state, held.reason, held.held_until) == ("held", "budget_person", now + timedelta(days=6))


def budget(desk, at: datetime, *, contact_id: UUID | None = None, company_id: UUID | None = None) -> BudgetUse:
    """A promotion that was tried before."""
    earlier = Message(
        id=new_id(), channel="email", purpose="promotional", state="sent", contact_id=contact_id or desk.contact_id
    )
    desk.session.add(earlier)
    desk.session.flush()
    return BudgetUse(
        message_id=earlier.id,
        contact_id=contact_id or desk.contact_id,
        company_id=company_id,
        purpose="promotional",
        at=at,
    )


def test_the_people_of_one_company_share_a_budget(desk, now):
    company = make_company(desk.session, desk.actor)
    contacts.update(desk.session, desk.actor, contact_id=desk.contact_id, changes={"company_id": company.id}, now=now)
    colleague = outreach.person(desk.session, desk.actor, "Bo Bo", email="bo@example.com", now=now)
    for day in range(1, 7):
        desk.session.add(budget(desk, now - timedelta(days=day), contact_id=colleague, company_id=company.id))
    desk.session.flush()
    message = promotion(desk, now)
    attempt(desk, now=now + timedelta(seconds=2))
    assert state(desk, message.id) == ("held", "budget_company")


def test_a_refused_message_gives_its_budget_back_and_an_uncertain_one_does_not(desk, now):
    pass_through(desk, outcome(OutcomeKind.RETRY_LATER), now=now, purpose=Purpose.PROMOTIONAL)
    assert desk.session.scalars(select(BudgetUse)).all() == []
    pass_through(desk, outcome(OutcomeKind.UNKNOWN), now=now + timedelta(minutes=1), purpose=Purpose.PROMOTIONAL)
    assert len(desk.session.scalars(select(BudgetUse)).all()) == 1


def test_a_promotion_at_night_is_due_again_at_nine(desk, now):
    evening = now.replace(hour=19)
    message = promotion(desk, evening)
    attempt(desk, now=evening + timedelta(seconds=2))
    deferred = row(desk, message.id)
    assert (deferred.state, deferred.reason) == ("scheduled", "outside_window")
    assert deferred.due_at == datetime.fromisoformat("2026-11-24T08:00:00+00:00")
    assert deferred.planned_at == evening + timedelta(seconds=1)


def test_a_moved_handle_stops_the_message(desk, now):
    message = promotion(desk, now)
    contacts.remove_handle(desk.session, desk.actor, handle_id=message.handle_id, now=now)
    attempt(desk, now=now + timedelta(seconds=2))
    assert state(desk, message.id) == ("skipped", "no_handle")


# Pace


def test_an_account_sends_no_more_than_its_pace(desk, now):
    account = desk.session.get_one(SenderAccount, desk.account.id)
    account.per_minute, account.per_day = 2, 3
    desk.session.flush()
    for _ in range(4):
        outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    later = now + timedelta(seconds=2)
    claimed = take(desk, now=later)
    assert len(begin(desk, claimed, now=later).started) == 2
    assert take(desk, now=later) is None
    next_minute = now + timedelta(minutes=1)
    claimed = take(desk, now=next_minute)
    assert len(begin(desk, claimed, now=next_minute).started) == 1
    assert take(desk, now=now + timedelta(hours=8)) is None
    spans = desk.session.execute(
        select(SenderPace.span, SenderPace.used).order_by(SenderPace.span, SenderPace.starts_at)
    )
    assert [tuple(row) for row in spans] == [("day", 3), ("minute", 2), ("minute", 1)]


def test_a_pace_that_was_used_up_meanwhile_starts_only_what_has_room(desk, now):
    account = desk.session.get_one(SenderAccount, desk.account.id)
    account.per_hour = 2
    desk.session.flush()
    ids = [outreach.message(desk.session, desk.actor, desk.contact_id, now=now).id for _ in range(2)]
    later = now + timedelta(seconds=2)
    claimed = take(desk, now=later)
    account.per_hour = 1
    desk.session.flush()
    result = begin(desk, claimed, now=later)
    assert (len(result.started), result.is_pace_used_up) == (1, True)
    finish(desk.session, desk.actor, claim_id=claimed.claim_id, now=later)
    assert sorted(state(desk, key)[0] for key in ids) == ["scheduled", "sending"]


def test_waiting_for_the_pace_makes_no_message_stale_but_an_outage_does(desk, now):
    account = desk.session.get_one(SenderAccount, desk.account.id)
    account.per_hour = 1
    desk.session.flush()
    queued = [outreach.message(desk.session, desk.actor, desk.contact_id, now=now).id for _ in range(6)]
    for hour in range(4):
        at = now + timedelta(hours=hour, seconds=2)
        claimed = take(desk, now=at)
        begin(desk, claimed, now=at)
    after_outage = now + timedelta(hours=9)
    attempt(desk, now=after_outage)
    states = [state(desk, key) for key in queued]
    assert states.count(("sending", "")) == 4
    assert ("held", "stale") in states


def test_a_stale_message_goes_when_a_person_releases_it(desk, now):
    message = promotion(desk, now)
    attempt(desk, now=now + timedelta(hours=4))
    assert state(desk, message.id) == ("held", "stale")
    later = now + timedelta(hours=5)
    services.release(desk.session, desk.actor, message_ids=[message.id], now=later)
    claimed = take(desk, now=later)
    assert len(begin(desk, claimed, now=later).started) == 1


def test_a_domain_gets_no_more_a_minute_than_the_cap_and_the_others_go_on(desk, now):
    account = desk.session.get_one(SenderAccount, desk.account.id)
    account.per_domain = 1
    desk.session.flush()
    other = outreach.person(desk.session, desk.actor, "Bo Bo", email="bo@elsewhere.example", now=now)
    third = outreach.person(desk.session, desk.actor, "Cy Cy", email="Cy@Example.com", now=now)
    keys = [
        outreach.message(desk.session, desk.actor, person, purpose=Purpose.PROMOTIONAL, now=now).id
        for person in (desk.contact_id, third, other)
    ]
    later = now + timedelta(seconds=2)
    result = attempt(desk, now=later)
    assert {each.item.message_id for each in result.started} == {keys[0], keys[2]}
    put_off = row(desk, keys[1])
    assert (put_off.state, put_off.reason, put_off.claim_id) == ("scheduled", "domain_pace", None)
    assert put_off.due_at == now + timedelta(minutes=1, seconds=1)
    assert put_off.planned_at == now + timedelta(seconds=1)
    assert attempt(desk, now=later) is None
    again = attempt(desk, now=now + timedelta(minutes=1, seconds=2))
    assert [each.item.message_id for each in again.started] == [keys[1]]


def test_a_domain_that_asks_for_it_is_left_alone_and_the_others_go_on(desk, now):
    busy = Outcome(kind=OutcomeKind.RETRY_LATER, code="rcpt_421", detail="4.7.28")
    first = pass_through(desk, busy, now=now)
    other = outreach.person(desk.session, desk.actor, "Bo Bo", email="bo@elsewhere.example", now=now)
    moment = now + timedelta(seconds=10)
    there = outreach.message(desk.session, desk.actor, other, now=moment).id
    here = outreach.message(desk.session, desk.actor, desk.contact_id, now=moment).id
    result = attempt(desk, now=now + timedelta(seconds=12))
    assert [each.item.message_id for each in result.started] == [there]
    assert state(desk, here) == ("scheduled", "domain_pace")
    assert row(desk, here).due_at == now + timedelta(minutes=2)
    assert state(desk, first) == ("scheduled", "retry_later")
    result = attempt(desk, now=now + timedelta(minutes=2))
    assert [each.item.message_id for each in result.started] == [here]


def test_many_refusals_of_a_wave_wait_each_for_its_own_moment(desk, now):
    ids = [outreach.message(desk.session, desk.actor, desk.contact_id, now=now).id for _ in range(6)]
    later = now + timedelta(seconds=2)
    claimed = take(desk, now=later)
    started = begin(desk, claimed, now=later).started
    asked = later + timedelta(hours=3)
    row(desk, ids[0]).first_tried_at = later - GIVE_UP_AFTER
    desk.session.flush()
    answers = [outcome(OutcomeKind.RETRY_LATER, not_before=asked if each is started[1] else None) for each in started]
    done = [Finished(each, answer) for each, answer in zip(started, answers, strict=True)]
    wave(desk.session, desk.actor, claimed=claimed, finished=done, following=[], now=later)
    rows = {key: row(desk, key) for key in ids}
    assert state(desk, ids[0]) == ("failed", "retries_used_up")
    assert rows[started[1].item.message_id].due_at == asked
    moments = [rows[key].due_at for key in ids[2:]]
    assert len(set(moments)) == 4
    assert all(timedelta(minutes=5) <= at - later <= timedelta(minutes=6) for at in moments)
    assert {rows[key].claim_id for key in ids[1:]} == {None}


# Recovery and fencing


def lapse(desk, claimed) -> None:
    row = desk.session.get_one(Claim, claimed.claim_id)
    row.leased_until = row.leased_until - 2 * LEASE
    desk.session.flush()


def test_a_lapsed_claim_gives_back_what_was_claimed_and_asks_a_person_about_what_was_under_way(desk, now):
    ids = [outreach.message(desk.session, desk.actor, desk.contact_id, now=now).id for _ in range(3)]
    later = now + timedelta(seconds=2)
    claimed = take(desk, now=later)
    wave(desk.session, desk.actor, claimed=claimed, finished=[], following=claimed.items[:1], now=later)
    assert recover(desk.session, desk.actor, claim_id=claimed.claim_id, now=later) is None
    lapse(desk, claimed)
    found = recover(desk.session, desk.actor, claim_id=claimed.claim_id, now=later)
    assert (found.scheduled, found.uncertain) == (2, 1)
    assert sorted(state(desk, key) for key in ids) == [
        ("scheduled", ""),
        ("scheduled", ""),
        ("uncertain", "worker_stopped"),
    ]
    assert recover(desk.session, desk.actor, claim_id=claimed.claim_id, now=later) is None
    evidence = desk.session.scalars(select(AttemptOutcome)).one()
    assert (evidence.kind, evidence.code) == ("unknown", "worker_stopped")


def test_a_run_that_wakes_up_late_changes_nothing(desk, now):
    message = outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    later = now + timedelta(seconds=2)
    claimed = take(desk, now=later)
    started = begin(desk, claimed, now=later).started
    lapse(desk, claimed)
    recover(desk.session, desk.actor, claim_id=claimed.claim_id, now=later)
    result = end(desk, claimed, started, ACCEPTED, now=later)
    assert (result.sent, result.orphaned) == (0, 1)
    assert state(desk, message.id) == ("uncertain", "worker_stopped")


def test_a_run_can_not_begin_what_was_taken_from_it(desk, now):
    message = outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    later = now + timedelta(seconds=2)
    claimed = take(desk, now=later)
    lapse(desk, claimed)
    recover(desk.session, desk.actor, claim_id=claimed.claim_id, now=later)
    assert begin(desk, claimed, now=later).started == []
    assert state(desk, message.id)[0] == "scheduled"
    same_claim = claim(
        desk.session,
        desk.actor,
        account_id=desk.account.id,
        claim_id=claimed.claim_id,
        worker="test",
        lease=LEASE,
        now=later,
    )
    assert same_claim is None


def test_held_messages_whose_time_has_come_are_due_again(desk, now):
    desk.session.add(budget(desk, now - timedelta(days=6)))
    desk.session.add(budget(desk, now - timedelta(days=5)))
    desk.session.flush()
    message = promotion(desk, now)
    attempt(desk, now=now + timedelta(seconds=2))
    assert state(desk, message.id) == ("held", "budget_person")
    assert release_held(desk.session, desk.actor, now=now + timedelta(hours=23)) == 0
    assert release_held(desk.session, desk.actor, now=now + timedelta(days=1)) == 1
    assert state(desk, message.id) == ("scheduled", "")


def test_an_account_that_is_paused_sends_nothing(desk, now):
    outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    services.pause_account(desk.session, desk.actor, account_id=desk.account.id)
    assert take(desk, now=now + timedelta(seconds=2)) is None
    services.resume_account(desk.session, desk.actor, account_id=desk.account.id)
    assert take(desk, now=now + timedelta(seconds=3)) is not None


def test_a_person_decides_that_an_uncertain_message_arrived(desk, now):
    message_id = pass_through(desk, outcome(OutcomeKind.UNKNOWN), now=now)
    decided = services.resolve_uncertain(
        desk.session, desk.actor, message_id=message_id, decision=services.Decision.ARRIVED, now=now
    )
    assert decided.state == MessageState.SENT
    assert len(interactions.timeline(desk.session, desk.actor, contact_id=desk.contact_id).items) >= 1
    with pytest.raises(services.NotWaitingError):
        services.resolve_uncertain(
            desk.session, desk.actor, message_id=message_id, decision=services.Decision.SEND_AGAIN, now=now
        )


def test_a_person_decides_that_an_uncertain_message_goes_again_with_the_same_reference(desk, now):
    message_id = pass_through(desk, outcome(OutcomeKind.UNKNOWN), now=now, purpose=Purpose.PROMOTIONAL)
    before = row(desk, message_id).reference
    services.resolve_uncertain(
        desk.session, desk.actor, message_id=message_id, decision=services.Decision.SEND_AGAIN, now=now
    )
    later = now + timedelta(hours=1)
    claimed = take(desk, now=later)
    started = begin(desk, claimed, now=later).started
    assert [(each.number, each.item.reference) for each in started] == [(2, before)]


def test_a_stranger_can_be_answered(desk, now):
    stranger = handle(desk.session, desk.actor, address="stranger@example.com", now=now)
    conversation = Conversation(
        channel="email",
        account_id=desk.account.id,
        handle_id=stranger.id,
        subject="Ciao",
        last_at=now,
        last_inbound_at=now,
    )
    desk.session.add(conversation)
    desk.session.flush()
    message = services.reply(desk.session, desk.actor, conversation_id=conversation.id, body="Salve", now=now)
    later = now + timedelta(seconds=16)
    claimed = take(desk, now=later)
    started = begin(desk, claimed, now=later).started
    assert started[0].item.to_address == "stranger@example.com"
    end(desk, claimed, started, ACCEPTED, now=later)
    assert state(desk, message.id)[0] == "sent"

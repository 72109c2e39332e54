"""Outcomes are total, holdouts are steady, times are even, and the comparison tells when it can't tell."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.campaigns.kinds import CampaignStage, CampaignState, Outcome, RecipientState
from crm.campaigns.rules import OUTCOMES, campaign_state, held_out, lift, outcome, spread
from crm.outreach.kinds import BatchState, MessageState

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
IDS = st.lists(st.uuids(), unique=True, max_size=60)


def test_every_state_of_an_outgoing_message_has_an_outcome():
    assert set(OUTCOMES) == set(MessageState) - {MessageState.RECEIVED}


@pytest.mark.parametrize("state", RecipientState)
@pytest.mark.parametrize("message", [*OUTCOMES, None])
def test_every_recipient_is_in_exactly_one_outcome(state, message):
    assert outcome(state, message) in Outcome


def test_a_recipient_whose_message_is_gone_counts_as_cancelled():
    assert outcome(RecipientState.DRAFTED, None) is Outcome.CANCELLED


@given(ids=IDS, percent=st.integers(0, 90), seed=st.integers(0, 2**31 - 1), shuffled=st.randoms())
def test_the_same_people_and_seed_hold_out_the_same_people(ids, percent, seed, shuffled):
    chosen = held_out(ids, percent=percent, seed=seed)
    again = list(ids)
    shuffled.shuffle(again)
    assert held_out(again, percent=percent, seed=seed) == chosen
    assert len(chosen) == round(len(ids) * percent / 100)
    assert chosen <= set(ids)


def test_another_seed_holds_out_others():
    ids = [UUID(int=n) for n in range(100)]
    assert held_out(ids, percent=20, seed=1) != held_out(ids, percent=20, seed=2)


@given(count=st.integers(1, 300), minutes=st.integers(1, 10_000))
def test_spread_times_keep_the_order_stay_inside_and_begin_at_the_beginning(count, minutes):
    end = NOW + timedelta(minutes=minutes)
    times = list(spread(list(range(count)), start=NOW, end=end).values())
    assert times[0] == NOW
    assert times == sorted(times)
    assert times[-1] <= end
    if count > 1:
        assert times[-1] == end


@pytest.mark.parametrize(
    ("outcomes", "batch", "starts_at", "expected"),
    [
        ({Outcome.WAITING: 3}, BatchState.OPEN, NOW + timedelta(hours=1), CampaignState.SCHEDULED),
        ({Outcome.WAITING: 3}, BatchState.OPEN, NOW, CampaignState.RUNNING),
        ({Outcome.WAITING: 2, Outcome.SENT: 1}, BatchState.OPEN, NOW + timedelta(hours=1), CampaignState.RUNNING),
        ({Outcome.WAITING: 3}, BatchState.PAUSED, NOW, CampaignState.PAUSED),
        ({Outcome.SENT: 3}, BatchState.PAUSED, NOW, CampaignState.FINISHED),
        ({Outcome.SENT: 2, Outcome.HELD: 1}, BatchState.OPEN, NOW, CampaignState.RUNNING),
        ({Outcome.SENT: 2, Outcome.UNCERTAIN: 1}, BatchState.OPEN, NOW, CampaignState.RUNNING),
        ({Outcome.SENT: 2, Outcome.FAILED: 1}, BatchState.OPEN, NOW, CampaignState.FINISHED),
    ],
)
def test_a_scheduled_campaign_is_finished_only_when_everybody_is_settled(outcomes, batch, starts_at, expected):
    found = campaign_state(CampaignStage.SCHEDULED, batch=batch, outcomes=outcomes, starts_at=starts_at, now=NOW)
    assert found is expected


@pytest.mark.parametrize("stage", [CampaignStage.DRAFT, CampaignStage.REVIEW, CampaignStage.CANCELLED])
def test_other_stages_show_themselves(stage):
    assert campaign_state(stage, batch=None, outcomes={}, starts_at=None, now=NOW).value == stage.value


def test_the_interval_is_that_of_newcombe_s_paper():
    # Newcombe 1998, table II, (a) 56/70 - 48/80, method 10: 0.0524 to 0.3339.
    found = lift(written=70, written_bought=56, kept=80, kept_bought=48)
    assert found is not None
    assert (round(found.low, 2), round(found.high, 2)) == (5.24, 33.39)
    assert found.is_clear


def test_few_people_tell_nothing():
    found = lift(written=84, written_bought=19, kept=12, kept_bought=2)
    assert found is not None
    assert not found.is_clear
    assert found.needed is not None
    assert found.needed > 84


@pytest.mark.parametrize(("written", "kept"), [(0, 5), (5, 0)])
def test_there_is_nothing_to_compare_without_two_groups(written, kept):
    assert lift(written=written, written_bought=0, kept=kept, kept_bought=0) is None

"""Twenty faults of different kinds, each with a fixed seed: nothing lost, nothing twice, and doubt within its bound.

`make faults` plays all of them, many times, with other seeds.
"""

import pytest

from crm.chaos.faults import CATALOGUE, fault_of
from crm.chaos.runs import play, run

pytestmark = pytest.mark.journey

CHOSEN = (
    "worker killed at before_claim_commit",
    "horse killed at after_claim",
    "worker of a horse killed at after_attempt_commit",
    "worker killed at mid_request",
    "horse killed at after_request",
    "group killed at after_accept",
    "worker killed at after_final_commit",
    "worker killed while the server holds its answer back",
    "worker killed above a backlog",
    "worker stopped at before_claim_commit and woken after its lease",
    "worker stopped at after_attempt_commit and woken after its lease",
    "horse stopped at mid_request and woken after its lease",
    "Valkey flushed before a worker listens",
    "Valkey killed and restarted empty",
    "PostgreSQL restarted in immediate mode",
    "clock killed",
    "everything killed at once",
    "server hangs at final",
    "server takes the message and drops the connection at final",
    "server answers 5xx at auth",
)


def test_no_fault_loses_a_message_or_sends_one_twice():
    results = list(run(range(2026, 2026 + len(CHOSEN)), only=CHOSEN, lanes=3))
    assert sorted(result.fault for result in results) == sorted(CHOSEN)
    assert {result.fault: result.violations for result in results if result.violations} == {}
    lost_bells = [result for result in results if result.family.startswith("Valkey")]
    assert [(result.messages, result.uncertain) for result in lost_bells] == [(200, 0), (200, 0)]


def test_consecutive_seeds_play_every_fault_once_before_any_comes_again():
    number = len(CATALOGUE)
    for start in (0, number):
        assert {fault_of(seed).name for seed in range(start, start + number)} == set(CATALOGUE)
    assert [fault_of(seed).name for seed in range(9)] != [fault_of(seed).name for seed in range(number, number + 9)]


@pytest.mark.long
def test_a_single_kill_is_over_within_three_minutes_at_the_shipped_settings(servers):
    result = play(servers, CATALOGUE["worker killed at after_attempt_commit"], 1, fast=False)
    assert result.violations == []
    assert result.recovery < 180

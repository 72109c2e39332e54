"""`kill -9` of a real worker at every point of a message's life, and a queue server that forgets everything."""

import pytest

from crm.outreach.lines import CONNECTIONS
from crm.outreach.runner import AHEAD

pytestmark = pytest.mark.journey


@pytest.mark.parametrize("point", ["before_claim_commit", "after_claim"])
def test_a_kill_before_the_attempt_is_committed_loses_nothing_and_asks_nobody(house, simulate, point):
    simulator = simulate()
    house.fill(simulator, number=30)
    house.clock()
    house.worker_that_dies(failpoints=f"{point}=kill")
    assert simulator.entries() == []
    house.worker()
    assert house.wait_until_settled() == {"sent": 30}
    house.check_journal(simulator)
    assert len(simulator.entries()) == 30


@pytest.mark.parametrize(
    "point", ["after_attempt_commit", "mid_request=kill@3", "after_accept=kill@5", "after_final_commit"]
)
def test_a_kill_around_the_hand_over_leaves_at_most_one_uncertain_message_a_connection(house, simulate, point):
    simulator = simulate()
    house.fill(simulator, number=30)
    house.clock()
    failpoints = point if "=" in point else f"{point}=kill"
    house.worker_that_dies(failpoints=failpoints)
    house.worker()
    settled = house.wait_until_settled()
    assert settled.keys() <= {"sent", "uncertain"}
    assert settled.get("uncertain", 0) <= CONNECTIONS
    assert sum(settled.values()) == 30
    house.check_journal(simulator)


def test_a_kill_while_the_server_holds_its_answer_back_leaves_that_message_uncertain(house, simulate):
    simulator = simulate(hang_at=4)
    house.fill(simulator, number=30)
    house.clock()
    worker = house.worker()
    simulator.wait_for(4)
    worker.kill()
    worker.join()
    hung = next(entry["reference"] for entry in simulator.entries() if entry["number"] == 4)
    house.worker()
    settled = house.wait_until_settled()
    assert 1 <= settled["uncertain"] <= CONNECTIONS
    house.check_journal(simulator)
    assert house.state_of(hung) == "uncertain"


def test_above_a_backlog_what_was_written_ahead_is_uncertain_too_and_no_more(house, simulate):
    simulator = simulate()
    house.fill(simulator, number=620)
    house.clock()
    house.worker_that_dies(failpoints="after_accept=kill@20")
    house.worker()
    settled = house.wait_until_settled()
    assert settled["uncertain"] <= CONNECTIONS + AHEAD
    assert settled["sent"] + settled["uncertain"] == 620
    house.check_journal(simulator)


def test_a_flush_of_the_queue_server_with_200_messages_due_costs_nothing(house, simulate):
    simulator = simulate(pause_ms=10)
    house.fill(simulator, number=200)
    house.clock()
    house.worker()
    simulator.wait_for(10)
    house.flush_queue_server()
    assert house.wait_until_settled() == {"sent": 200}
    house.check_journal(simulator)
    assert len(simulator.entries()) == 200


def test_a_flush_before_any_worker_listens_costs_nothing(house, simulate):
    simulator = simulate()
    house.fill(simulator, number=200)
    house.clock()
    house.wait_until_woken()
    house.flush_queue_server()
    house.worker()
    assert house.wait_until_settled() == {"sent": 200}
    house.check_journal(simulator)

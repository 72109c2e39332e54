"""Failpoints: off without the test switch, never by a typing error, once where that is asked for."""

import os

import pytest

from crm import failpoints
from crm.failpoints import Failpoint, arm, reach
from crm.settings import Settings


@pytest.fixture
def struck(monkeypatch):
    """How often an action happened; the actions themselves would end this process."""
    found: list[str] = []
    monkeypatch.setattr(failpoints, "_ACTIONS", {"kill": lambda: found.append("kill")})
    monkeypatch.setattr(failpoints, "_traps", {})
    return found


def armed(spec: str, *, switch: bool = True) -> None:
    arm(Settings.load(test_switch=switch, failpoints=spec))


def test_without_the_test_switch_nothing_happens(struck):
    armed("after_claim=kill", switch=False)
    reach(Failpoint.AFTER_CLAIM)
    assert struck == []


@pytest.mark.parametrize("spec", ["after_clam=kill", "after_claim=kil", "after_claim", "after_claim=kill@x"])
def test_a_typing_error_is_an_error(struck, spec):
    with pytest.raises((ValueError, KeyError)):
        armed(spec)


def test_it_strikes_at_the_chosen_passage_of_its_own_point(struck):
    armed("after_claim=kill@3, after_accept=kill")
    for _ in range(2):
        reach(Failpoint.AFTER_CLAIM)
    reach(Failpoint.MID_REQUEST)
    assert struck == []
    reach(Failpoint.AFTER_CLAIM)
    reach(Failpoint.AFTER_CLAIM)
    assert struck == ["kill"]
    reach(Failpoint.AFTER_ACCEPT)
    assert struck == ["kill", "kill"]


def test_with_a_file_it_strikes_once_in_all_processes_and_says_where(struck, tmp_path):
    sign = tmp_path / "reached"
    for _process in range(2):
        armed(f"after_claim=kill!{sign}")
        reach(Failpoint.AFTER_CLAIM)
    assert struck == ["kill"]
    assert sign.read_text() == str(os.getpid())

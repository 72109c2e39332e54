"""The order of Today, as a rule on plain values."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.desk.queue import Kind
from crm.desk.ranking import KEY, MOST_DAYS, MOST_FURTHER, WEIGHTS, ranked, weight_of

ONE = UUID(int=1)
TODAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Reason:
    kind: str
    contact_id: UUID | None = None
    id: UUID = ONE
    name: str = "Ann"
    is_key: bool = False
    is_promise: bool = False
    since: datetime | None = None
    due_on: date | None = None


def names(*reasons):
    return [line.first.name for line in ranked(reasons, today=TODAY)]


def reason(kind, name, **fields):
    return Reason(kind, contact_id=uuid4(), name=name, **fields)


def test_each_kind_has_its_weight():
    assert {kind.value for kind in Kind} <= set(WEIGHTS)


def test_who_asked_stands_before_who_would_only_be_glad():
    kinds = ["quiet", "cadence", "date", "task", "drafts", "held", "uncertain", "complaint", "reply"]
    assert names(*(reason(kind, kind) for kind in kinds)) == kinds[::-1]


@pytest.mark.parametrize(
    ("is_promise", "days", "weight"), [(True, 1, 70), (True, 0, 64), (False, 1, 58), (False, 0, 54)]
)
def test_promises_stand_before_tasks_and_late_ones_before_todays(is_promise, days, weight):
    one = Reason("task", is_promise=is_promise, due_on=TODAY - timedelta(days=days))
    assert weight_of(one, today=TODAY) == weight


def test_a_key_person_stands_before_another_and_the_longer_wait_before_the_shorter():
    late = NOON - timedelta(hours=2)
    found = names(
        reason("reply", "new", since=NOON), reason("reply", "key", since=NOON, is_key=True),
        reason("reply", "old", since=late), reason("reply", "days", since=NOON - timedelta(days=3)),
    )  # fmt: skip
    assert found == ["key", "days", "old", "new"]


def test_several_reasons_of_one_person_are_one_line_with_the_heaviest_first():
    ann = uuid4()
    (line,) = ranked([Reason("task", ann, due_on=TODAY), Reason("cadence", ann), Reason("reply", ann)], today=TODAY)
    assert [one.kind for one in line.reasons] == ["reply", "task", "cadence"]
    assert line.weight == WEIGHTS["reply"] + 6


some = st.builds(
    Reason,
    kind=st.sampled_from([kind.value for kind in Kind]),
    contact_id=st.sampled_from([None, UUID(int=7), UUID(int=8), UUID(int=9)]),
    id=st.uuids(),
    is_key=st.booleans(),
    is_promise=st.booleans(),
    since=st.none() | st.integers(0, 90).map(lambda days: NOON - timedelta(days=days)),
)


@given(st.lists(some, max_size=12, unique_by=lambda one: one.id), st.randoms(use_true_random=False))
@settings(max_examples=80)
def test_every_reason_stands_in_one_line_and_the_order_is_of_the_weight_alone(reasons, order):
    lines = ranked(reasons, today=TODAY)
    assert sorted(one.id for line in lines for one in line.reasons) == sorted(one.id for one in reasons)
    assert len({line.first.contact_id or line.first.id for line in lines}) == len(lines)
    weights = [line.weight for line in lines]
    assert weights == sorted(weights, reverse=True)
    for line in lines:
        own = weight_of(line.first, today=TODAY)
        assert own <= line.weight <= own + KEY + MOST_FURTHER + MOST_DAYS
        assert all(weight_of(one, today=TODAY) <= own for one in line.others)
    again = list(reasons)
    order.shuffle(again)
    assert [line.weight for line in ranked(again, today=TODAY)] == weights

"""The threads with the connections: nothing is sent beyond the lease of whoever handed it over."""

from uuid import UUID

import pytest
from factories import outreach
from sqlalchemy import select

from crm.channels.base import Outcome, OutcomeKind
from crm.outreach.lines import Lane, Lines, steady
from crm.outreach.models import Message
from crm.outreach.services.claim import sendable
from crm.outreach.services.outcomes import Started


class Channel:
    """Notes what it is given."""

    def __init__(self, left: list[UUID]) -> None:
        self.left = left

    def send(self, outbound) -> Outcome:
        self.left.append(outbound.message_id)
        return Outcome(kind=OutcomeKind.ACCEPTED, code="accepted")

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def started(session, actor, now) -> list[Started]:
    outreach.account(session, actor, now=now)
    person = outreach.person(session, actor, now=now)
    made = [outreach.message(session, actor, person, now=now).id for _ in range(3)]
    assert set(session.scalars(select(Message.id).where(Message.id.in_(made)))) == set(made)
    return [Started(item, item.message_id, 1, now) for item in sendable(session, made)]


@pytest.mark.parametrize(
    ("seconds", "expected", "code"), [(60.0, 3, "accepted"), (0.0, 0, "lease_over"), (-60.0, 0, "lease_over")]
)
def test_a_line_sends_only_while_the_lease_runs(started, seconds, expected, code):
    left: list[UUID] = []
    lines = Lines(lambda: Channel(left), size=2)
    until = steady() + seconds
    lane = Lane(lines, leased_until=lambda: until)
    lane.hand_over(started)
    finished = lane.collect(seconds=10.0, enough=3, linger=10.0)
    lines.close()
    assert len(left) == expected
    assert [done.outcome.code for done in finished] == [code] * 3
    assert all(done.outcome.surely_not_sent for done in finished) is (expected == 0)

"""The connections of an account: nothing is sent beyond the lease of its coordinator, and nobody waits for another."""

import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from channels.conftest import HANG, ScriptedServer, scripted  # noqa: F401 - a fixture
from factories import outreach
from sqlalchemy import select

from crm.channels.base import Outcome, OutcomeKind
from crm.channels.email import EmailAdapter
from crm.channels.smtp import Security, SmtpConfig, Timeouts
from crm.hub import Hub
from crm.net.guard import Guard
from crm.outreach.lines import Lane, Lines, steady
from crm.outreach.models import Message
from crm.outreach.services.claim import sendable
from crm.outreach.services.outcomes import Finished, Started


class Channel:
    """Notes what it is given; does not take turns."""

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


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


def mail(server: ScriptedServer, *, seconds: float = 20.0) -> Callable[[], EmailAdapter]:
    patient = Timeouts(connect=20, greeting=20, command=20, content=20, final=seconds)
    config = SmtpConfig(host="127.0.0.1", port=server.port, security=Security.NONE, timeouts=patient)
    return lambda: EmailAdapter(config, Guard(allow=("127.0.0.1",)))


def all_of(hub: Hub, lane: Lane, number: int) -> list[Finished]:
    """The next outcomes, as the coordinator waits for them."""
    until = time.monotonic() + 30.0
    while lane.answered < number and time.monotonic() < until:
        hub.turn(until)
    return lane.collect()


@pytest.mark.parametrize(
    ("seconds", "expected", "code"), [(60.0, 3, "accepted"), (0.0, 0, "lease_over"), (-60.0, 0, "lease_over")]
)
def test_a_line_sends_only_while_the_lease_runs(hub, started, seconds, expected, code):
    left: list[UUID] = []
    lines = Lines(lambda: Channel(left), size=2)
    until = steady() + seconds
    lane = Lane(lines, hub, leased_until=lambda: until)
    lane.hand_over(started)
    assert (lines.busy, lane.in_flight) == (3, 3)
    finished = all_of(hub, lane, 3)
    lines.close()
    assert (lines.busy, lane.in_flight) == (0, 0)
    assert len(left) == expected
    assert [done.outcome.code for done in finished] == [code] * 3
    assert all(done.outcome.surely_not_sent for done in finished) is (expected == 0)


def test_a_lease_that_ends_in_the_middle_of_a_conversation_lets_no_content_leave(hub, started, scripted):  # noqa: F811
    until = [steady() + 60.0]

    def freeze(_number: int) -> bytes:
        until[0] = 0.0
        return b"354 go on\r\n"

    scripted.script = {"data": freeze}
    lines = Lines(mail(scripted), size=1)
    lane = Lane(lines, hub, leased_until=lambda: until[0])
    lane.hand_over(started)
    assert [done.outcome.code for done in all_of(hub, lane, 3)] == ["lease_over"] * 3
    assert sum("MAIL" in line for line in scripted.lines) == 1
    assert scripted.messages == []
    lines.close()


def test_a_server_that_hangs_on_one_connection_stops_no_other(hub, started, scripted):  # noqa: F811
    scripted.script = {"final": lambda number: HANG if number == 1 else b"250 ok\r\n"}
    lines = Lines(mail(scripted, seconds=3.0), size=2)
    lane = Lane(lines, hub, leased_until=lambda: steady() + 60.0)
    lane.hand_over(started)
    assert {done.outcome.code for done in all_of(hub, lane, 2)} == {"accepted"}
    assert lane.in_flight == 1
    (hung,) = all_of(hub, lane, 1)
    assert (hung.outcome.kind, hung.outcome.code) == (OutcomeKind.UNKNOWN, "final_timeout")
    lines.close()


def test_a_connection_in_the_middle_of_a_message_is_not_kept_when_its_line_is_ended(hub, started, scripted):  # noqa: F811
    scripted.script = {"data": lambda number: HANG if number == 1 else b"354 go on\r\n"}
    made: list[EmailAdapter] = []
    connect = mail(scripted)

    def note() -> EmailAdapter:
        made.append(connect())
        return made[-1]

    lines = Lines(note, size=1)
    lane = Lane(lines, hub, leased_until=lambda: steady() + 60.0)
    lane.hand_over(started[:1])
    until = time.monotonic() + 30.0
    while "DATA" not in scripted.lines and time.monotonic() < until:
        hub.turn(time.monotonic() + 0.01)
    hub.close()
    assert lines.busy == 1
    other = Lane(lines, hub, leased_until=lambda: steady() + 60.0)
    other.hand_over(started[1:2])
    assert [done.outcome.code for done in all_of(hub, other, 1)] == ["accepted"]
    assert len(made) == scripted.connections == 2
    lines.close()


def test_an_adapter_that_raised_is_not_used_again(hub, started):
    made: list[Channel] = []

    class Broken(Channel):
        def send(self, outbound) -> Outcome:
            super().send(outbound)
            raise RuntimeError("a bug in the middle of a conversation")

    def connect() -> Channel:
        made.append(Broken([]) if not made else Channel([]))
        return made[-1]

    lines = Lines(connect, size=1)
    lane = Lane(lines, hub, leased_until=lambda: steady() + 60.0)
    lane.hand_over(started)
    kinds = [done.outcome.kind for done in all_of(hub, lane, 3)]
    assert kinds == [OutcomeKind.UNKNOWN, OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED]
    assert [len(channel.left) for channel in made] == [1, 2]
    lines.close()


def test_a_connection_that_the_server_closed_between_two_runs_is_replaced(hub, started, scripted):  # noqa: F811
    lines = Lines(mail(scripted), size=1)
    for number, one in enumerate(started[:2], start=1):
        lane = Lane(lines, hub, leased_until=lambda: steady() + 60.0)
        lane.hand_over([one])
        assert [done.outcome.code for done in all_of(hub, lane, 1)] == ["accepted"]
        assert scripted.connections == number
        scripted.hang_up()
    assert len(scripted.messages) == 2
    lines.close()

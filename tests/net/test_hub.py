"""Lines that take turns in one thread: nobody is forgotten, and no line's trouble is another's."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from crm.hub import READ, WRITE, Ended, Hub, apart, drive, wait_for


@dataclass
class Pipe:
    """What a line waits for, and how a test lets it go on."""

    end: int
    other: int

    def ring(self) -> None:
        os.write(self.other, b"!")

    def hear(self, *, seconds: float = 30.0) -> bool:
        """Wait for a ring as a channel does; False when it is too late."""
        if not wait_for(self.end, READ, until=time.monotonic() + seconds):
            return False
        return os.read(self.end, 1) == b"!"


@pytest.fixture
def pipe() -> Iterator:
    made: list[Pipe] = []

    def make() -> Pipe:
        made.append(Pipe(*os.pipe()))
        return made[-1]

    yield make
    for each in made:
        os.close(each.end)
        os.close(each.other)


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


def soon() -> float:
    return time.monotonic() + 30.0


def test_a_line_goes_on_when_its_own_descriptor_is_ready(hub, pipe):
    bells, heard = [pipe() for _ in range(3)], []
    for number, bell in enumerate(bells):
        hub.spawn(lambda number=number, bell=bell: heard.append(number) if bell.hear() else None)
    hub.turn(0.0)
    for number in (1, 0, 2):
        bells[number].ring()
        hub.turn(soon())
    assert heard == [1, 0, 2]
    assert hub.lines == 0


def test_lines_that_always_have_something_to_do_take_turns(hub, pipe):
    turns: list[str] = []

    def work(name: str, bell: Pipe) -> None:
        for _ in range(5):
            bell.ring()
            bell.hear()
            turns.append(name)

    for name in "abc":
        hub.spawn(partial(work, name, pipe()))
    hub.finish(until=soon())
    assert sorted(turns) == sorted("abc" * 5)
    assert all(set(turns[at : at + 3]) == set("abc") for at in range(0, 15, 3))


def test_a_line_whose_time_is_over_goes_on_and_one_that_hangs_stops_nobody(hub, pipe):
    heard: dict[str, bool] = {}
    silent, late, good = pipe(), pipe(), pipe()
    hub.spawn(lambda: heard.update(silent=silent.hear(seconds=30.0)))
    hub.spawn(lambda: heard.update(late=late.hear(seconds=0.01)))
    hub.spawn(lambda: heard.update(good=good.hear(seconds=30.0)))
    good.ring()
    until = soon()
    while len(heard) < 2 and time.monotonic() < until:
        hub.turn(until)
    assert heard == {"late": False, "good": True}
    assert hub.lines == 1


def test_an_error_of_a_line_reaches_home_and_the_others_go_on(hub, pipe):
    bell, heard = pipe(), []

    def fail() -> None:
        raise LookupError("a bug")

    hub.spawn(lambda: heard.append(bell.hear()))
    hub.spawn(fail)
    bell.ring()
    with pytest.raises(LookupError):
        hub.turn(0.0)
    hub.finish(until=soon())
    assert heard == [True]


def test_an_error_of_a_line_does_not_break_in_on_a_conversation_of_home(hub, pipe):
    question, next_one, answered = pipe(), pipe(), pipe()

    def fail() -> None:
        assert question.hear()
        next_one.ring()
        raise LookupError("a bug")

    def answer() -> None:
        assert next_one.hear()
        answered.ring()

    def steps():
        question.ring()
        yield 1
        return os.read(answered.end, 1)

    hub.spawn(fail)
    hub.spawn(answer)
    assert drive(hub, answered.end, steps()) == b"!"
    with pytest.raises(LookupError):
        hub.turn(0.0)
    hub.turn(0.0)


def test_a_wish_to_end_the_process_is_heard_at_once_wherever_it_is_raised(hub, pipe):
    def ask_to_end() -> None:
        raise SystemExit

    hub.spawn(ask_to_end)
    with pytest.raises(SystemExit):
        hub.wait(pipe().end, READ, until=soon())


def test_results_of_threads_arrive_also_when_the_line_before_fails(hub):
    gate, found = threading.Event(), []
    others = set(threading.enumerate())

    def fail() -> None:
        apart(lambda: gate.wait(30))
        raise LookupError("a bug")

    def go_on() -> None:
        found.append(apart(lambda: gate.wait(30)))

    for work in (fail, go_on, fail, go_on):
        hub.spawn(work)
    hub.turn(0.0)
    gate.set()
    for thread in set(threading.enumerate()) - others:
        thread.join(30)
    for _ in range(2):
        with pytest.raises(LookupError):
            hub.turn(soon())
    hub.finish(until=soon())
    assert found == [True, True]


def test_what_waits_in_a_way_of_its_own_stops_nobody_and_gives_its_result_or_its_error(hub, pipe):
    bell, gate, found = pipe(), threading.Event(), []

    def blocked() -> str:
        assert gate.wait(30)
        return threading.current_thread().name

    def failing() -> None:
        raise LookupError("no such host")

    def ask() -> None:
        found.append(apart(blocked))

    def fail() -> None:
        with pytest.raises(LookupError):
            apart(failing)
        found.append("failed")

    def let_go() -> None:
        assert bell.hear()
        found.append("heard")
        gate.set()

    for work in (ask, fail, let_go):
        hub.spawn(work)
    bell.ring()
    hub.finish(until=soon())
    assert set(found[:2]) == {"failed", "heard"}
    assert found[2] != threading.current_thread().name


def test_where_no_thread_is_to_be_had_everybody_waits(hub, monkeypatch):
    def start(_thread) -> None:
        raise RuntimeError("can't start new thread")

    found = []
    monkeypatch.setattr(threading.Thread, "start", start)
    hub.spawn(lambda: found.append(apart(lambda: "done")))
    hub.finish(until=soon())
    assert found == ["done"]


def test_without_a_hub_the_same_code_simply_waits(pipe):
    bell = pipe()
    assert not bell.hear(seconds=0.01)
    bell.ring()
    assert bell.hear()
    assert wait_for(bell.other, WRITE, until=soon())
    assert apart(threading.current_thread) is threading.current_thread()


def test_home_waits_for_its_own_while_the_lines_go_on(hub, pipe):
    question, answered = pipe(), pipe()

    def line() -> None:
        assert question.hear()
        hub.sleep(0.01)
        answered.ring()

    def steps():
        question.ring()
        ready = yield 1
        assert ready == 1
        return os.read(answered.end, 1)

    hub.spawn(line)
    assert drive(hub, answered.end, steps()) == b"!"
    assert hub.wait(question.end, READ, until=time.monotonic() + 0.01) == 0


def test_lines_that_are_ended_leave_what_they_hold(hub, pipe):
    left: list[str] = []

    def work() -> None:
        try:
            pipe().hear()
        except Exception:  # noqa: BLE001 - what a careless line would catch.
            left.append("taken for its own trouble")
        except Ended:
            left.append("ended")
            raise

    def never() -> None:
        left.append("begun")

    hub.spawn(work)
    hub.turn(0.0)
    hub.spawn(never)
    hub.close()
    assert left == ["ended"]
    assert hub.lines == 0
    hub.turn(0.0)
    assert left == ["ended"]


def test_all_lines_are_ended_also_those_that_fail_or_wait_once_more(hub, pipe):
    left: list[str] = []

    def fail() -> None:
        try:
            pipe().hear()
        finally:
            left.append("failed")
            raise LookupError("a bug while it tidies up")

    def linger() -> None:
        try:
            pipe().hear()
        finally:
            # As somebody who wants to say goodbye.
            pipe().hear()
            left.append("heard")

    def rest() -> None:
        try:
            hub.sleep(30.0)
        finally:
            left.append("rested")

    for work in (fail, linger, rest, fail, linger, rest):
        hub.spawn(work)
    hub.turn(0.0)
    hub.close()
    assert sorted(left) == ["failed", "failed", "rested", "rested"]
    assert hub.lines == 0
    hub.turn(0.0)
    assert "heard" not in left


def test_nobody_waits_for_a_thread_of_a_line_that_was_ended(hub):
    gate, done = threading.Event(), threading.Event()

    def blocked() -> None:
        assert gate.wait(30)
        done.set()

    hub.spawn(lambda: apart(blocked))
    hub.turn(0.0)
    hub.finish(until=time.monotonic())
    assert hub.lines == 0
    gate.set()
    assert done.wait(30)

"""The catalogue of what can go wrong: each fault has a family for the table, a script for the server, and its play."""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from random import Random
from typing import Any, Final

from crm.chaos import processes
from crm.chaos.house import StuckError, until
from crm.chaos.misbehaving import server_faults
from crm.chaos.processes import Part
from crm.chaos.scene import FEW, MANY, Fault, Scene
from crm.chaos.simulator import STAGES
from crm.failpoints import Failpoint
from crm.outreach.lines import CONNECTIONS
from crm.outreach.services.claim import BACKLOG, BATCH

#: What `crm up` gives a worker to finish.
STOP_SECONDS: Final = 30.0


# Killed


_BEFORE_ATTEMPT: Final = (Failpoint.BEFORE_CLAIM_COMMIT, Failpoint.AFTER_CLAIM)
#: The latest passage at which a failpoint strikes; it must be certain to come with 30 messages over 8 connections.
_PASSAGES: Final = {
    Failpoint.BEFORE_CLAIM_COMMIT: 1,
    Failpoint.AFTER_CLAIM: 1,
    Failpoint.AFTER_ATTEMPT_COMMIT: 3,
    Failpoint.MID_REQUEST: 20,
    Failpoint.AFTER_REQUEST: 20,
    Failpoint.AFTER_ACCEPT: 20,
    Failpoint.AFTER_FINAL_COMMIT: 2,
}
_VICTIMS: Final = {
    "worker": (Part.WORKER, "kill"),
    "horse": (Part.FORKING, "kill"),
    "worker of a horse": (Part.FORKING, "kill_parent"),
    "group": (Part.FORKING, "kill_group"),
}


def _begin(scene: Scene, part: Part = Part.WORKER, failpoints: str = "") -> ForkServerProcess:
    """The clock and one sender."""
    scene.house.start(Part.CLOCK)
    return scene.house.start(part, failpoints=failpoints)


def _trap(scene: Scene, point: Failpoint, action: str, *, passage: int | None = None) -> str:
    return f"{point}={action}@{passage or scene.dice.randint(1, _PASSAGES[point])}!{scene.sign}"


def _wait_for_trap(scene: Scene, point: Failpoint) -> int:
    """Wait until a process has reached its failpoint; which one."""
    until(lambda: scene.sign.exists() and bool(scene.sign.read_text()), f"failpoint {point}")
    scene.strike()
    return int(scene.sign.read_text())


def _killed_at(point: Failpoint, part: Part, action: str, *, passage: int | None = None) -> Callable[[Scene], None]:
    def play(scene: Scene) -> None:
        sender = _begin(scene, part, _trap(scene, point, action, passage=passage))
        _wait_for_trap(scene, point)
        if action != "kill" or part is Part.WORKER:
            sender.join(10)
            if sender.exitcode != -signal.SIGKILL:
                raise StuckError("the sender survived its failpoint")
            scene.house.start(part)

    return play


def _killed_somewhere(part: Part, *, group: bool) -> Callable[[Scene], None]:
    def play(scene: Scene) -> None:
        sender = _begin(scene, part)
        scene.wait_for_some()
        scene.strike()
        (processes.send_group if group else processes.send)(sender.pid or 0, signal.SIGKILL)
        sender.join()
        scene.house.start(part)

    return play


def _killed_in_doubt(scene: Scene) -> None:
    """The server has the message and holds its answer back; then the sender dies."""
    sender = _begin(scene)
    until(lambda: bool(scene.mail.faults()), "the hanging server")
    scene.strike()
    sender.kill()
    sender.join()
    scene.house.start(Part.WORKER)


def _paced(dice: Random) -> Mapping[str, Any]:
    """A server that takes some time for each message, so that there is a middle."""
    return _slow_final(dice.uniform(0.01, 0.06))


def _slow_final(seconds: float) -> Mapping[str, Any]:
    return {"rules": [{"stage": "final", "do": "slow", "chance": 1.0, "seconds": seconds}]}


def _hanging_once(dice: Random) -> Mapping[str, Any]:
    return {"rules": [{"stage": dice.choice(STAGES[4:]), "do": "hang", "numbers": [dice.randint(1, 8)]}]}


def _killed() -> list[Fault]:
    found = []
    for victim, (part, action) in _VICTIMS.items():
        for point in Failpoint:
            early = point in _BEFORE_ATTEMPT
            family = f"{victim} killed, {'before' if early else 'after'} the attempt"
            bound = 0 if early else CONNECTIONS
            found.append(Fault(f"{victim} killed at {point}", family, _killed_at(point, part, action), bound))
    return [
        *found,
        Fault(
            "worker killed at random",
            "worker killed at a random moment",
            _killed_somewhere(Part.WORKER, group=False),
            CONNECTIONS,
            _paced,
        ),
        Fault(
            "group killed at random",
            "group killed at a random moment",
            _killed_somewhere(Part.FORKING, group=True),
            CONNECTIONS,
            _paced,
        ),
        Fault(
            "worker killed while the server holds its answer back",
            "worker killed while the server hangs",
            _killed_in_doubt,
            CONNECTIONS,
            _hanging_once,
        ),
        Fault(
            "worker killed above a backlog",
            "worker killed above a backlog",
            # In full swing, with many written ahead: of those none may be in doubt.
            _killed_at(Failpoint.AFTER_ACCEPT, Part.WORKER, "kill", passage=200),
            CONNECTIONS,
            # The first claim takes some of them; what is left must still be a backlog.
            number=BACKLOG + BATCH + 60,
        ),
    ]


# Asked to stop


def _asked_to_stop(scene: Scene) -> None:
    """A restart in the middle of a mailing: the sender ends its slice, and its successor goes on."""
    sender = _begin(scene)
    until(lambda: len(scene.mail.entries()) >= CONNECTIONS, "the first messages")
    scene.strike()
    processes.send(sender.pid or 0, signal.SIGTERM)
    sender.join(STOP_SECONDS)
    if sender.exitcode != 0:
        raise StuckError("the sender did not stop in time")
    if not scene.house.states()["scheduled"]:
        raise StuckError("the sender sent everything before it stopped")
    scene.house.start(Part.WORKER)


def _asked() -> list[Fault]:
    return [
        Fault(
            "worker asked to stop",
            "worker asked to stop",
            _asked_to_stop,
            script=lambda dice: _slow_final(dice.uniform(0.05, 0.08)),
            # More than a slice gets through.
            number=BACKLOG + BATCH + 60,
        )
    ]


# Stopped and woken


def _stopped_at(point: Failpoint, part: Part) -> Callable[[Scene], None]:
    """The sender is frozen beyond its lease; others go on, a person decides; then it wakes."""

    def play(scene: Scene) -> None:
        sender = _begin(scene, part, _trap(scene, point, "stop"))
        reached = _wait_for_trap(scene, point)
        until(lambda: processes.state_of(reached) == "T", "a stopped sender")
        # The worker above a stopped horse would wait for it: a machine that freezes takes all its processes along.
        processes.send(sender.pid or 0, signal.SIGSTOP)
        scene.house.start(Part.WORKER)
        scene.house.settle()
        scene.uncertain = scene.house.states()["uncertain"]
        scene.recovered_at = time.monotonic()
        scene.house.decide(scene.mail)
        scene.house.settle()
        for pid in {sender.pid or 0, reached}:
            processes.send(pid, signal.SIGCONT)
        threading.Event().wait(0.8)

    return play


def _stopped() -> list[Fault]:
    return [
        Fault(
            f"{victim} stopped at {point} and woken after its lease",
            f"{victim} stopped, woken after its lease",
            _stopped_at(point, part),
            0 if point in _BEFORE_ATTEMPT else CONNECTIONS,
        )
        for victim, part in (("worker", Part.WORKER), ("horse", Part.FORKING))
        for point in Failpoint
    ]


# The house around


def _valkey_flushed(scene: Scene) -> None:
    _begin(scene)
    scene.wait_for_some()
    scene.strike()
    scene.servers.flush_valkey()


def _valkey_flushed_first(scene: Scene) -> None:
    scene.house.start(Part.CLOCK)
    scene.wait_until_woken()
    scene.strike()
    scene.servers.flush_valkey()
    scene.house.start(Part.WORKER)


def _valkey_killed(scene: Scene) -> None:
    sender = _begin(scene)
    scene.wait_for_some()
    scene.strike()
    scene.servers.restart_valkey_empty()
    scene.house.supervise(sender, Part.WORKER)


def _postgres_restarted(scene: Scene) -> None:
    sender = _begin(scene)
    scene.wait_for_some()
    scene.strike()
    scene.servers.restart_postgres_at_once()
    scene.house.supervise(sender, Part.WORKER)


def _sessions_ended(scene: Scene) -> None:
    sender = _begin(scene)
    scene.wait_for_some()
    scene.strike()
    scene.servers.end_sessions(scene.database)
    scene.house.supervise(sender, Part.WORKER)


def _clock_killed(scene: Scene) -> None:
    """The active clock dies before it woke anybody, or just after; the one that stands by takes over."""
    clock = scene.house.start(Part.CLOCK)
    scene.house.start(Part.CLOCK)
    threading.Event().wait(scene.dice.uniform(0.0, 0.4))
    scene.strike()
    clock.kill()
    clock.join()
    scene.house.start(Part.WORKER)


def _all_killed(scene: Scene) -> None:
    """Power fails: clock, sender, queue server and database at once."""
    clock = scene.house.start(Part.CLOCK)
    sender = scene.house.start(Part.WORKER)
    scene.wait_for_some()
    scene.strike()
    for process in (clock, sender):
        process.kill()
        process.join()
    scene.servers.restart_valkey_empty()
    scene.servers.restart_postgres_at_once()
    scene.house.start(Part.CLOCK)
    scene.house.start(Part.WORKER)


def _around() -> list[Fault]:
    plays: list[tuple[str, Callable[[Scene], None], int, int]] = [
        ("Valkey flushed", _valkey_flushed, 0, MANY),
        ("Valkey flushed before a worker listens", _valkey_flushed_first, 0, MANY),
        ("Valkey killed and restarted empty", _valkey_killed, 0, MANY),
        ("PostgreSQL restarted in immediate mode", _postgres_restarted, CONNECTIONS, FEW),
        ("database sessions terminated", _sessions_ended, CONNECTIONS, FEW),
        ("clock killed", _clock_killed, 0, FEW),
        ("everything killed at once", _all_killed, CONNECTIONS, FEW),
    ]
    return [Fault(name, name, play, bound, _paced, number) for name, play, bound, number in plays]


CATALOGUE: Final[Mapping[str, Fault]] = {
    fault.name: fault for fault in (*_killed(), *_asked(), *_stopped(), *_around(), *server_faults())
}


def fault_of(seed: int) -> Fault:
    """The fault of a seed: any row of as many seeds as there are faults has each of them once, in a shuffled order."""
    names = list(CATALOGUE)
    order = Random(seed // len(names)).sample(names, len(names))  # noqa: S311 - repeatable, no secret.
    return CATALOGUE[order[seed % len(names)]]

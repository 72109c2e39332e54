"""Named places in the life of a message at which a test can end or stop this process; off in production."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

from crm.settings import Settings


class Failpoint(StrEnum):
    """Where it can happen, in the order of a message's life."""

    BEFORE_CLAIM_COMMIT = "before_claim_commit"
    AFTER_CLAIM = "after_claim"
    AFTER_ATTEMPT_COMMIT = "after_attempt_commit"
    MID_REQUEST = "mid_request"
    AFTER_REQUEST = "after_request"
    AFTER_ACCEPT = "after_accept"
    AFTER_FINAL_COMMIT = "after_final_commit"


@dataclass(slots=True)
class _Trap:
    """What happens at the `at`-th passage."""

    act: Callable[[], None]
    at: int
    passed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_traps: dict[Failpoint, _Trap] = {}


def arm(settings: Settings) -> None:
    """Read `failpoints` ("after_claim=kill", "after_accept=kill@5"); only with the test switch.

    Raises ValueError for a name or an action that doesn't exist, so that a test can't pass by a typing error.
    """
    _traps.clear()
    if not settings.test_switch:
        return
    for pair in filter(None, (part.strip() for part in settings.failpoints.split(","))):
        name, _, action = pair.partition("=")
        act, _, at = action.partition("@")
        _traps[Failpoint(name)] = _Trap(_ACTIONS[act], int(at or 1))


def reach(point: Failpoint) -> None:
    """Pass a failpoint; costs a look into an empty dictionary in production."""
    trap = _traps.get(point) if _traps else None
    if trap is None:
        return
    with trap.lock:
        trap.passed += 1
        is_now = trap.passed == trap.at
    if is_now:
        # To the error output at once: nothing that is kept for later survives what comes now.
        os.write(2, f"failpoint {point}\n".encode())
        trap.act()


def _kill() -> NoReturn:
    """End like `kill -9`: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _kill_parent() -> NoReturn:
    """End the process that forked this one; this one must follow by itself."""
    os.kill(os.getppid(), signal.SIGKILL)
    _block()
    raise AssertionError("unreachable")


def _kill_group() -> NoReturn:
    """End the whole process group."""
    os.killpg(os.getpgrp(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _stop() -> None:
    """Freeze the process until somebody sends SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _block() -> None:
    """Stand still until somebody kills the process."""
    threading.Event().wait()


_ACTIONS: dict[str, Callable[[], None]] = {
    "kill": _kill,
    "kill_parent": _kill_parent,
    "kill_group": _kill_group,
    "stop": _stop,
    "block": _block,
}

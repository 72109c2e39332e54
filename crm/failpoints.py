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
    once: str = ""
    passed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_traps: dict[Failpoint, _Trap] = {}


def arm(settings: Settings) -> None:
    """Read `failpoints` ("after_claim=kill", "after_accept=kill@5!/tmp/once"); only with the test switch.

    With a file behind `!` it happens once in all processes that share it: whoever makes the file writes its process id
    into it, and does it.
    Raises ValueError for a name or an action that doesn't exist, so that a test can't pass by a typing error.
    """
    _traps.clear()
    if not settings.test_switch:
        return
    for pair in filter(None, (part.strip() for part in settings.failpoints.split(","))):
        name, _, action = pair.partition("=")
        what, _, once = action.partition("!")
        act, _, at = what.partition("@")
        _traps[Failpoint(name)] = _Trap(_ACTIONS[act], int(at or 1), once)


def reach(point: Failpoint) -> None:
    """Pass a failpoint; costs a look into an empty dictionary in production."""
    trap = _traps.get(point) if _traps else None
    if trap is None:
        return
    with trap.lock:
        trap.passed += 1
        is_now = trap.passed == trap.at
    if is_now and _is_first(trap.once):
        trap.act()


def _is_first(path: str) -> bool:
    """Leave the sign; False when another process did it before."""
    if not path:
        return True
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    os.write(file, str(os.getpid()).encode())
    os.close(file)
    return True


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
    """End the process group of whoever forked this process, and this process, which may lead a group of its own."""
    os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)
    _kill()


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

"""What a run of chaos is made of: the scene that it plays in, and the fault that happens there."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from crm.chaos.house import House, until
from crm.chaos.servers import MailServer, Servers
from crm.jobs import JobQueue, QueueName

#: How many messages are due in a run, and where it is the bells that are lost.
FEW: Final = 30
MANY: Final = 200


@dataclass
class Scene:
    """A run while it is played. `struck_at` is the moment of the fault on the monotonic clock."""

    servers: Servers
    house: House
    mail: MailServer
    dice: Random
    database: str
    number: int
    struck_at: float = 0.0
    #: When all was settled and how many were uncertain then; set by a play in which a person decides afterwards.
    recovered_at: float = 0.0
    uncertain: int | None = None

    @property
    def sign(self) -> Path:
        """The file that a process makes when it reaches its failpoint."""
        return self.house.home / "reached"

    def strike(self) -> None:
        self.struck_at = time.monotonic()

    def wait_until_woken(self) -> None:
        """Wait until the clock has put a job into the queue."""
        queue = JobQueue(self.servers.valkey.url)
        until(lambda: queue.waiting()[QueueName.OUTREACH] > 0, "a wake-up in the queue")

    def wait_for_some(self) -> None:
        """Wait until a random part of the messages came in, and a random moment longer."""
        wanted = self.dice.randint(1, self.number // 2)
        until(lambda: len(self.mail.entries()) >= wanted, f"message {wanted}")
        threading.Event().wait(self.dice.uniform(0.0, 0.03))


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    `play` starts the processes, does the harm and whatever an operator's supervisor would do afterwards. `bound` is the
    most uncertain messages that it may cost; None counts what the server left unanswered after a final dot.
    """

    name: str
    family: str
    play: Callable[[Scene], None]
    bound: int | None = 0
    script: Callable[[Random], Mapping[str, Any]] = lambda _dice: {}
    number: int = FEW
    encrypted: bool = False

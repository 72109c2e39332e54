"""The faults of a mail server: everything it can do wrong, at every stage of a hand-over."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from crm.chaos.processes import Part
from crm.chaos.scene import Fault, Scene
from crm.chaos.simulator import STAGES
from crm.outreach.lines import CONNECTIONS


def _only_the_server(scene: Scene) -> None:
    scene.house.start(Part.CLOCK)
    scene.strike()
    scene.house.start(Part.WORKER)


def _misbehaving(stage: str, **rule: Any) -> Callable[[Random], Mapping[str, Any]]:
    """At `stage`, on one to three of the first connections or messages."""

    def script(dice: Random) -> Mapping[str, Any]:
        numbers = dice.sample(range(1, CONNECTIONS + 1), dice.randint(1, 3))
        return {"rules": [{"stage": stage, "numbers": numbers, **rule}], "pipelining": dice.random() < 0.5}  # noqa: PLR2004

    return script


_SERVER: Final[Mapping[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "hangs": (STAGES, {"do": "hang"}),
    "drops the connection": (STAGES, {"do": "drop"}),
    "answers 4xx": (STAGES, {"do": "reply", "code": 451, "text": "4.3.0 not now"}),
    "answers 421 and leaves": (STAGES[4:], {"do": "reply", "code": 421, "text": "4.4.2 too busy"}),
    "answers 5xx": (STAGES, {"do": "reply", "code": 554, "text": "5.0.0 no"}),
    "answers twice": (STAGES, {"do": "twice"}),
    "answers garbage": (STAGES, {"do": "garbage"}),
    "is slow": (STAGES, {"do": "slow", "seconds": 0.3}),
    "takes the message and drops the connection": (("final",), {"do": "swallow"}),
}


def server_faults() -> list[Fault]:
    """Each misbehaviour at each stage where it can happen."""
    return [
        Fault(
            f"server {what} at {stage}",
            f"server {what}",
            _only_the_server,
            None,
            _misbehaving(stage, **rule),
            encrypted=stage in {"starttls", "auth"},
        )
        for what, (stages, rule) in _SERVER.items()
        for stage in stages
    ]

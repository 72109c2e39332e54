"""Shifts the wall clock of this process alone, to show that nothing but the database's time decides."""

import datetime as dt
import sys
import time
from datetime import timedelta, tzinfo
from typing import Any

_REAL = dt.datetime
_OURS = ("crm", "workers", "rq")


class _Meta(type):
    """Every moment counts as one of the shifted class: the database's driver makes real ones."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL)


def shift(seconds: float) -> None:
    """Let `time.time()` and `datetime.now()` of the product and its queue library go ahead; 0 does nothing.

    Monotonic clocks stay as they are, as with a machine whose date is wrong.
    """
    if not seconds:
        return
    ahead = timedelta(seconds=seconds)

    class Shifted(_REAL, metaclass=_Meta):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return _REAL.now(tz) + ahead

        @classmethod
        def utcnow(cls) -> Any:
            return _REAL.now(dt.UTC).replace(tzinfo=None) + ahead

    dt.datetime = Shifted  # pyright: ignore[reportAttributeAccessIssue] # For those who write `datetime.datetime.now()`.
    real_time = time.time
    time.time = lambda: real_time() + seconds
    for name, loaded in list(sys.modules.items()):
        if name.partition(".")[0] not in _OURS or name == __name__:
            continue
        for attribute, value in list(vars(loaded).items()):
            if value is _REAL:
                setattr(loaded, attribute, Shifted)

"""Owns when a day's negative words are a spike: a pure comparison with the days before."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

#: The days before today that say what is usual.
DAYS: Final = 28
#: Fewer than this on one day never are a spike, however quiet the weeks before were.
FLOOR: Final = 5
#: So many standard deviations above the mean: on ordinary days about one in 700 lies there.
DEVIATIONS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is usual (mean a day), from which count on a day is a spike, and whether today is one."""

    usual: float
    threshold: float
    is_spike: bool


def compare(today: int, before: Sequence[int]) -> Verdict:
    """Compare today's count with the counts of the `DAYS` days before, of which the silent ones may be left out.

    A spike is `today >= max(FLOOR, mean + DEVIATIONS * sd)` with the mean and the population standard deviation of the
    28 days: the control limit of a Shewhart chart (Statistical Method from the Viewpoint of Quality Control, 1939).
    """
    mean = sum(before) / DAYS
    deviation = sqrt(max(sum(count * count for count in before) / DAYS - mean * mean, 0.0))
    threshold = max(float(FLOOR), mean + DEVIATIONS * deviation)
    return Verdict(mean, threshold, today >= threshold)

"""Owns the decisions of campaigns as pure functions: outcomes, states, who is held out, when each one leaves, lift."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, sqrt
from random import Random
from typing import Final, TypeVar
from uuid import UUID

from crm.campaigns.kinds import CampaignStage, CampaignState, Outcome, RecipientState
from crm.outreach.kinds import BatchState, MessageState

#: One preparation is one transaction and one person's review queue; beyond this it is a mailing, not one-to-few.
MOST_PEOPLE: Final = 2_000

#: 1.96 standard errors: 19 times out of 20.
_Z: Final = 1.959964

T = TypeVar("T")

OUTCOMES: Final[Mapping[MessageState, Outcome]] = {
    MessageState.DRAFT: Outcome.WAITING,
    MessageState.IN_REVIEW: Outcome.WAITING,
    MessageState.APPROVED: Outcome.WAITING,
    MessageState.SCHEDULED: Outcome.WAITING,
    MessageState.CLAIMED: Outcome.WAITING,
    MessageState.SENDING: Outcome.WAITING,
    MessageState.SENT: Outcome.SENT,
    MessageState.HELD: Outcome.HELD,
    MessageState.SKIPPED: Outcome.SKIPPED,
    MessageState.REJECTED: Outcome.REJECTED,
    MessageState.CANCELLED: Outcome.CANCELLED,
    MessageState.FAILED: Outcome.FAILED,
    MessageState.UNCERTAIN: Outcome.UNCERTAIN,
}
"""Every state of an outgoing message and what it means for its recipient."""

#: Outcomes that can still become another one.
OPEN: Final = frozenset({Outcome.WAITING, Outcome.HELD, Outcome.UNCERTAIN})


def outcome(state: RecipientState, message: MessageState | None) -> Outcome:
    """What became of a recipient; one whose message is gone for good can't be written to any more."""
    if state is RecipientState.HOLDOUT:
        return Outcome.HOLDOUT
    if state is RecipientState.SKIPPED:
        return Outcome.SKIPPED
    return OUTCOMES[message] if message is not None else Outcome.CANCELLED


def campaign_state(
    stage: CampaignStage,
    *,
    batch: BatchState | None,
    outcomes: Mapping[Outcome, int],
    starts_at: datetime | None,
    now: datetime,
) -> CampaignState:
    """What a campaign is doing; finished only when every recipient is where it will stay."""
    if stage is not CampaignStage.SCHEDULED:
        return CampaignState(stage.value)
    if not any(outcomes.get(found) for found in OPEN):
        return CampaignState.FINISHED
    if batch is BatchState.PAUSED:
        return CampaignState.PAUSED
    gone = outcomes.get(Outcome.SENT, 0) + outcomes.get(Outcome.UNCERTAIN, 0)
    if gone or (starts_at is not None and starts_at <= now):
        return CampaignState.RUNNING
    return CampaignState.SCHEDULED


def held_out(ids: Sequence[UUID], *, percent: int, seed: int) -> set[UUID]:
    """The share of `ids` that gets nothing, to compare: the same for the same people and seed, whatever their order."""
    wanted = round(len(ids) * percent / 100)
    return set(Random(seed).sample(sorted(ids), wanted))  # noqa: S311 - who is held out is no secret.


def spread(items: Sequence[T], *, start: datetime, end: datetime) -> dict[T, datetime]:
    """The items at even distances from `start` to `end`, the first at `start`, the last at `end`."""
    gaps = max(len(items) - 1, 1)
    return {item: start + (end - start) * index / gaps for index, item in enumerate(items)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """What writing did compared with not writing; shares and differences in percentage points.

    `needed` is how many people on each side would show a difference of this size; None when there is none.
    """

    written: int
    written_bought: int
    kept: int
    kept_bought: int
    difference: float
    low: float
    high: float
    needed: int | None

    @property
    def is_clear(self) -> bool:
        """True when the interval leaves out "no difference"."""
        return self.low > 0 or self.high < 0


def lift(*, written: int, written_bought: int, kept: int, kept_bought: int) -> Lift | None:
    """The difference of two shares with its 95 % interval; None when one of the groups is empty.

    Newcombe's hybrid score interval (1998, method 10), which keeps its promise with small groups. `needed` follows from
    the usual rule of 80 % power: 16 p (1 - p) / d².
    """
    if not written or not kept:
        return None
    first, second = written_bought / written, kept_bought / kept
    low_1, high_1 = _wilson(written_bought, written)
    low_2, high_2 = _wilson(kept_bought, kept)
    difference = first - second
    pooled = (written_bought + kept_bought) / (written + kept)
    needed = ceil(16 * pooled * (1 - pooled) / difference**2) if difference else None
    return Lift(
        written=written,
        written_bought=written_bought,
        kept=kept,
        kept_bought=kept_bought,
        difference=100 * difference,
        low=100 * (difference - sqrt((first - low_1) ** 2 + (high_2 - second) ** 2)),
        high=100 * (difference + sqrt((high_1 - first) ** 2 + (second - low_2) ** 2)),
        needed=needed,
    )


def _wilson(found: int, of: int) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    share = found / of
    middle = share + _Z**2 / (2 * of)
    width = _Z * sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2))
    below = 1 + _Z**2 / of
    return (middle - width) / below, (middle + width) / below

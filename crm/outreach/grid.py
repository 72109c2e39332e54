"""Owns where messages stand in the week: quarters of an hour, lanes beside each other, and what is drawn as one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Final

from crm.clock import local_instant, zone
from crm.outreach.queries.calendar import CalendarLine, CampaignDay

QUARTERS: Final = 96
#: Heights in quarters: a name with its time below, on one line, and a campaign with its faces.
TALL: Final = 3
SHORT: Final = 2
CAMPAIGN: Final = 5
#: More blocks than this beside each other leave no room for a name.
LANES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One thing in a day: a message, several that leave close together, or a campaign.

    `quarter` counts from midnight; `lane` of `lanes` is its place beside what happens at the same time.
    """

    at: datetime
    until: datetime
    quarter: int
    length: int
    lines: tuple[CalendarLine, ...] = ()
    campaign: CampaignDay | None = None
    lane: int = 1
    lanes: int = 1

    @property
    def end(self) -> int:
        """The first quarter behind it."""
        return self.quarter + self.length


def quarter_of(instant: datetime, *, tz: str) -> int:
    """The quarter of an hour, from midnight, that the clocks of `tz` show."""
    local = instant.astimezone(zone(tz))
    return local.hour * 4 + local.minute // 15


def place(lines: Sequence[CalendarLine], campaigns: Sequence[CampaignDay], *, tz: str) -> list[Block]:
    """The blocks of one day in order. Messages too close to be drawn below each other become one block."""
    groups = list(_close(lines, tz=tz))
    starts = [quarter_of(group[0].at, tz=tz) for group in groups]
    blocks: list[Block] = []
    for group, start, following in zip(groups, starts, [*starts, QUARTERS][1:], strict=True):
        length = min(TALL, max(SHORT, following - start))
        blocks.append(Block(at=group[0].at, until=group[-1].at, quarter=start, length=length, lines=tuple(group)))
    for campaign in campaigns:
        start = quarter_of(campaign.first, tz=tz)
        length = max(CAMPAIGN, quarter_of(campaign.last, tz=tz) - start)
        blocks.append(Block(at=campaign.first, until=campaign.last, quarter=start, length=length, campaign=campaign))
    fitted = [replace(block, quarter=max(0, min(block.quarter, QUARTERS - block.length))) for block in blocks]
    return list(_side_by_side(sorted(fitted, key=lambda block: (block.quarter, -block.length))))


def _close(lines: Iterable[CalendarLine], *, tz: str) -> Iterator[list[CalendarLine]]:
    """Lines by the block they share: what begins less than `SHORT` quarters after its first line belongs to it."""
    group: list[CalendarLine] = []
    for line in lines:
        if group and quarter_of(line.at, tz=tz) - quarter_of(group[0].at, tz=tz) >= SHORT:
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _side_by_side(blocks: Iterable[Block]) -> Iterator[Block]:
    """Give blocks that overlap lanes beside each other; the last lane takes what finds no other."""
    cluster: list[Block] = []
    ends: list[int] = []
    for block in blocks:
        if cluster and block.quarter >= max(each.end for each in cluster):
            yield from _with_lanes(cluster, len(ends))
            cluster, ends = [], []
        free = next((lane for lane, end in enumerate(ends) if end <= block.quarter), None)
        if free is None and len(ends) < LANES:
            ends.append(0)
            free = len(ends) - 1
        lane = free if free is not None else LANES - 1
        ends[lane] = max(ends[lane], block.end)
        cluster.append(replace(block, lane=lane + 1))
    yield from _with_lanes(cluster, len(ends))


def _with_lanes(cluster: Iterable[Block], lanes: int) -> Iterator[Block]:
    return (replace(block, lanes=lanes) for block in cluster)


def closed_spans(day: date, *, tz: str, is_open: Callable[[datetime], bool]) -> list[tuple[int, int]]:
    """The runs of quarters of a local day at which nothing may leave, as (first quarter, length)."""
    spans: list[tuple[int, int]] = []
    for quarter in range(QUARTERS):
        if is_open(local_instant(day, time(quarter // 4, quarter % 4 * 15), tz=tz)):
            continue
        if spans and sum(spans[-1]) == quarter:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((quarter, 1))
    return spans

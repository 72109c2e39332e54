"""Movers of segments and campaigns: who is in, who was chosen or left out by hand, who was written to."""

from typing import Final

from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers.base import Mover, Pair

_SIZE: Final = (
    "update segment set members = members {0} n.number from (select (before->>'segment_id')::uuid as segment_id,"
    " count(*) as number from change where workspace_id = :workspace and change_set_id = :change_set"
    " and table_name = 'segment_member' and action = 'delete' group by 1) as n"
    " where segment.workspace_id = :workspace and segment.id = n.segment_id and segment.members is not null"
)


class Members(Mover):
    """Who was in a segment with both records is in it once, and its size says so."""

    def move(self, pair: Pair) -> None:
        """As any mover, then the sizes."""
        Mover.move(self, pair)
        pair.run(_SIZE.format("-"))

    def back(self, pair: Pair) -> None:
        """Both are in again."""
        pair.run(_SIZE.format("+"))


class Recipients(Mover):
    """A campaign counts whoever it was made for: where both are in one, the other's line stays with the old record."""

    def move(self, pair: Pair) -> None:
        """Lines of campaigns that the kept person is not in."""
        pair.change(
            "recipient",
            {"contact_id": "cast(:kept as uuid)"},
            "x.contact_id = :other and not exists (select 1 from recipient k where k.workspace_id = :workspace"
            " and k.campaign_id = x.campaign_id and k.contact_id = :kept)",
        )


MOVERS: Final[tuple[Mover, ...]] = (
    Members(table="segment_member", same_by=("segment_id",), counts={Effect.SEGMENTS: ""}),
    # Left out by hand of one record stays left out.
    Mover(
        table="segment_pick",
        same_by=("segment_id",),
        other_wins="o.mode = 'removed' and k.mode = 'added'",
        counts={Effect.PICKS: ""},
    ),
    Mover(table="segment_change", untold="it is the history of segments, which are told"),
    Mover(
        table="campaign_pick",
        same_by=("campaign_id",),
        other_wins="k.is_added and not o.is_added",
        counts={Effect.PICKS: ""},
    ),
    Recipients(table="recipient", counts={Effect.CAMPAIGNS: ""}),
)

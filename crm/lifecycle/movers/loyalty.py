"""Movers of loyalty: memberships and points, codes and their use."""

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers.base import Mover, Pair
from crm.loyalty.models import Member
from crm.loyalty.services import merging


class Memberships(Mover):
    """A membership goes over; where both have one of the same programme, the points do, by entries of the ledger."""

    def figures(self, pair: Pair) -> dict[Effect, int]:
        """Points of the other person, waiting ones included."""
        points = pair.run(
            "select coalesce(sum(balance + pending), 0) from member"
            " where workspace_id = :workspace and contact_id = :other"
        ).scalar_one()
        return {Effect.POINTS: int(points)}

    def move(self, pair: Pair) -> None:
        """First the points, then memberships that the kept person does not have."""
        for kept_id, other_id in _both(pair):
            if pair.change_set_id is not None:
                merging.carry_points(
                    pair.session,
                    pair.actor,
                    from_member_id=other_id,
                    to_member_id=kept_id,
                    change_set_id=pair.change_set_id,
                    now=pair.now,
                )
            # Somebody is in the programme as soon as one of the records is.
            pair.change(
                "member",
                {"left_at": "null"},
                "x.id = :kept_member and x.left_at is not null and exists (select 1 from member o"
                " where o.workspace_id = :workspace and o.id = :other_member and o.left_at is null)",
                kept_member=kept_id,
                other_member=other_id,
            )
            pair.change(
                "member", {"left_at": ":now"}, "x.id = :other_member and x.left_at is null", other_member=other_id
            )
        pair.change(
            "member",
            {"contact_id": "cast(:kept as uuid)"},
            "x.contact_id = :other and not exists (select 1 from member k where k.workspace_id = :workspace"
            " and k.program_id = x.program_id and k.contact_id = :kept)",
        )


def _both(pair: Pair) -> list[tuple[UUID, UUID]]:
    """(kept person's, other person's) membership of each programme in which both are."""
    kept, other = aliased(Member), aliased(Member)
    found = pair.session.execute(
        select(kept.id, other.id)
        .join(other, other.program_id == kept.program_id)
        .where(kept.contact_id == pair.kept_id, other.contact_id == pair.other_id)
        .order_by(kept.program_id)
    )
    return [(kept_id, other_id) for kept_id, other_id in found]


def shortfall(pair: Pair) -> int:
    """Return the points that a merge brought, before its other rows go back; answers how many could not."""
    assert pair.change_set_id is not None, "an undo has a change set"  # noqa: S101 - told by the caller.
    return sum(
        merging.return_points(
            pair.session,
            pair.actor,
            from_member_id=kept_id,
            to_member_id=other_id,
            change_set_id=pair.change_set_id,
            origin_ids=_origins(pair),
            now=pair.now,
        ).shortfall
        for kept_id, other_id in _both(pair)
    )


def _origins(pair: Pair) -> list[UUID]:
    """The memberships of the other person, and of whoever went up in them before."""
    return list(
        pair.run(
            "select m.id from member m where m.workspace_id = :workspace and (m.contact_id = :other or m.contact_id in"
            " (select c.row_id from change c where c.workspace_id = :workspace and c.change_set_id = :change_set"
            " and c.table_name = 'contact' and c.before->>'merged_into_id' = cast(:other as text)))"
        ).scalars()
    )


MOVERS: Final[tuple[Mover, ...]] = (
    Memberships(table="member"),
    Mover(table="voucher", counts={Effect.VOUCHERS: "x.state in ('allocated', 'active', 'on_hold')"}),
    Mover(table="redemption", counts={Effect.REDEMPTIONS: "x.undone_at is null"}),
)

"""Movers of messages and conversations: nothing is sent because of a merge, and nothing twice."""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from crm.channels.base import ChannelKind
from crm.consent import merging, queries
from crm.contacts.kinds import ChangeAction
from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers.base import Mover, Pair
from crm.lifecycle.movers.consent import states_of
from crm.lifecycle.services.changes import RowChange, record_changes
from crm.loyalty.models import Voucher
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message
from crm.outreach.rules import Reason
from crm.outreach.services.transitions import PENDING, move

_PENDING: Final = "('draft', 'in_review', 'approved', 'scheduled', 'held')"
#: Gone, or possibly gone: a second one of the same campaign would be the same text twice.
_OUT: Final = "('claimed', 'sending', 'sent', 'uncertain')"

_DOUBLES: Final = f"""
select case when o.state in {_PENDING} then o.id else k.id end
from message o join message k on k.workspace_id = o.workspace_id and k.batch_id = o.batch_id
where o.workspace_id = :workspace and o.contact_id = :other and k.contact_id = :kept
and o.direction = 'outbound' and k.direction = 'outbound' and o.batch_id is not null
and ((o.state in {_PENDING} and k.state in ({_PENDING[1:-1]}, {_OUT[1:-1]}))
  or (o.state in {_OUT} and k.state in {_PENDING}))
"""  # noqa: S608 - states are ours.


class Messages(Mover):
    """What was sent and received goes over; of what waits, what must not go to the kept person is stopped."""

    def figures(self, pair: Pair) -> dict[Effect, int]:
        """How many waiting messages go, and why."""
        doubles = _doubles(pair)
        return {Effect.DOUBLES: len(doubles), Effect.SKIPPED: len(_unfounded(pair, beside=doubles))}

    def move(self, pair: Pair) -> None:
        """Stop what must not go, then bring all over."""
        doubles = _doubles(pair)
        unfounded = _unfounded(pair, beside=doubles)
        _stop(pair, doubles, to=MessageState.CANCELLED, reason=Reason.MERGED)
        _stop(pair, unfounded, to=MessageState.SKIPPED, reason=Reason.CONSENT_MISSING)
        pair.repoint(self.table)


def _doubles(pair: Pair) -> list[UUID]:
    """Of two messages of one campaign: the one that waits; if both do, the other person's."""
    return sorted(set(pair.run(_DOUBLES).scalars()))


def _unfounded(pair: Pair, *, beside: Collection[UUID]) -> list[UUID]:
    """Waiting messages that consent would have kept from their own record and lets through for both together."""
    kept, other, both = states_of(pair)
    policy = queries.policy(pair.session, pair.actor)
    channels = frozenset(channel.value for channel in ChannelKind)
    found: list[UUID] = []
    for contact_id, states in ((pair.kept_id, kept), (pair.other_id, other)):
        allowed = merging.newly_allowed(states, both, channels=channels, policy=policy)
        if allowed:
            rows = pair.session.execute(
                select(Message.id, Message.purpose, Message.channel).where(
                    Message.contact_id == contact_id, Message.state.in_([state.value for state in PENDING])
                )
            )
            found += [row.id for row in rows if (row.purpose, row.channel) in allowed and row.id not in beside]
    return found


def _stop(pair: Pair, message_ids: list[UUID], *, to: MessageState, reason: Reason) -> None:
    """Let messages that wait go nowhere, write it down, and with it what became of their codes."""
    if not message_ids or pair.change_set_id is None:
        return
    before = _messages(pair, message_ids)
    codes = _vouchers(pair, [row["voucher_id"] for row in before.values() if row["voucher_id"]])
    moved = move(
        pair.session,
        pair.actor,
        message_ids=message_ids,
        when=PENDING,
        to=to,
        now=pair.now,
        reason=reason.value,
        held_until=None,
    )
    changes = _differences("message", before, _messages(pair, [row.message_id for row in moved]))
    changes += _differences("voucher", codes, _vouchers(pair, codes))
    record_changes(pair.session, change_set_id=pair.change_set_id, changes=changes)


def _messages(pair: Pair, ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    table = Message.__table__
    columns = (table.c.id, table.c.contact_id, table.c.voucher_id, table.c.state, table.c.reason, table.c.held_until)
    found = pair.session.execute(select(*columns).where(table.c.id.in_(list(ids)))).mappings()
    return {row["id"]: dict(row) for row in found}


def _vouchers(pair: Pair, ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    table = Voucher.__table__
    columns = (table.c.id, table.c.contact_id, table.c.state, table.c.held_until, table.c.ended_at)
    found = pair.session.execute(select(*columns).where(table.c.id.in_(list(ids)))).mappings()
    return {row["id"]: dict(row) for row in found}


def _differences(table: str, before: dict[UUID, dict[str, Any]], after: dict[UUID, dict[str, Any]]) -> list[RowChange]:
    changes: list[RowChange] = []
    for row_id, row in after.items():
        names = [name for name, value in row.items() if before[row_id][name] != value]
        if names:
            changes.append(
                RowChange(
                    table=table,
                    row_id=row_id,
                    action=ChangeAction.UPDATE,
                    before={name: before[row_id][name] for name in names},
                    after={name: row[name] for name in names},
                    contact_id=row["contact_id"],
                )
            )
    return changes


MOVERS: Final[tuple[Mover, ...]] = (
    Messages(
        table="message",
        counts={Effect.SCHEDULED: f"x.state in {_PENDING}", Effect.MESSAGES: f"x.state not in {_PENDING}"},
    ),
    Mover(table="conversation", counts={Effect.CONVERSATIONS: ""}),
    Mover(table="budget_use", untold="it counts messages, which are told"),
    Mover(table="start_link", untold="whoever opens it is the same person"),
)

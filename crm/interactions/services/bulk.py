"""Owns logging many exchanges of one moment in one statement: what a sender's wave does many times a second."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.db import new_id
from crm.events import InteractionLogged
from crm.interactions import rules
from crm.interactions.kinds import Direction
from crm.interactions.services.entries import Entry
from crm.interactions.services.warming import SENT
from crm.roundtrip import Step, array, columns

_ROW: Final = (
    *("id", "body_id", "contact_id", "handle_id", "kind", "channel", "is_automatic", "author_id"),
    *("source_kind", "source_id", "subject", "body"),
)
# The text never changes with the number of rows, so that it is prepared once per connection.
_LOG: Final = f"""
    with row as materialized (
        select * from unnest(%(id)s::uuid[], %(body_id)s::uuid[], %(contact_id)s::uuid[], %(handle_id)s::uuid[],
            %(kind)s::text[], %(channel)s::text[], %(is_automatic)s::boolean[], %(author_id)s::uuid[],
            %(source_kind)s::text[], %(source_id)s::uuid[], %(subject)s::text[], %(body)s::text[])
            as row (id, body_id, contact_id, handle_id, kind, channel, is_automatic, author_id, source_kind, source_id,
                subject, body)),
    entry as (
        insert into interaction (id, workspace_id, contact_id, handle_id, kind, channel, direction, happened_at,
            is_automatic, author_id, source_kind, source_id, created_at)
        select id, %(workspace_id)s, contact_id, handle_id, kind, channel, 'outbound', %(at)s, is_automatic,
            author_id, source_kind, source_id, %(now)s from row),
    words as (
        insert into interaction_body (id, workspace_id, interaction_id, subject, body)
        select body_id, %(workspace_id)s, id, subject, body from row),
    answered as (
        update interaction set answered_at = %(at)s
        where contact_id = any(%(contact_ids)s::uuid[]) and happened_at <= %(at)s and sentiment = 'negative'
            and direction = 'inbound' and answered_at is null and removed_at is null),
{SENT}
    update contact set last_outbound_at = greatest(last_outbound_at, %(at)s),
        last_interaction_at = greatest(last_interaction_at, %(at)s)
    where id = any(%(contact_ids)s::uuid[])"""  # noqa: S608 - texts of ours.
_WARM: Final = ("warm_id", "warm_contact", "warm_user", "warm_count")


@dataclass(frozen=True, slots=True)
class SentLog:
    """Entries that are ready to be written: the step, and what to publish once it is taken."""

    step: Step | None
    events: tuple[InteractionLogged, ...]


def log_of_sent(actor: Actor, *, entries: Sequence[Entry], at: datetime, now: datetime) -> SentLog:
    """What `log` does, for messages of ours that were all handed over at `at`, as one step of a round trip.

    For entries that have no external id, points or public side. The caller holds the contacts' row locks in one order,
    executes the step and publishes the events, one for each entry, like `log`.
    """
    if not entries:
        return SentLog(None, ())
    actor.require(Permission.WRITE)
    ids = [new_id() for _ in entries]
    touched = {
        entry.contact_id
        for entry in entries
        if entry.contact_id is not None and rules.is_exchange(entry.kind, is_automatic=entry.is_automatic)
    }
    values = [
        (
            key,
            new_id(),
            entry.contact_id,
            entry.handle_id,
            entry.kind,
            entry.channel,
            entry.is_automatic,
            entry.author_id,
            entry.source_kind,
            entry.source_id,
            entry.subject,
            entry.body,
        )
        for key, entry in zip(ids, entries, strict=True)
    ]
    step = Step(
        _LOG,
        {
            "workspace_id": actor.workspace_id,
            "at": at,
            "now": now,
            "contact_ids": array(touched),
            **columns(_ROW, values),
            **_warming(entries),
        },
    )
    return SentLog(
        step, tuple(_logged(actor, key, entry, at=at, now=now) for key, entry in zip(ids, entries, strict=True))
    )


def _warming(entries: Sequence[Entry]) -> dict[str, str]:
    """How many genuine messages go to each person, of the house and of each colleague, as `warming.SENT` reads it."""
    counted: Counter[tuple[UUID, UUID | None]] = Counter()
    for entry in entries:
        if entry.contact_id is not None and rules.is_exchange(entry.kind, is_automatic=entry.is_automatic):
            counted.update({(entry.contact_id, None), (entry.contact_id, entry.author_id)})
    ordered = sorted(counted.items(), key=lambda item: (item[0][0], item[0][1] or item[0][0]))
    if not ordered:
        return dict.fromkeys(_WARM, "{}")
    return columns(_WARM, [(new_id(), person, user, str(count)) for (person, user), count in ordered])


def _logged(actor: Actor, key: UUID, entry: Entry, *, at: datetime, now: datetime) -> InteractionLogged:
    return InteractionLogged(
        workspace_id=actor.workspace_id,
        now=now,
        interaction_id=key,
        contact_id=entry.contact_id,
        kind=str(entry.kind),
        channel=entry.channel,
        direction=Direction.OUTBOUND.value,
        happened_at=at,
    )

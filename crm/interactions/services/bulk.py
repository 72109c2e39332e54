"""Owns logging many exchanges of one moment in one round trip: what a sender's wave does many times a second."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.db import new_id
from crm.events import InteractionLogged, publish
from crm.interactions import rules
from crm.interactions.kinds import Direction
from crm.interactions.services.timeline import Entry
from crm.roundtrip import Step, together

# The texts never change with the number of rows, so that each is prepared once per connection.
_INTERACTIONS: Final = """
    insert into interaction (id, workspace_id, contact_id, handle_id, kind, channel, direction, happened_at,
        is_automatic, author_id, source_kind, source_id, created_at)
    select id, %(workspace_id)s, contact_id, handle_id, kind, channel, 'outbound', %(at)s, is_automatic, author_id,
        source_kind, source_id, %(now)s
    from unnest(%(ids)s::uuid[], %(contact_ids)s::uuid[], %(handle_ids)s::uuid[], %(kinds)s::text[],
        %(channels)s::text[], %(automatics)s::boolean[], %(author_ids)s::uuid[], %(source_kinds)s::text[],
        %(source_ids)s::uuid[])
        as row (id, contact_id, handle_id, kind, channel, is_automatic, author_id, source_kind, source_id)"""
_BODIES: Final = """
    insert into interaction_body (id, workspace_id, interaction_id, subject, body)
    select id, %(workspace_id)s, interaction_id, subject, body
    from unnest(%(ids)s::uuid[], %(interaction_ids)s::uuid[], %(subjects)s::text[], %(bodies)s::text[])
        as row (id, interaction_id, subject, body)"""
_OUTBOUND: Final = """
    update contact set last_outbound_at = greatest(last_outbound_at, %(at)s),
        last_interaction_at = greatest(last_interaction_at, %(at)s)
    where id = any(%(contact_ids)s)"""


def log_sent_at_once(session: Session, actor: Actor, *, entries: Sequence[Entry], at: datetime, now: datetime) -> None:
    """`log` for messages of ours that were all handed over at `at`.

    For entries that have no external id, points or public side; the caller holds the contacts' row locks in one order.
    Publishes `InteractionLogged` for each, like `log`.
    """
    if not entries:
        return
    actor.require(Permission.WRITE)
    ids = [new_id() for _ in entries]
    shared = {"workspace_id": actor.workspace_id, "at": at, "now": now}
    touched = {
        entry.contact_id
        for entry in entries
        if entry.contact_id is not None and rules.is_exchange(entry.kind, is_automatic=entry.is_automatic)
    }
    together(
        session,
        Step(
            _INTERACTIONS,
            shared
            | {
                "ids": ids,
                "contact_ids": [entry.contact_id for entry in entries],
                "handle_ids": [entry.handle_id for entry in entries],
                "kinds": [str(entry.kind) for entry in entries],
                "channels": [entry.channel for entry in entries],
                "automatics": [entry.is_automatic for entry in entries],
                "author_ids": [entry.author_id for entry in entries],
                "source_kinds": [entry.source_kind for entry in entries],
                "source_ids": [entry.source_id for entry in entries],
            },
        ),
        Step(
            _BODIES,
            shared
            | {
                "ids": [new_id() for _ in entries],
                "interaction_ids": ids,
                "subjects": [entry.subject for entry in entries],
                "bodies": [entry.body for entry in entries],
            },
        ),
        Step(_OUTBOUND, shared | {"contact_ids": list(touched)}) if touched else None,
    )
    for key, entry in zip(ids, entries, strict=True):
        publish(
            session,
            InteractionLogged(
                workspace_id=actor.workspace_id,
                now=now,
                interaction_id=key,
                contact_id=entry.contact_id,
                kind=str(entry.kind),
                channel=entry.channel,
                direction=Direction.OUTBOUND.value,
                happened_at=at,
            ),
        )

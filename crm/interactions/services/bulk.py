"""Owns logging many exchanges of one moment in three statements: what a sender's wave does many times a second."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.db import new_id
from crm.events import InteractionLogged, publish
from crm.interactions import rules
from crm.interactions.kinds import Direction
from crm.interactions.services.timeline import Entry

# The texts never change with the number of rows, so that each is compiled and prepared once per connection.
_INTERACTIONS = text(
    "insert into interaction (id, workspace_id, contact_id, handle_id, kind, channel, direction, happened_at,"
    " is_automatic, author_id, source_kind, source_id, created_at)"
    " select id, :workspace_id, contact_id, handle_id, kind, channel, direction, :at, is_automatic, author_id,"
    " source_kind, source_id, :now from unnest(cast(:ids as uuid[]), cast(:contact_ids as uuid[]),"
    " cast(:handle_ids as uuid[]), cast(:kinds as text[]), cast(:channels as text[]), cast(:directions as text[]),"
    " cast(:automatics as boolean[]), cast(:author_ids as uuid[]), cast(:source_kinds as text[]),"
    " cast(:source_ids as uuid[])) as row (id, contact_id, handle_id, kind, channel, direction, is_automatic,"
    " author_id, source_kind, source_id)"
)
_BODIES = text(
    "insert into interaction_body (id, workspace_id, interaction_id, subject, body)"
    " select id, :workspace_id, interaction_id, subject, body from unnest(cast(:ids as uuid[]),"
    " cast(:interaction_ids as uuid[]), cast(:subjects as text[]), cast(:bodies as text[]))"
    " as row (id, interaction_id, subject, body)"
)
_OUTBOUND = text(
    "update contact set last_outbound_at = greatest(last_outbound_at, :at),"
    " last_interaction_at = greatest(last_interaction_at, :at) where id = any(:contact_ids)"
)


def log_sent_at_once(session: Session, actor: Actor, *, entries: Sequence[Entry], at: datetime, now: datetime) -> None:
    """`log` for messages of ours that were all handed over at `at`.

    For entries that have no external id, points or public side; the caller holds the contacts' row locks in one order.
    Publishes `InteractionLogged` for each, like `log`.
    """
    if not entries:
        return
    actor.require(Permission.WRITE)
    ids = [new_id() for _ in entries]
    shared = {"workspace_id": actor.workspace_id}
    session.execute(
        _INTERACTIONS,
        shared
        | {
            "ids": ids,
            "at": at,
            "now": now,
            "contact_ids": [entry.contact_id for entry in entries],
            "handle_ids": [entry.handle_id for entry in entries],
            "kinds": [str(entry.kind) for entry in entries],
            "channels": [entry.channel for entry in entries],
            "directions": [Direction.OUTBOUND.value] * len(entries),
            "automatics": [entry.is_automatic for entry in entries],
            "author_ids": [entry.author_id for entry in entries],
            "source_kinds": [entry.source_kind for entry in entries],
            "source_ids": [entry.source_id for entry in entries],
        },
    )
    session.execute(
        _BODIES,
        shared
        | {
            "ids": [new_id() for _ in entries],
            "interaction_ids": ids,
            "subjects": [entry.subject for entry in entries],
            "bodies": [entry.body for entry in entries],
        },
    )
    touched = {
        entry.contact_id
        for entry in entries
        if entry.contact_id is not None and rules.is_exchange(entry.kind, is_automatic=entry.is_automatic)
    }
    if touched:
        session.execute(_OUTBOUND, {"at": at, "contact_ids": list(touched)})
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

"""Sweeps what has expired, workspace by workspace, in many short transactions."""

from uuid import UUID

from sqlalchemy import select

from crm.accounts.rules import system_actor
from crm.db import Database, database_now
from crm.loyalty import services
from crm.loyalty.models import Lot

MEMBERS_AT_ONCE = 100


def sweep(database: Database, *, workspace_id: UUID) -> int:
    """Write off what expired in one workspace; returns how many points. Safe to repeat and to run twice at once.

    Nobody waits for it: an expired lot is never spent and an ended offer never redeemed, swept or not.
    """
    actor = system_actor(workspace_id)
    points = 0
    while True:
        with database.scope(workspace_id) as session:
            now = database_now(session)
            members = session.scalars(
                select(Lot.member_id).distinct().where(Lot.remaining > 0, Lot.expires_at <= now).limit(MEMBERS_AT_ONCE)
            ).all()
            points += services.expire_due(session, actor, member_ids=list(members), now=now)
            codes = services.expire_vouchers(session, now=now)
        if not members and not codes:
            return points

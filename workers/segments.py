"""Jobs of segments: looking again at who is in one."""

from uuid import UUID

from crm.db import database_now
from crm.segments import services
from workers import Runtime


def refresh(runtime: Runtime, *, workspace_id: str, segment_id: str) -> None:
    """Bring one segment up to date, in a transaction of its own: a slow one holds up no other."""
    with runtime.database.scope(UUID(workspace_id)) as session:
        services.refresh(session, segment_id=UUID(segment_id), now=database_now(session))

"""Jobs of loyalty: writing off what expired."""

from uuid import UUID

from crm.loyalty import runner
from workers import Runtime


def sweep(runtime: Runtime, *, workspace_id: str) -> None:
    """Write off the points and codes of one workspace that have expired."""
    runner.sweep(runtime.database, workspace_id=UUID(workspace_id))

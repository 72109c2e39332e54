"""Jobs of the timeline: bringing history in."""

from uuid import UUID

from crm.interactions import runner
from workers import Runtime


def bring_history(runtime: Runtime, *, workspace_id: str, history_id: str) -> None:
    """Put what is left of a chat or calendar on the timelines."""
    house, wanted, database = UUID(workspace_id), UUID(history_id), runtime.database
    folder = runtime.settings.home / "files"
    try:
        runner.run(database, workspace_id=house, history_id=wanted, folder=folder)
    except Exception as error:
        runner.fail(database, workspace_id=house, history_id=wanted, folder=folder, error=error)
        raise

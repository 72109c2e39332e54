"""Jobs of lifecycle: running an import."""

from uuid import UUID

from crm.lifecycle import runner
from workers import Runtime


def run_import(runtime: Runtime, *, workspace_id: str, import_id: str) -> None:
    """Load what is left of the import."""
    house, wanted, database = UUID(workspace_id), UUID(import_id), runtime.database
    try:
        runner.run(database, workspace_id=house, import_id=wanted, folder=runtime.settings.home / "files")
    except Exception as error:
        runner.fail(database, workspace_id=house, import_id=wanted, error=error)
        raise

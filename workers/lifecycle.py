"""Jobs of lifecycle: running an import."""

from uuid import UUID

from crm.lifecycle import runner
from workers import Runtime


def run_import(runtime: Runtime, *, workspace_id: str, import_id: str) -> None:
    """Load what is left of the import."""
    ids = {"workspace_id": UUID(workspace_id), "import_id": UUID(import_id)}
    try:
        runner.run(runtime.database, folder=runtime.settings.home / "files", **ids)
    except Exception as error:
        runner.fail(runtime.database, error=error, **ids)
        raise

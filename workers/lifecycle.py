"""Jobs of lifecycle: imports, taking them back, exports, and finding what an erased person left in texts and files."""

from uuid import UUID

from crm.lifecycle import nightly, runner
from crm.lifecycle.erasure.sweep import sweep
from workers import Runtime


def run_import(runtime: Runtime, *, workspace_id: str, import_id: str) -> None:
    """Load what is left of the import."""
    house, wanted, database = UUID(workspace_id), UUID(import_id), runtime.database
    try:
        runner.run(database, workspace_id=house, import_id=wanted, folder=runtime.settings.home / "files")
    except Exception as error:
        runner.fail(database, workspace_id=house, import_id=wanted, error=error)
        raise


def revert_import(runtime: Runtime, *, workspace_id: str, import_id: str) -> None:
    """Take the import back."""
    runner.revert(runtime.database, workspace_id=UUID(workspace_id), import_id=UUID(import_id))


def run_export(runtime: Runtime, *, workspace_id: str, export_id: str) -> None:
    """Write the export."""
    runner.export(
        runtime.database,
        workspace_id=UUID(workspace_id),
        export_id=UUID(export_id),
        folder=runtime.settings.home / "files",
    )


def finish_erasure(runtime: Runtime, *, workspace_id: str, erasure_id: str) -> None:
    """Find what is left of an erased person in texts of others and in files."""
    sweep(runtime.database, workspace_id=UUID(workspace_id), erasure_id=UUID(erasure_id), home=runtime.settings.home)


def keep_retention(runtime: Runtime, *, workspace_id: str) -> None:
    """Take away what the workspace keeps no longer."""
    nightly.run(runtime.database, workspace_id=UUID(workspace_id), home=runtime.settings.home)

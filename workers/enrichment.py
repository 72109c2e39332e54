"""Jobs of enrichment: one look at one source."""

from importlib.metadata import PackageNotFoundError, version
from uuid import UUID

from crm.enrichment import runner
from crm.net.client import HttpClient
from crm.net.guard import Guard
from workers import Runtime


def fetch(runtime: Runtime, *, workspace_id: str, run_id: str) -> None:
    """Ask the run's source and take in the answer."""
    guard = Guard(allow=runtime.settings.net_allow)
    client = HttpClient(guard, contact_url=runtime.settings.public_url, version=_version())
    runner.run(runtime.database, client, workspace_id=UUID(workspace_id), run_id=UUID(run_id))


def _version() -> str:
    """What we call ourselves; a checkout that was never installed has no number."""
    try:
        return version("filodiretto")
    except PackageNotFoundError:
        return "dev"

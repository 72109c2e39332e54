"""What the long-running processes do before they serve."""

import gc
import sys
from collections.abc import Iterator

import pytest

import workers
from crm.cli.processes import loading
from crm.jobs import KINDS, JobName, QueueName
from workers.process import prepare


@pytest.fixture
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_is_loaded_at_the_start_is_not_looked_through_again() -> None:
    before = len(gc.get_objects())

    with loading():
        assert not gc.isenabled()
        kept = [[number] for number in range(1_000)]

    assert gc.isenabled()
    assert gc.get_freeze_count() > before / 2
    assert len(gc.get_objects()) < before / 10
    assert len(kept) == 1_000


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """The jobs of each queue in a module of their own: {queue: its name}."""
    names = {queue: f"part_of_{queue.value}" for queue in QueueName}
    for name in names.values():
        (tmp_path / f"{name}.py").write_text("def run(runtime):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(workers, "HANDLERS", {job: f"{names[KINDS[job].queue]}:run" for job in JobName})
    yield names
    for name in names.values():
        sys.modules.pop(name, None)


def test_what_runs_in_forks_is_imported_before_them_and_nothing_else(parts) -> None:
    prepare(QueueName.BACKGROUND)
    assert parts[QueueName.BACKGROUND] in sys.modules
    assert parts[QueueName.OUTREACH] not in sys.modules


def test_what_runs_in_the_process_itself_is_imported_with_its_first_job(parts) -> None:
    prepare(QueueName.OUTREACH)
    assert not set(parts.values()) & set(sys.modules)

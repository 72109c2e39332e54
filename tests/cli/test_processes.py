"""What the long-running processes do before they serve."""

import gc
from collections.abc import Iterator

import pytest

from crm.cli.processes import keep_out_of_collections


@pytest.fixture
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_is_loaded_at_the_start_is_not_looked_through_again() -> None:
    loaded = len(gc.get_objects())

    keep_out_of_collections()

    assert gc.get_freeze_count() > loaded / 2
    assert len(gc.get_objects()) < loaded / 10

"""One running house for all journeys; each brings its own people."""

from collections.abc import Iterator

import pytest
from stack.running import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("a journey"))
    try:
        yield running.started()
    finally:
        running.stop()

"""One running house for all journeys; each brings its own people."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from stack.callers import Api
from stack.running import Stack

# Milliseconds: real processes on a busy machine.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("a journey"), "--demo")
    try:
        yield running.started()
    finally:
        running.stop()


@pytest.fixture
def api(stack: Stack) -> Iterator[Api]:
    """A program with a token of the demo's owner."""
    printed = stack.crm("token", "create", "--workspace", "Lanterna Dati", "--role", "owner", "--name", "journey")
    api = Api(stack.address, printed.strip().splitlines()[-1])
    yield api
    api.client.close()


@pytest.fixture
def empty_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A house that nobody has moved into."""
    running = Stack(tmp_path_factory.mktemp("an empty house"))
    try:
        yield running.started()
    finally:
        running.stop()

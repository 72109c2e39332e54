"""Servers of the product's own test kit, one set for the whole session of tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.chaos.servers import Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL with shipped durability, Valkey, and a database to copy from."""
    with Servers() as running:
        yield running


@pytest.fixture
def folder(servers, tmp_path_factory) -> Path:
    """A home for processes."""
    return tmp_path_factory.mktemp("home")

"""Fixtures of the loyalty tests."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event


@pytest.fixture
def statements():
    """Collect the SQL statements of a session within a block."""

    @contextmanager
    def collect(session):
        seen = []

        def note(_connection, _cursor, statement, *_rest):
            seen.append(statement)

        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(connection, "before_cursor_execute", note)

    return collect

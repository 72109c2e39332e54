"""What the log holds: one JSON object on one line for each event, with the id of the request, and no personal value."""

import io
import json
import logging

import pytest
import structlog

from crm.accounts import guards
from crm.web import logs


@pytest.fixture
def said(monkeypatch):
    """Log as a process of `crm up` does; the lines that were written so far, read as JSON."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    monkeypatch.setattr("sys.stderr", stream)
    logs.init(level="INFO", as_json=True)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configured)


def test_an_event_is_one_line_whatever_stands_in_it(said):
    structlog.get_logger("crm.test").warning("refused", code="x\ny", path='/a\u2028b"c')
    logging.getLogger("some.library").error("it %s", "broke\r\nagain")
    first, second = said()
    assert (first["event"], first["level"], first["logger"]) == ("refused", "warning", "crm.test")
    assert (first["code"], first["path"]) == ("x\ny", '/a\u2028b"c')
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["level"], second["logger"]) == ("it broke\r\nagain", "error", "some.library")


def test_what_is_below_the_level_is_not_written(said):
    structlog.get_logger("crm.test").debug("whisper")
    logging.getLogger("httpx").info("GET http://somewhere/with/a/token")
    assert said() == []


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_an_error_that_nobody_foresaw_is_told_without_its_trace_and_found_by_its_id(own_app, said, accept):
    @guards.public
    def broken() -> str:
        raise ZeroDivisionError("a secret of the code")

    own_app.view_functions["accounts.healthz"] = broken
    answer = own_app.test_client().get("/healthz", headers={"Accept": accept})
    assert answer.status_code == 500
    assert "a secret of the code" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    (line,) = [line for line in said() if line["level"] == "error"]
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert "ZeroDivisionError: a secret of the code" in line["exception"]


def test_a_refusal_is_logged_by_its_code_and_without_what_was_typed(client, said):
    answer = client.post("/api/v1/contacts", json={"first_name": "Ann", "email": "ann.bo-is-no-address"})
    assert answer.status_code == 422
    (line,) = [line for line in said() if line["event"] == "refused"]
    assert (line["status"], line["path"]) == (422, "/api/v1/contacts")
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert "ann.bo" not in json.dumps(line)

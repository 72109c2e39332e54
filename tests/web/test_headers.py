"""The headers of every answer: what a browser may load and keep, and the id by which an answer is found in the log."""

import re

import pytest

from crm.app import create_app
from crm.settings import Settings

PAGES = ["/", "/contacts", "/settings/people", "/no/such/page", "/api/v1/me", "/api/v1/nothing", "/healthz"]


def policy(answer) -> dict[str, str]:
    """The directives of the content policy."""
    parts = (part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";"))
    return {name: values for name, _space, values in parts}


@pytest.mark.parametrize("path", PAGES)
def test_an_answer_lets_nothing_run_and_load_that_is_not_ours(client, path):
    directives = policy(client.get(path))
    assert directives["default-src"] == "'none'"
    assert re.fullmatch(r"'nonce-[\w-]{20,}' 'strict-dynamic'", directives["script-src"])
    assert directives["style-src"] == "'self'"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert directives["form-action"] == directives["connect-src"] == "'self'"
    assert not re.search(r"unsafe|https?:|\*", " ".join(directives.values()))


def test_each_answer_has_a_nonce_of_its_own_and_its_scripts_carry_it(client):
    nonces = set()
    for _ in range(3):
        answer = client.get("/contacts")
        (nonce,) = re.findall(r"'nonce-([^']+)'", policy(answer)["script-src"])
        carried = re.findall(r"<script(?![^>]*application/json)[^>]*>", answer.text)
        assert carried
        assert all(f'nonce="{nonce}"' in tag for tag in carried)
        nonces.add(nonce)
    assert len(nonces) == 3


@pytest.mark.parametrize("path", PAGES)
def test_an_answer_is_neither_guessed_at_nor_kept_and_has_an_id(client, path):
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["X-Request-Id"])
    assert headers["X-Request-Id"] != client.get(path).headers["X-Request-Id"]


def test_https_is_demanded_only_where_it_is_the_public_address(transaction, tmp_path, jobs, client):
    settings = Settings.load(home=tmp_path / "home", secret_key="test-secret-key", base_url="https://crm.example.com")
    app = create_app(settings, database=transaction, jobs=jobs)
    assert "max-age=31536000" in app.test_client().get("/healthz").headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in client.get("/healthz").headers

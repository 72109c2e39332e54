"""The bundle: addresses from the manifest, and files served in the smallest form the browser reads."""

import gzip
import json
from pathlib import Path

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from crm.web import vite

SCRIPT = "export const answer = 42;\n" * 40


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A small bundle as Vite leaves it, its script compressed with gzip only."""
    (tmp_path / ".vite").mkdir()
    manifest = {
        "src/main.js": {"file": "main-AAAAAAAA.js", "isEntry": True, "css": ["main-BBBBBBBB.css"]},
        "src/chart.js": {"file": "chart-CCCCCCCC.js", "isEntry": True},
        "_icons-D_D-DDDD.svg": {"file": "icons-D_D-DDDD.svg"},
    }
    (tmp_path / ".vite" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / "main-AAAAAAAA.js").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "main-AAAAAAAA.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (tmp_path / "icons-D_D-DDDD.svg").write_text("<svg/>", encoding="utf-8")
    return tmp_path


@pytest.fixture
def app(dist: Path) -> Flask:
    """A bare application that serves the small bundle."""
    app = Flask("bundle")
    vite.init_app(app, dist)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A visitor of it."""
    return app.test_client()


def test_a_source_name_becomes_the_address_of_its_hashed_file(dist: Path) -> None:
    bundle = vite.read_bundle(dist)
    assert bundle.url("main.js") == "/assets/main-AAAAAAAA.js"


def test_files_that_the_build_makes_itself_are_found_by_their_plain_name(dist: Path) -> None:
    assert vite.read_bundle(dist).url("icons.svg") == "/assets/icons-D_D-DDDD.svg"


def test_a_name_that_is_not_in_the_bundle_is_told_with_the_remedy(dist: Path) -> None:
    with pytest.raises(vite.AssetMissingError, match=r"other\.js is not in the bundle; run 'make assets'"):
        vite.read_bundle(dist).url("other.js")


def test_a_missing_build_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(vite.AssetMissingError, match="run 'make assets'"):
        vite.read_bundle(tmp_path)


def test_an_entry_brings_its_style_sheet_and_a_script_with_the_nonce(app: Flask) -> None:
    with app.test_request_context():
        html = render_template_string("{{ asset_tags('main.js', 'abc\"') }}")
    assert '<link rel="stylesheet" href="/assets/main-BBBBBBBB.css">' in html
    assert '<script type="module" src="/assets/main-AAAAAAAA.js" nonce="abc&#34;"></script>' in html


def test_an_entry_without_styles_brings_only_its_script(app: Flask) -> None:
    with app.test_request_context():
        html = render_template_string("{{ asset_tags('chart.js', 'n') }}")
    assert "stylesheet" not in html


def test_a_browser_that_reads_gzip_gets_the_packed_file(client: FlaskClient) -> None:
    with client.get("/assets/main-AAAAAAAA.js", headers={"Accept-Encoding": "gzip, br"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert gzip.decompress(answer.data).decode() == SCRIPT


def test_the_packed_file_keeps_the_type_of_the_plain_one(client: FlaskClient) -> None:
    with client.get("/assets/main-AAAAAAAA.js", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.mimetype == "text/javascript"


def test_a_browser_that_refuses_gzip_gets_the_plain_file(client: FlaskClient) -> None:
    with client.get("/assets/main-AAAAAAAA.js", headers={"Accept-Encoding": "gzip;q=0"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert answer.get_data(as_text=True) == SCRIPT


def test_hashed_files_may_be_kept_for_a_year(client: FlaskClient) -> None:
    with client.get("/assets/icons-D_D-DDDD.svg") as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "name",
    ["none.js", ".vite/manifest.json", "../secret.txt", "%2e%2e/secret.txt", "main-AAAAAAAA.js.gz", ""],
)
def test_nothing_but_the_files_of_the_bundle_is_served(client: FlaskClient, dist: Path, name: str) -> None:
    (dist.parent / "secret.txt").write_text("secret", encoding="utf-8")
    assert client.get(f"/assets/{name}").status_code == 404


def test_the_manifest_is_read_once_and_again_in_debug_mode(app: Flask, dist: Path) -> None:
    with app.test_request_context():
        before = render_template_string("{{ asset('main.js') }}")
        manifest = dist / ".vite" / "manifest.json"
        manifest.write_text(manifest.read_text(encoding="utf-8").replace("AAAAAAAA", "EEEEEEEE"), encoding="utf-8")
        kept = render_template_string("{{ asset('main.js') }}")
        app.debug = True
        fresh = render_template_string("{{ asset('main.js') }}")
    assert (before, kept, fresh) == (before, before, "/assets/main-EEEEEEEE.js")

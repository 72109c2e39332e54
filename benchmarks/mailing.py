"""Fills a workspace with people and messages that are due: one is written by the services, SQL multiplies it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from sqlalchemy import select

from benchmarks.stand import Stand
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.smtp import Security
from crm.consent.kinds import Purpose
from crm.contacts.models import Contact, Handle
from crm.db import Base, database_now, new_id
from crm.outreach import services
from crm.outreach.models import FrozenContent, Message, MessageText

BODY = "Gentile **{{ contact.name }}**,\n\n" + "le scrivo per il rapporto di questo mese, che trova qui sotto. " * 8
NAME = "Persona Prima"


@dataclass(frozen=True, slots=True)
class Pattern:
    """The rows of one approved message that is due: all others are copies of it."""

    contact_id: UUID
    handle_id: UUID
    message_id: UUID
    frozen_id: UUID
    text_id: UUID


def account(stand: Stand, actor: Actor, *, port: int, name: str = "Sales") -> UUID:
    """A sender account whose server is the sink on this machine."""
    with stand.database.scope(actor.workspace_id) as session:
        data = services.AccountInput(
            name=name, address="sales@example.com", display_name="Giulia Ferri", host="127.0.0.1", port=port,
            security=Security.NONE,
        )  # fmt: skip
        return services.create_account(session, actor, data=data, now=database_now(session)).id


def first(stand: Stand, actor: Actor, account_id: UUID) -> Pattern:
    """One person with one approved message, due now, as a campaign without an offer writes it."""
    with stand.database.scope(actor.workspace_id) as session:
        now = database_now(session)
        person = Contact(id=new_id(), display_name=NAME, sort_name=NAME)
        session.add(person)
        session.flush()
        address = f"{new_id().hex}@example.com"
        session.add(
            Handle(channel="email", address=address, address_norm=address, contact_id=person.id, is_primary=True)
        )
        session.flush()
        draft = services.DraftInput(contact_id=person.id, subject="Ciao {{ contact.name }}", body=BODY)
        made = services.draft_many(
            session, actor, batch_id=None, drafts=[draft], purpose=Purpose.PERSONAL, channel=ChannelKind.EMAIL,
            account_id=account_id, now=now,
        )  # fmt: skip
        message_id = made[person.id]
        services.approve(session, actor, message_ids=[message_id], now=now)
        assert services.schedule(session, actor, message_ids=[message_id], at=now, now=now).done == (message_id,)
        handle_id = session.get_one(Message, message_id).handle_id
        assert handle_id is not None
        frozen_id = session.scalars(select(FrozenContent.id).where(FrozenContent.message_id == message_id)).one()
        text_id = session.scalars(select(MessageText.id).where(MessageText.message_id == message_id)).one()
        return Pattern(person.id, handle_id, message_id, frozen_id, text_id)


def multiply(stand: Stand, pattern: Pattern, number: int) -> None:
    """Add `number` people with a copy of that message each, due at the same moment."""
    tag = new_id().hex[-8:]
    person, handle, letter, frozen, text = (_ids() for _ in range(5))
    words = {column: f"replace(row.{column}, '{NAME}', 'Persona ' || n)" for column in ("subject", "text", "html")}
    address = f"'p' || n || '-{tag}@example.com'"
    with _quick(stand) as connection:
        _copy(connection, Contact, pattern.contact_id, number, {
            "id": person, "display_name": "'Persona ' || n", "sort_name": "'persona ' || n",
        })  # fmt: skip
        _copy(connection, Handle, pattern.handle_id, number, {
            "id": handle, "contact_id": person, "address": address, "address_norm": address,
        })  # fmt: skip
        _copy(connection, Message, pattern.message_id, number, {
            "id": letter, "contact_id": person, "handle_id": handle, "reference": f"'<' || n || '.{tag}@example.com>'",
        })  # fmt: skip
        _copy(connection, FrozenContent, pattern.frozen_id, number, {
            "id": frozen, "message_id": letter, "to_address": address, "to_name": "'Persona ' || n", **words,
        })  # fmt: skip
        _copy(connection, MessageText, pattern.text_id, number, {"id": text, "message_id": letter})


def remember(stand: Stand, pattern: Pattern, number: int) -> None:
    """Add a past of `number` sent messages with their words and attempts, to the person of the pattern and 999 more."""
    tag = new_id().hex[-8:]
    letter, frozen, text, attempt, outcome, claim = (_ids() for _ in range(6))
    people = 1_000
    person = _ids(f"mod(n, {people})")
    past = "now() - interval '30 days' - n * interval '1 second'"
    with _quick(stand) as connection:
        _copy(connection, Contact, pattern.contact_id, people, {
            "id": person, "display_name": "'Ospite ' || n", "sort_name": "'ospite ' || n",
        })  # fmt: skip
        _copy(connection, Message, pattern.message_id, number, {
            "id": letter, "contact_id": person, "reference": f"'<' || n || '.{tag}@example.com>'", "state": "'sent'",
            "sent_at": past, "due_at": past, "planned_at": past, "created_at": past, "tries": "1",
        })  # fmt: skip
        _copy(connection, FrozenContent, pattern.frozen_id, number, {"id": frozen, "message_id": letter})
        _copy(connection, MessageText, pattern.text_id, number, {"id": text, "message_id": letter})
        connection.execute(
            "insert into attempt (id, workspace_id, message_id, account_id, claim_id, number, content_hash, started_at)"
            f" select {attempt}, row.workspace_id, {letter}, row.account_id, {claim}, 1, row.approved_hash, {past}"
            f" from message row, generate_series(1, {number}) n where row.id = %s".encode(),
            [pattern.message_id],
        )
        connection.execute(
            "insert into attempt_outcome (id, workspace_id, attempt_id, kind, code, at)"
            f" select {outcome}, row.workspace_id, {attempt}, 'accepted', 'accepted', {past}"
            f" from message row, generate_series(1, {number}) n where row.id = %s".encode(),
            [pattern.message_id],
        )


@contextmanager
def _quick(stand: Stand) -> Iterator[psycopg.Connection]:
    """A transaction that doesn't check references: the rows are copies of sound ones, one check each takes minutes."""
    url = stand.server.superuser_url("crm").replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("set local session_replication_role = replica")
        yield connection


def _ids(number: str = "n") -> str:
    """SQL for ids that can be told from the number of the copy, and grow with it as ours do."""
    return f"('{str(new_id())[:-12]}' || lpad(to_hex({number}), 12, '0'))::uuid"


def _copy(connection: psycopg.Connection, model: type[Base], row_id: UUID, number: int, own: Mapping[str, str]) -> None:
    """Insert `number` copies of one row with `own` expressions, in which `n` is the number of the copy."""
    names = [column.name for column in model.__table__.columns if column.computed is None]
    values = ", ".join(own.get(name, f"row.{name}") for name in names)
    connection.execute(
        f"insert into {model.__tablename__} ({', '.join(names)}) select {values}"
        f" from {model.__tablename__} row, generate_series(1, {number}) n where row.id = %s".encode(),
        [row_id],
    )

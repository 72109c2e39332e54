"""Reads everything about one person by the registry of `crm.lifecycle.erasure`, table by table and row by row."""

from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, LargeBinary, or_, select, true
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.interactions.kinds import Visibility
from crm.lifecycle.erasure import REGISTRY
from crm.lifecycle.erasure.taking import sql_table, theirs

#: Rows that are held in memory at a time.
PART: Final = 500
#: What an id stands for is written beside it: {table: (its column, other table, column there, what it is called here)}.
#: People are not among them: a copy for one person tells nothing of another.
BESIDE: Final[dict[str, tuple[tuple[str, str, str, str], ...]]] = {
    "contact": (("company_id", "company", "name", "company"),),
    "affiliation": (("company_id", "company", "name", "company"),),
    "contact_tag": (("tag_id", "tag", "name", "tag"),),
    "labelled_entry": (("label_id", "entry_label", "name", "label"),),
    "custom_value": (("field_id", "custom_field", "label", "field"), ("choice_id", "custom_choice", "label", "value")),
    "interaction_body": (
        ("interaction_id", "interaction", "happened_at", "happened_at"),
        ("interaction_id", "interaction", "kind", "kind"),
    ),
    "message_text": (("message_id", "message", "created_at", "created_at"),),
    "consent_evidence": (("event_id", "consent_event", "happened_at", "happened_at"),),
    "ledger_note": (("transaction_id", "ledger_transaction", "at", "at"),),
    "segment_member": (("segment_id", "segment", "name", "segment"),),
    "segment_pick": (("segment_id", "segment", "name", "segment"),),
    "segment_change": (("segment_id", "segment", "name", "segment"),),
    "recipient": (("campaign_id", "campaign", "name", "campaign"),),
    "campaign_pick": (("campaign_id", "campaign", "name", "campaign"),),
    "voucher": (("offer_id", "offer", "name", "offer"),),
    "redemption": (("offer_id", "offer", "name", "offer"),),
    "member": (("program_id", "program", "name", "program"),),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One table's rows about the person, {column: value}, read as they are asked for."""

    table: str
    rows: Iterator[dict[str, Any]]


def tables() -> list[str]:
    """The tables of an access export, in the order of the registry."""
    return [entry.name for entry in REGISTRY.values() if entry.of and not entry.is_internal]


def parts(session: Session, actor: Actor, *, people: Collection[UUID]) -> Iterator[Part]:
    """Everything about `people` (one person, with those merged into them); each part must be read before the next.

    What a colleague noted for themselves alone is left out for whoever may not erase the person either.
    """
    actor.require(Permission.EXPORT)
    for name in tables():
        yield Part(name, _rows(session, actor, name, people))


def _rows(session: Session, actor: Actor, name: str, people: Collection[UUID]) -> Iterator[dict[str, Any]]:
    table, entry = sql_table(name), REGISTRY[name]
    hidden = {"workspace_id", *entry.hidden, *(c.name for c in table.columns if isinstance(c.type, LargeBinary))}
    columns = [column for column in table.columns if column.name not in hidden]
    named = [
        select(sql_table(other).c[label])
        .where(sql_table(other).c.id == table.c[column])
        .correlate(table)
        .scalar_subquery()
        .label(shown)
        for column, other, label, shown in BESIDE.get(name, ())
    ]
    wanted = select(*columns, *named).where(theirs(name, people), _not_private(actor, name)).order_by(table.c.id)
    keys = [column.name for column in (*columns, *named)]
    with closing(session.execute(wanted.execution_options(yield_per=PART))) as found:
        for row in found:
            yield dict(zip(keys, row, strict=True))


def _not_private(actor: Actor, name: str) -> ColumnElement[bool]:
    if actor.may(Permission.ERASE):
        return true()
    entry, table = sql_table("interaction"), sql_table(name)
    open_to_all = or_(entry.c.visibility != Visibility.PRIVATE.value, entry.c.author_id == actor.user_id)
    if name == "interaction":
        return open_to_all
    if "interaction" in REGISTRY[name].of.get("interaction_id", ()):
        return select(entry.c.id).where(entry.c.id == table.c.interaction_id, open_to_all).exists()
    if name == "stored_file":
        link, letter = sql_table("entry_file"), sql_table("message_file")
        of_entry = (
            select(link.c.id)
            .join_from(link, entry, entry.c.id == link.c.interaction_id)
            .where(link.c.file_id == table.c.id, open_to_all)
        )
        return or_(of_entry.exists(), select(letter.c.id).where(letter.c.file_id == table.c.id).exists())
    return true()


def raw_mails(session: Session, *, people: Collection[UUID]) -> Iterator[tuple[UUID, bytes]]:
    """(event, bytes) of each mail as it came in, one at a time."""
    table = sql_table("inbound_raw")
    for row in session.execute(select(table.c.id, table.c.event_id).where(theirs("inbound_raw", people))).all():
        yield row.event_id, session.scalar(select(table.c.raw).where(table.c.id == row.id)) or b""

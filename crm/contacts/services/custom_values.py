"""Owns setting values of the workspace's own fields, with where they came from."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts import queries, rules
from crm.contacts.custom_models import CustomValue
from crm.contacts.custom_rules import PREFIX, FieldShape, Value, ValueRefusedError, read, same
from crm.contacts.kinds import CustomSubject, CustomType, FactOrigin, FactState
from crm.contacts.models import Company, Contact, Fact, Handle
from crm.contacts.rules import FactDecision
from crm.contacts.services.conflicts import check_version
from crm.contacts.services.facts import write_facts
from crm.db import new_id
from crm.errors import InvalidInputError
from crm.filters.text import normalise as folded


def set_custom_values(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID | None = None,
    company_id: UUID | None = None,
    values: Mapping[str, Any],
    origin: FactOrigin = FactOrigin.TYPED,
    source: str = "",
    source_id: UUID | None = None,
    expected_version: int | None = None,
    now: datetime,
) -> tuple[str, ...]:
    """Set fields of the workspace's own by their keys, None or "" for no value; the keys that changed.

    What is the same already changes nothing, and what a machine found leaves alone what a person typed. With
    `expected_version` as `services.update`. Raises `InvalidInputError` with one sentence per `custom.<key>`.
    """
    actor.require(Permission.EDIT)
    subject: Contact | Company
    if contact_id is not None:
        subject = queries.contact(session, actor, contact_id=contact_id, lock=True)
    elif company_id is not None:
        subject = queries.company(session, actor, company_id=company_id, lock=True)
    else:
        raise InvalidInputError(N_("A value is about a person or a company."))
    fresh = changed_values(session, actor, subject=subject, values=values)
    names = [field.name for field in fresh]
    check_version(session, subject=subject, fields=names, expected_version=expected_version, merge=True)
    return write_custom(
        session, actor, subject=subject, fresh=fresh, origin=origin, source=source, source_id=source_id, now=now
    )


def changed_values(
    session: Session, actor: Actor, *, subject: Contact | Company, values: Mapping[str, Any]
) -> dict[FieldShape, Value | None]:
    """Those of the `values` that differ from what is kept, read and checked; raises as `set_custom_values`."""
    if not values:
        return {}
    kind = CustomSubject.CONTACT if isinstance(subject, Contact) else CustomSubject.COMPANY
    fields = {field.key: field for field in queries.custom_fields(session, actor, subject=kind)}
    given = read_values(session, actor, fields=fields, values=values)
    asked = [field for field in fields.values() if field.key in given]
    owner = {"contact_ids" if isinstance(subject, Contact) else "company_ids": [subject.id]}
    kept = queries.custom_values_of(session, actor, fields=asked, **owner).get(subject.id, {})
    errors = {
        field.name: N_("This is required.")
        for field in asked
        if field.required and given[field.key] is None and field.key in kept
    }
    if errors:
        raise InvalidInputError(N_("Some values are not right."), fields=errors)
    return {field: given[field.key] for field in asked if not same(given[field.key], kept.get(field.key))}


def read_values(
    session: Session, actor: Actor, *, fields: Mapping[str, FieldShape], values: Mapping[str, Any]
) -> dict[str, Value | None]:
    """Raw values by key as the fields keep them; people are also found by e-mail address or name."""
    read_ones: dict[str, Value | None] = {}
    errors: dict[str, str] = {}
    for key, raw in values.items():
        field = fields.get(key)
        if field is None:
            errors[f"{PREFIX}{key}"] = N_("There is no field with this name.")
            continue
        try:
            meant = _person(session, actor, raw) if field.type is CustomType.CONTACT else raw
            read_ones[key] = read(field, meant)
        except ValueRefusedError as error:
            errors[field.name] = error.sentence
    if errors:
        raise InvalidInputError(N_("Some values are not right."), fields=errors)
    return read_ones


def _person(session: Session, actor: Actor, raw: Any) -> Any:
    """The id of the visible person with this id, e-mail address or name; what is empty stays so."""
    if not raw or not isinstance(raw, str | UUID):
        return raw
    text = str(raw).strip()
    try:
        wanted = select(Contact.id).where(Contact.id == UUID(text))
    except ValueError:
        wanted = _by_words(text)
    found = session.scalars(wanted.where(queries.alive(actor)).limit(2)).all()
    if not found:
        raise ValueRefusedError(N_("Nobody is called so."))
    if len(found) > 1:
        raise ValueRefusedError(N_("Several people are called so: write the e-mail address."))
    return found[0]


def _by_words(text: str) -> Any:
    if "@" in text:
        try:
            known = normalise(ChannelKind.EMAIL, text)
        except AddressError as error:
            raise ValueRefusedError(N_("Nobody is called so.")) from error
        at = (Handle.channel == ChannelKind.EMAIL, Handle.address_norm == known.address_norm)
        return select(Contact.id).join(Handle, Handle.contact_id == Contact.id).where(*at, Handle.deleted_at.is_(None))
    # Every way to part the words into first and last name; the last name may come first too.
    words = folded(text).split(" ")
    orders = {f"{' '.join(words[cut:])} {' '.join(words[:cut])}".strip() for cut in range(len(words))}
    return select(Contact.id).where(Contact.sort_name.in_(orders))


def write_custom(
    session: Session,
    actor: Actor,
    *,
    subject: Contact | Company,
    fresh: Mapping[FieldShape, Value | None],
    origin: FactOrigin,
    source: str,
    source_id: UUID | None = None,
    now: datetime,
) -> tuple[str, ...]:
    """Write values that are known to differ on a locked record, and note where they came from."""
    if origin is FactOrigin.FOUND:
        fresh = {field: value for field, value in fresh.items() if _may_find(session, subject, field, value)}
    if not fresh:
        return ()
    mine = CustomValue.contact_id if isinstance(subject, Contact) else CustomValue.company_id
    ids = [field.id for field in fresh]
    session.execute(delete(CustomValue).where(mine == subject.id, CustomValue.field_id.in_(ids)))
    owner = {"contact_id" if isinstance(subject, Contact) else "company_id": subject.id}
    session.add_all(
        CustomValue(id=new_id(), field_id=field.id, **owner, **columns)
        for field, value in fresh.items()
        for columns in (value.rows if value else ())
    )
    texts = {field.name: value.text if value else "" for field, value in fresh.items()}
    write_facts(
        session, actor, subject=subject, values=texts, origin=origin, source=source, source_id=source_id, now=now
    )
    subject.updated_at = now
    # Of the record itself perhaps nothing differs; its version has to rise all the same.
    flag_modified(subject, "updated_at")
    session.flush()
    return tuple(field.key for field in fresh)


def _may_find(session: Session, subject: Contact | Company, field: FieldShape, value: Value | None) -> bool:
    """What a machine found fills gaps and renews its own findings; it never replaces what a person typed."""
    mine = Fact.contact_id == subject.id if isinstance(subject, Contact) else Fact.company_id == subject.id
    wanted = select(Fact).where(mine, Fact.field == field.name, Fact.state != FactState.SUPERSEDED)
    known = session.scalars(wanted).all()
    current = next((fact for fact in known if fact.state == FactState.CURRENT), None)
    decision = rules.decide_fact(
        new=value.text if value else "",
        origin=FactOrigin.FOUND,
        current=current.value if current else "",
        current_origin=FactOrigin(current.origin) if current else None,
        rejected=frozenset(fact.value for fact in known if fact.state == FactState.REJECTED),
    )
    return decision is FactDecision.APPLY


def check_required(session: Session, actor: Actor, *, subject: CustomSubject, values: Mapping[str, Any]) -> None:
    """Raise `InvalidInputError` when somebody types a new record in and leaves out a value that is required.

    For pages and API only: what comes from files and machines may lack it, and is asked for at the next edit.
    """
    missing = {
        field.name: N_("This is required.")
        for field in queries.custom_fields(session, actor, subject=subject)
        if field.required and values.get(field.key) in (None, "", [])
    }
    if missing:
        raise InvalidInputError(N_("Some values are not right."), fields=missing)

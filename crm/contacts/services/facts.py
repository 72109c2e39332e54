"""Owns provenance: writing where a value came from, and suggestions of machines that wait for a person."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries, rules
from crm.contacts.inputs import CompanyInput, ContactInput, parsed
from crm.contacts.kinds import FactOrigin, FactState
from crm.contacts.models import Company, Contact, Fact
from crm.contacts.rules import COMPANY_FIELDS, CONTACT_FIELDS, FactDecision
from crm.contacts.services.affiliations import set_company
from crm.contacts.values import set_company_values, set_values, text_of, typed
from crm.errors import InvalidInputError, NotFoundError


class UnknownFieldError(InvalidInputError):
    """The field does not exist or keeps no provenance."""

    code = "unknown_field"


class SuggestionNotFoundError(NotFoundError):
    """No such suggestion, or it was decided already."""

    code = "suggestion_not_found"


def write_facts(
    session: Session,
    actor: Actor,
    *,
    subject: Contact | Company,
    values: Mapping[str, str],
    origin: FactOrigin,
    source: str,
    source_url: str = "",
    source_id: UUID | None = None,
    confidence: int = 100,
    now: datetime,
) -> list[Fact]:
    """Note the origin of values that were just set on `subject`; call it before the flush that raises its version.

    Earlier origins of the same fields become superseded, and a suggestion of the same value is settled.
    """
    if not values:
        return []
    mine = Fact.contact_id == subject.id if isinstance(subject, Contact) else Fact.company_id == subject.id
    session.execute(
        update(Fact)
        .where(mine, Fact.field.in_(list(values)), Fact.state == FactState.CURRENT)
        .values(state=FactState.SUPERSEDED)
    )
    for field, value in values.items():
        session.execute(
            update(Fact)
            .where(mine, Fact.field == field, Fact.state == FactState.SUGGESTED, Fact.value == value)
            .values(state=FactState.SUPERSEDED, decided_at=now)
        )
    facts = [
        _fact(
            subject,
            field=field,
            value=value,
            origin=origin,
            source=source,
            source_url=source_url,
            source_id=source_id,
            confidence=confidence,
            state=FactState.CURRENT,
            user_id=actor.user_id if origin is FactOrigin.TYPED else None,
            at=now,
        )
        for field, value in values.items()
    ]
    session.add_all(facts)
    return facts


def _fact(subject: Contact | Company, **values: Any) -> Fact:
    key = "contact_id" if isinstance(subject, Contact) else "company_id"
    return Fact(**{key: subject.id}, version=(subject.version or 0) + 1, **values)


def _known(session: Session, subject: Contact | Company, field: str) -> list[Fact]:
    """What was ever said of a field and still counts: the current value, suggestions and refusals."""
    mine = Fact.contact_id == subject.id if isinstance(subject, Contact) else Fact.company_id == subject.id
    return list(
        session.scalars(select(Fact).where(mine, Fact.field == field, Fact.state != FactState.SUPERSEDED)).all()
    )


def record_fact(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID | None = None,
    company_id: UUID | None = None,
    field: str,
    value: str,
    origin: FactOrigin,
    source: str,
    source_url: str = "",
    source_id: UUID | None = None,
    confidence: int = 100,
    now: datetime,
) -> Fact | None:
    """Bring one value: it is set, becomes a suggestion, or is ignored (None), as `rules.decide_fact` says.

    Raises `UnknownFieldError`, `InvalidInputError` for a value the field can't take, and the not-found errors.
    """
    actor.require(Permission.EDIT)
    subject = _subject(session, actor, contact_id=contact_id, company_id=company_id)
    clean = _clean(subject, field, value)
    if origin is FactOrigin.FOUND and _is_limited(subject):
        return None
    known = _known(session, subject, field)
    current = next((row for row in known if row.state == FactState.CURRENT), None)
    decision = rules.decide_fact(
        new=clean,
        origin=origin,
        current=text_of(subject, field),
        current_origin=FactOrigin(current.origin) if current else None,
        rejected=frozenset(row.value for row in known if row.state == FactState.REJECTED),
    )
    given: dict[str, Any] = {
        "origin": origin,
        "source": source,
        "source_url": source_url,
        "source_id": source_id,
        "confidence": confidence,
    }
    if decision is FactDecision.IGNORE:
        return None
    if decision is FactDecision.APPLY:
        fact = write_facts(session, actor, subject=subject, values={field: clean}, now=now, **given)[0]
        _set(session, subject, field, clean, now=now)
        session.flush()
        return fact
    return _suggest(session, subject, known=known, field=field, value=clean, now=now, **given)


def suggest_fact(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID | None = None,
    company_id: UUID | None = None,
    field: str,
    value: str,
    source: str,
    source_url: str = "",
    source_id: UUID | None = None,
    confidence: int = 100,
    now: datetime,
) -> Fact | None:
    """Propose a value without setting it; None when it is the current one or was refused before.

    Nothing is proposed about a person whose data may only be kept.
    """
    actor.require(Permission.EDIT)
    subject = _subject(session, actor, contact_id=contact_id, company_id=company_id)
    clean = _clean(subject, field, value)
    if _is_limited(subject):
        return None
    known = _known(session, subject, field)
    refused = any(row.state == FactState.REJECTED and row.value == clean for row in known)
    if refused or clean == text_of(subject, field):
        return None
    return _suggest(
        session,
        subject,
        known=known,
        field=field,
        value=clean,
        origin=FactOrigin.FOUND,
        source=source,
        source_url=source_url,
        source_id=source_id,
        confidence=confidence,
        now=now,
    )


def _is_limited(subject: Contact | Company) -> bool:
    return isinstance(subject, Contact) and subject.limited_at is not None


def _suggest(
    session: Session,
    subject: Contact | Company,
    *,
    known: list[Fact],
    field: str,
    value: str,
    now: datetime,
    **given: Any,
) -> Fact:
    """One open suggestion per field and source: a newer one takes the older one's place."""
    for row in known:
        if row.state == FactState.SUGGESTED and row.value == value:
            return row
        if row.state == FactState.SUGGESTED and row.source == given["source"]:
            row.state, row.decided_at = FactState.SUPERSEDED, now
    fact = _fact(subject, field=field, value=value, state=FactState.SUGGESTED, at=now, **given)
    session.add(fact)
    session.flush()
    return fact


def decide_suggestion(session: Session, actor: Actor, *, fact_id: UUID, accept: bool, now: datetime) -> Fact:
    """Take a suggested value over, or keep one's own for good; raises `SuggestionNotFoundError`."""
    actor.require(Permission.EDIT)
    wanted = select(Fact).where(Fact.id == fact_id, Fact.state == FactState.SUGGESTED).with_for_update()
    fact = session.scalars(wanted).one_or_none()
    if fact is None:
        raise SuggestionNotFoundError(N_("This suggestion was decided already."))
    subject = _subject(session, actor, contact_id=fact.contact_id, company_id=fact.company_id)
    fact.decided_at = now
    if not accept:
        fact.state = FactState.REJECTED
        session.flush()
        return fact
    current = Fact.contact_id == fact.contact_id if fact.contact_id else Fact.company_id == fact.company_id
    session.execute(
        update(Fact)
        .where(current, Fact.field == fact.field, Fact.state == FactState.CURRENT)
        .values(state=FactState.SUPERSEDED)
    )
    fact.state, fact.user_id, fact.version = FactState.CURRENT, actor.user_id, subject.version + 1
    _set(session, subject, fact.field, fact.value, now=now)
    session.flush()
    return fact


def _subject(session: Session, actor: Actor, *, contact_id: UUID | None, company_id: UUID | None) -> Contact | Company:
    if contact_id is not None:
        return queries.contact(session, actor, contact_id=contact_id, lock=True)
    if company_id is not None:
        return queries.company(session, actor, company_id=company_id, lock=True)
    raise InvalidInputError(N_("A fact is about a person or a company."))


def _clean(subject: Contact | Company, field: str, value: str) -> str:
    """The value as its input model would store it, as text."""
    fields = CONTACT_FIELDS if isinstance(subject, Contact) else COMPANY_FIELDS
    if field not in fields:
        raise UnknownFieldError(N_("There is no field with this name."), fields={field: field})
    given = {field: (value or None) if field.endswith("_id") or field == "staff" else value}
    model: ContactInput | CompanyInput
    if isinstance(subject, Contact):
        model = parsed(ContactInput, given)
    else:
        model = parsed(CompanyInput, {"name": subject.name, **given})
    found = getattr(model, field)
    return "" if found is None else str(found)


def _set(session: Session, subject: Contact | Company, field: str, value: str, *, now: datetime) -> None:
    if isinstance(subject, Company):
        set_company_values(subject, {field: typed(field, value)})
    elif field == "company_id":
        set_company(session, contact=subject, company_id=typed(field, value), now=now)
    else:
        set_values(subject, {field: typed(field, value)})
    subject.updated_at = now

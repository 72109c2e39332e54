"""Owns the search for people and companies by fragments of a name, address or company, and by misspelt names."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg.errors import QueryCanceled
from sqlalchemy import select, text, tuple_
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from crm.accounts import queries as accounts
from crm.accounts.rules import Actor
from crm.channels.addresses import DEFAULT_REGION, AddressError, normalise
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts.models import Company, Contact, Handle
from crm.contacts.queries.access import Scope, alive, scope
from crm.contacts.queries.people import contacts
from crm.errors import InvalidInputError
from crm.web.paging import Page

#: A search that takes longer gives up: the likeness of a very common fragment must not keep a connection busy.
TIMEOUT_MS: Final = 300
#: Fewer plain hits than this, and misspelt names are looked for as well.
FEW: Final = 3

#: Of these a whole address is told from a fragment.
WHOLE: Final = (ChannelKind.EMAIL, ChannelKind.PHONE, ChannelKind.WHATSAPP)

_CONTACTS: Final = text("select id, matched from public.crm_search_contacts(:query, :limit, :scope, :viewer)")
_CLOSE: Final = text("select id from public.crm_search_contacts_close(:query, :limit, :scope, :viewer)")
_SET_TIMEOUT: Final = text("select set_config('statement_timeout', :value, true)")
_COMPANIES: Final = text("select id from public.crm_search_companies(:query, :limit)")


class SearchTooBroadError(InvalidInputError):
    """So many people match that finding the best ones takes too long."""

    code = "search_too_broad"


class HitKind(StrEnum):
    CONTACT = "contact"
    COMPANY = "company"


class Matched(StrEnum):
    """Why a person was found."""

    NAME = "name"
    HANDLE = "handle"
    COMPANY = "company"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """One person or company that was found, best first; `sub` is the company or e-mail, the place of a company."""

    kind: HitKind
    id: UUID
    name: str
    sub: str
    matched: Matched
    is_key: bool = False


def search(session: Session, actor: Actor, *, text: str, limit: int = 10) -> list[SearchHit]:
    """Visible people and then companies for fragments of names, e-mail, phone, handle or company.

    Accents and case don't matter; every word must match. With fewer than three people found, names that are spelt
    nearly so are added. At most `limit` of each. Raises `SearchTooBroadError` when even the plain search takes too
    long.
    """
    found = search_contacts(session, actor, text=text, limit=limit)
    people = contacts(session, actor, contact_ids=found)
    hits = [
        SearchHit(
            kind=HitKind.CONTACT,
            id=contact_id,
            name=people[contact_id].display_name,
            sub=_sub(people[contact_id]),
            matched=matched,
            is_key=people[contact_id].importance == "key",
        )
        for contact_id, matched in found.items()
        if contact_id in people
    ]
    return [*hits, *_companies(session, actor, query=text, limit=limit)]


def search_contacts(session: Session, actor: Actor, *, text: str, limit: int = 10) -> dict[UUID, Matched]:
    """The ids of visible people, best first, and why each was found; as `search`."""
    reach = scope(actor)
    if reach is Scope.NOTHING or not text.strip():
        return {}
    exact = _by_address(session, actor, text=text)
    if exact:
        return exact
    given = {"query": text, "limit": limit, "scope": reach.value, "viewer": actor.user_id}
    rows = within_time(session, _CONTACTS, given)
    if rows is None:
        raise SearchTooBroadError(N_("Too many people match. Write one more word."))
    found = {row.id: Matched(row.matched) for row in rows}
    # Addresses are not misspelt names.
    if len(found) < min(FEW, limit) and "@" not in text and any(letter.isalpha() for letter in text):
        for row in within_time(session, _CLOSE, given) or ():
            found.setdefault(row.id, Matched.CLOSE)
    return dict(list(found.items())[:limit])


def _by_address(session: Session, actor: Actor, *, text: str) -> dict[UUID, Matched]:
    """Whoever has exactly this e-mail address or phone number; the parts of a whole one are in many others as well."""
    region = accounts.workspace(session, actor).country if any(sign.isdigit() for sign in text) else DEFAULT_REGION
    whole = []
    for channel in WHOLE:
        try:
            whole.append((channel.value, normalise(channel, text, region=region).address_norm))
        except AddressError:
            continue
    if not whole:
        return {}
    owners = (
        select(Contact.id)
        .join(Handle, Handle.contact_id == Contact.id)
        .where(tuple_(Handle.channel, Handle.address_norm).in_(whole), Handle.deleted_at.is_(None), alive(actor))
        .order_by(Contact.sort_name, Contact.id)
    )
    return dict.fromkeys(session.scalars(owners), Matched.HANDLE)


def _companies(session: Session, actor: Actor, *, query: str, limit: int) -> list[SearchHit]:
    return [
        SearchHit(kind=HitKind.COMPANY, id=row.id, name=row.name, sub=row.city or row.domain, matched=Matched.NAME)
        for row in search_companies(session, actor, text=query, limit=limit).items
    ]


def search_companies(session: Session, actor: Actor, *, text: str, limit: int = 10) -> Page[Company]:
    """Companies for fragments of name, domain, VAT number or city, and for nearly such names; one page.

    Of a whole e-mail address it is the company that has its domain: parts of it are in many others as well.
    """
    if scope(actor) is Scope.NOTHING or not text.strip():
        return Page([])
    if "@" in text:
        domain = text.rpartition("@")[2].strip().lower()
        owner = select(Company).where(Company.domain == domain, Company.domain != "", Company.deleted_at.is_(None))
        return Page(list(session.scalars(owner)))
    ids = [row.id for row in within_time(session, _COMPANIES, {"query": text, "limit": limit}) or ()]
    rows = {row.id: row for row in session.scalars(select(Company).where(Company.id.in_(ids)))} if ids else {}
    return Page([rows[company_id] for company_id in ids if company_id in rows])


def _sub(person: Contact) -> str:
    return person.company.name if person.company else person.email


def within_time(session: Session, statement: Any, given: dict[str, Any]) -> list[Any] | None:
    """The rows of a search function that only reads, None when it ran out of time; the transaction goes on either way.

    The savepoint is rolled back in any case, which takes the limit back with it.
    """
    nested = session.begin_nested()
    try:
        session.execute(_SET_TIMEOUT, {"value": str(TIMEOUT_MS)})
        return list(session.execute(statement, given))
    except OperationalError as error:
        if isinstance(error.orig, QueryCanceled):
            return None
        raise
    finally:
        nested.rollback()

"""Owns the further domains of companies, and the company that a person's mail address speaks for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.contacts import queries
from crm.contacts.domain_models import CompanyDomain
from crm.contacts.models import Company, Contact
from crm.contacts.services.facts import suggest_fact
from crm.contacts.values import bare_domain
from crm.errors import InvalidInputError, worded

MOST_DOMAINS: Final = 20
#: Where everybody can have an address: it says nothing about where they work.
PUBLIC_MAIL: Final = frozenset(
    {
        *("gmail.com", "googlemail.com", "outlook.com", "outlook.it", "hotmail.com", "hotmail.it", "live.com"),
        *("live.it", "msn.com", "yahoo.com", "yahoo.it", "ymail.com", "icloud.com", "me.com", "mac.com", "aol.com"),
        *("gmx.com", "gmx.de", "web.de", "proton.me", "protonmail.com", "tutanota.com", "fastmail.com", "zoho.com"),
        *("mail.com",),
        *("libero.it", "virgilio.it", "tiscali.it", "alice.it", "tin.it", "tim.it", "email.it", "inwind.it", "iol.it"),
        *("fastwebnet.it", "teletu.it", "vodafone.it", "poste.it", "aruba.it", "pec.it", "legalmail.it", "orange.fr"),
        *("free.fr", "laposte.net", "wanadoo.fr", "t-online.de", "bluewin.ch"),
    }
)  # fmt: skip
#: Where a suggestion says that it comes from.
SOURCE: Final = "e-mail"


def set_company_domains(
    session: Session, actor: Actor, *, company: Company, domains: Sequence[str], now: datetime
) -> list[str]:
    """Give a locked company exactly these further domains; raises `InvalidInputError` beside `domains`.

    Two living companies never share a domain, so changes of one workspace wait for each other.
    """
    actor.require(Permission.EDIT)
    wanted: dict[str, None] = {}
    for written in domains:
        domain = bare_domain(written)
        if not domain:
            _refuse(worded("“%(domain)s” is not a domain like example.com.", domain=written[:100]))
        if domain != company.domain:
            wanted[domain] = None
    if len(wanted) > MOST_DOMAINS:
        _refuse(worded("At most %(count)s further domains.", count=MOST_DOMAINS))
    session.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"domains:{actor.workspace_id}"}
    )
    known = queries.domains_of(session, actor, company_ids=[company.id]).get(company.id, [])
    if sorted(wanted) == known:
        return known
    for domain in wanted:
        holder = queries.company_by_domain(session, actor, domain=domain)
        if holder is not None and holder.id != company.id:
            _refuse(worded("%(domain)s already belongs to %(name)s.", domain=domain, name=holder.name))
    mine = CompanyDomain.company_id == company.id
    session.execute(delete(CompanyDomain).where(mine, CompanyDomain.domain.not_in(list(wanted))))
    session.add_all(CompanyDomain(company_id=company.id, domain=domain) for domain in wanted if domain not in known)
    company.updated_at = now
    session.flush()
    return sorted(wanted)


def _refuse(sentence: str) -> None:
    raise InvalidInputError(sentence, fields={"domains": sentence})


def suggest_employer(session: Session, actor: Actor, *, person: Contact, now: datetime) -> UUID | None:
    """Propose the company whose domain the person's mail address has, where no company is known; its id."""
    domain = person.email.rpartition("@")[2].lower()
    if person.company_id is not None or not domain or domain in PUBLIC_MAIL:
        return None
    found = queries.company_by_domain(session, actor, domain=domain)
    if found is None:
        return None
    suggest_fact(
        session,
        actor,
        contact_id=person.id,
        field="company_id",
        value=str(found.id),
        source=SOURCE,
        source_url=domain,
        now=now,
    )
    return found.id

"""Owns finding people who are there twice: exact and likely, each pair with its reason."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.models import Contact
from crm.lifecycle.rules.duplicates import ALIKE, FREE_MAIL, ROLES, Sign
from crm.web.paging import Page, decode_cursor, encode_cursor

#: So many people are looked through with one statement, and so many statements go into one page at most.
CHUNK: Final = 2_000
CHUNKS: Final = 10
#: People of one mail domain beyond this are a crowd: names alone tell nothing there, and comparing all costs too much.
CROWD: Final = 400

# Each part joins the looked-at people `a` to others `b` through an index that row-level security may use; what is
# dear to compare comes after that. `:both` lets the pair be found from either end (one person's page).
_PAIRS: Final = """
with a as materialized (
  select c.id, c.sort_name, c.last_name_norm, c.first_name_norm, c.company_id, c.email, c.mail_domain
  from contact c where c.workspace_id = :workspace and c.deleted_at is null and c.id = any(cast(:ids as uuid[]))
), mine as materialized (
  select a.id, h.channel, h.address_norm, h.platform_id, h.deleted_at
  from a join handle h on h.workspace_id = :workspace and h.contact_id = a.id
), domains as materialized (
  select d.mail_domain from (select distinct mail_domain from a where mail_domain <> '') d
  where not d.mail_domain = any(cast(:free as text[])) and (select count(*) from (select 1 from contact k
    where k.workspace_id = :workspace and k.mail_domain = d.mail_domain and k.deleted_at is null and k.mail_domain <> ''
    limit :crowd) as counted) < :crowd
), found as (
  select m.id, h.contact_id as other_id,
    case when m.address_norm like '+%' then 'same_phone' else 'same_address' end as sign, m.address_norm as said
  from mine m join handle h on h.workspace_id = :workspace and h.address_norm = m.address_norm
  where h.contact_id <> m.id and (h.channel = m.channel or m.address_norm like '+%')
    and not (m.channel = 'email' and split_part(m.address_norm, '@', 1) = any(cast(:roles as text[])))
  union all
  select m.id, h.contact_id, 'same_platform_id', m.address_norm
  from mine m join handle h on h.workspace_id = :workspace and h.channel = m.channel
    and h.platform_id = m.platform_id and h.deleted_at is null
  where m.platform_id is not null and m.deleted_at is not null and h.contact_id <> m.id
  union all
  select a.id, b.id, 'name_and_company', b.display_name
  from a join contact b on b.workspace_id = :workspace and b.company_id = a.company_id and b.sort_name = a.sort_name
  where b.id <> a.id and b.deleted_at is null and a.last_name_norm <> ''
  union all
  select a.id, b.id, 'name_and_domain', a.mail_domain
  from a join domains using (mail_domain) join contact b on b.workspace_id = :workspace
    and b.mail_domain = a.mail_domain and b.deleted_at is null and b.mail_domain <> ''
  where b.id <> a.id and a.last_name_norm <> '' and b.last_name_norm <> ''
    and not split_part(a.email, '@', 1) = any(cast(:roles as text[]))
    and not split_part(b.email, '@', 1) = any(cast(:roles as text[]))
    and ((a.last_name_norm = b.last_name_norm and (a.first_name_norm = '' or b.first_name_norm = ''
        or a.first_name_norm = b.first_name_norm
        or (left(a.first_name_norm, 1) = left(b.first_name_norm, 1)
          and (length(rtrim(a.first_name_norm, '.')) = 1 or length(rtrim(b.first_name_norm, '.')) = 1))))
      or similarity(a.sort_name, b.sort_name) >= :alike)
)
select distinct on (id, other_id) id, other_id, sign, said from found
where (:both or id < other_id)
and exists (select 1 from contact o where o.workspace_id = :workspace and o.id = found.other_id
  and o.deleted_at is null)
and not exists (select 1 from not_same n where n.workspace_id = :workspace
  and n.contact_id = found.id and n.other_id = found.other_id)
and not exists (select 1 from not_same n where n.workspace_id = :workspace
  and n.contact_id = found.other_id and n.other_id = found.id)
order by id, other_id, array_position(cast(:signs as text[]), sign)
"""

_NEXT: Final = """
select c.id from contact c where c.workspace_id = :workspace and c.deleted_at is null and c.id > :after
order by c.id limit :chunk
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Two people who may be one, why, and the value that speaks for it (an address, a name, a domain)."""

    one: Contact
    two: Contact
    sign: Sign
    said: str


def duplicates(session: Session, actor: Actor, *, after: str | None = None, limit: int = 20) -> Page[Duplicate]:
    """Pairs of people whom the actor may see, in the order in which the first of them came.

    A page ends with `limit` pairs or after `CHUNK` times `CHUNKS` people; behind its cursor there is more to look at.
    """
    last = decode_cursor(after, UUID)[0] if after else UUID(int=0)
    found: list[Duplicate] = []
    for _ in range(CHUNKS):
        ids = list(
            session.execute(text(_NEXT), {"workspace": actor.workspace_id, "after": last, "chunk": CHUNK}).scalars()
        )
        if not ids:
            return Page(found)
        pairs = _pairs(session, actor, ids=ids, both=False)
        for pair in pairs:
            # A person's pairs stay together: the next page begins behind a whole person.
            if len(found) >= limit and pair.one.id != found[-1].one.id:
                return Page(found, encode_cursor(found[-1].one.id))
            found.append(pair)
        last = ids[-1]
        if len(ids) < CHUNK:
            return Page(found)
    return Page(found, encode_cursor(last))


def duplicates_of(session: Session, actor: Actor, *, contact_id: UUID) -> list[Duplicate]:
    """Who may be the same as a person, the surest first; nobody whom the actor may not see."""
    found = _pairs(session, actor, ids=[contact_id], both=True)
    return sorted(found, key=lambda pair: list(Sign).index(pair.sign))


def _pairs(session: Session, actor: Actor, *, ids: Collection[UUID], both: bool) -> list[Duplicate]:
    rows = session.execute(
        text(_PAIRS),
        {
            "workspace": actor.workspace_id,
            "ids": list(ids),
            "both": both,
            "roles": sorted(ROLES),
            "free": sorted(FREE_MAIL),
            "alike": ALIKE,
            "crowd": CROWD,
            "signs": [sign.value for sign in Sign],
        },
    ).all()
    people = contacts.contacts(session, actor, contact_ids={key for row in rows for key in (row.id, row.other_id)})
    return [
        Duplicate(one=people[row.id], two=people[row.other_id], sign=Sign(row.sign), said=row.said)
        for row in rows
        if row.id in people and row.other_id in people
    ]

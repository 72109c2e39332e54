"""Fills a workspace with generated people and history, for measuring at size; the same seed gives the same data."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.accounts.rules import system_actor
from crm.contacts.kinds import CompanyKind, Lifecycle
from crm.db import renew_statistics
from crm.desk.seed_load import rows_first
from crm.filters.text import normalise
from crm.interactions.services import keeping
from crm.interactions.services.recounting import count_everybody

FIRST_NAMES = (
    "Chiara", "Luca", "Giulia", "Marco", "Francesca", "Alessandro", "Sara", "Matteo", "Elena", "Davide", "Martina",
    "Andrea", "Valentina", "Lorenzo", "Federica", "Simone", "Alice", "Riccardo", "Niccolò", "Zoë", "Giovanni", "Anna",
    "Paolo", "Laura", "Stefano", "Roberta", "Antonio", "Silvia", "Giuseppe", "Beatrice", "Tommaso", "Irene",
)  # fmt: skip
LAST_NAMES = (
    "Rossi", "Russo", "Ferrari", "Esposito", "Bianchi", "Romano", "Colombo", "Ricci", "Marino", "Greco", "Bruno",
    "Gallo", "Conti", "De Luca", "Mancini", "Costa", "Giordano", "Rizzo", "Lombardi", "Moretti", "Barbieri", "Fontana",
    "Santoro", "Mariani", "Rinaldi", "Caruso", "Ferrara", "Galli", "Martini", "Leone", "Longo", "Gentile", "Martinelli",
    "Vitale", "Lombardo", "Serra", "Coppola", "De Santis", "D’Angelo", "Marchetti", "Parisi", "Villa", "Conte",
    "Ferraro", "Ferri", "Fabbri", "Bianco", "Marini", "Grasso", "Valentini", "Messina", "Sala", "De Angelis", "Gatti",
    "Pellegrini", "Palumbo", "Sanna", "Farina", "Rizzi", "Monti", "Cattaneo", "Morelli", "Amato", "Silvestri",
)  # fmt: skip
COMPANY_STEMS = (
    "Ceramiche", "Vetreria", "Officine", "Tessitura", "Cantina", "Frantoio", "Pastificio", "Legnami", "Grafica",
    "Trasporti", "Meccanica", "Studio", "Arredi", "Alimentari", "Impianti", "Calzature",
)  # fmt: skip
PLACES = (
    "Valdarno", "Brianza", "Lagorai", "Maremma", "Salento", "Polesine", "Langhe", "Cadore", "Garfagnana", "Carnia",
    "Irpinia", "Monferrato", "Versilia", "Cilento", "Gallura", "Mugello",
)  # fmt: skip
CITIES = (
    "Milano", "Roma", "Torino", "Bologna", "Firenze", "Napoli", "Verona", "Padova", "Bari", "Genova", "Palermo",
    "Catania", "Modena", "Parma", "Trieste", "Forlì",
)  # fmt: skip
TITLES = (
    "Responsabile acquisti",
    "Titolare",
    "Direttore commerciale",
    "Amministrazione",
    "Marketing",
    "Ufficio tecnico",
)
TAGS = ("Fiera", "Newsletter", "Gold", "Estero", "Rivenditore", "Stampa", "Da richiamare", "Toscana", "Export", "VIP")
WORDS = (
    "Buongiorno, le confermo il prezzo concordato.",
    "Grazie, ne parliamo giovedì.",
    "Ci può mandare il campione?",
    "L’offerta vale fino a fine mese.",
    "Abbiamo ricevuto il report, ottimo lavoro.",
    "Quando possiamo sentirci?",
)

#: A number in [0, 2^31) that depends on the seed, a salt and the row alone.
_RANDOM = """
create or replace function pg_temp.pick(n bigint, salt text, seed bigint) returns bigint language sql immutable as
$$ select hashtextextended(salt || n::text, seed) & 2147483647 $$
"""
#: A UUID in the layout of version 7 (RFC 9562): its time, then bits that depend on the row alone.
_ID = """
create or replace function pg_temp.id_of(n bigint, salt text, seed bigint, at timestamptz) returns uuid language sql
immutable as $$ select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7'
  || substr(md5(salt || n::text || ':' || seed::text), 1, 3) || '8'
  || substr(md5(salt || n::text || ':' || seed::text), 4, 15))::uuid $$
"""


#: One of several words, chosen by the row.
_ONE = """
create or replace function pg_temp.one(words text[], n bigint, salt text, seed bigint) returns text language sql
immutable as $$ select words[1 + pg_temp.pick(n, salt, seed) % cardinality(words)] $$
"""
#: A number of a row that has only its id.
_NUMBER = """
create or replace function pg_temp.number_of(id uuid) returns bigint language sql immutable
as $$ select ('x' || right(id::text, 7))::bit(28)::bigint $$
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much to make: contacts, and interactions spread unevenly over them."""

    contacts: int
    interactions: int

    @property
    def companies(self) -> int:
        """One company for five people."""
        return max(self.contacts // 5, 1)


def fill(
    session: Session,
    *,
    workspace_id: UUID,
    owner_id: UUID | None,
    size: Size,
    seed: int,
    now: datetime,
    tell: Callable[[str], None] = lambda _line: None,
) -> None:
    """Insert `size` into an empty workspace, in one transaction of the session; `tell` hears of each step.

    A session of the tables' owner does it in a fraction of the time where no other workspace has people yet
    (`crm.desk.seed_load`).
    """
    shared = {
        "workspace": workspace_id, "owner": owner_id, "seed": seed, "now": now, "contacts": size.contacts,
        "companies": size.companies, "interactions": size.interactions,
    }  # fmt: skip
    for function in (_RANDOM, _ID, _ONE, _NUMBER):
        session.execute(text(function))
    session.execute(text("set local synchronous_commit = off"))
    with rows_first(session, TABLES, tell=tell):
        for label, statement, extra in STEPS:
            tell(label)
            wanted = {name: value for name, value in {**shared, **extra}.items() if f":{name}" in statement}
            session.execute(text(statement), wanted)
    tell("warmth")
    renew_statistics(session)
    count_everybody(session, workspace_id=workspace_id, now=now)
    tell("rhythms")
    renew_statistics(session)
    keeping.follow_importance(session, system_actor(workspace_id), now=now, most=size.contacts)


def _norm(words: tuple[str, ...]) -> list[str]:
    return [normalise(word) for word in words]


#: The tables that are filled.
TABLES = (
    "company", "contact", "affiliation", "handle", "tag", "contact_tag", "consent_event", "consent_state",
    "interaction", "interaction_body",
)  # fmt: skip
STEPS: tuple[tuple[str, str, dict[str, object]], ...] = (
    (
        "history",
        """
        create temporary table seed_history on commit drop as
        select n, at, kind, place,
               case kind when 'message.sent' then 'outbound' when 'call' then 'outbound' when 'note' then 'none'
                    else 'inbound' end as direction
        from (
          -- In the order of time over two years, as history comes in: each index grows at its end.
          select n, :now - (cast(:interactions as bigint) - n) * 63072000 / cast(:interactions as bigint)
                    * interval '1 second' as at,
                 (array['message.sent', 'message.sent', 'message.received', 'call', 'note', 'comment', 'like', 'like'])
                   [1 + pg_temp.pick(n, 'kind', :seed) % 8] as kind,
                 -- The product of two uniform numbers: a few people have long histories, most have short ones.
                 1 + (pg_temp.pick(n, 'who', :seed) % 1000003) * (pg_temp.pick(n, 'who2', :seed) % 1000003)
                   * cast(:contacts as bigint) / 1000003 / 1000003 as place
          from generate_series(1, :interactions) as n
        ) as made
        """,
        {},
    ),
    (
        "people",
        """
        create temporary table seed_person on commit drop as
        select n, at, company_number, pg_temp.id_of(n, 'contact', :seed, at) as id,
               pg_temp.id_of(company_number, 'company', :seed, :now - (1 + company_number % 700) * interval '1 day')
                 as company_id
        from (
          select n, 1 + n % cast(:companies as bigint) as company_number,
                 :now - interval '1 day' - (cast(:contacts as bigint) - n) * 60480000 / cast(:contacts as bigint)
                   * interval '1 second' as at
          from generate_series(1, :contacts) as n
        ) as made
        """,
        {},
    ),
    (
        "companies",
        """
        insert into company (id, workspace_id, name, name_norm, kind, domain, website, city, city_norm, country,
                             owner_id, created_at)
        select pg_temp.id_of(n, 'company', :seed, at), :workspace, name, lower(name), kind,
               'azienda' || n || '.example', 'https://www.azienda' || n || '.example', city, lower(city), 'IT', :owner,
               at
        from (
          select n, :now - (1 + n % 700) * interval '1 day' as at,
                 pg_temp.one(cast(:stems as text[]), n, 'stem', :seed) || ' '
                   || pg_temp.one(cast(:places as text[]), n, 'place', :seed) || ' ' || n as name,
                 pg_temp.one(cast(:kinds as text[]), n, 'kind', :seed) as kind,
                 pg_temp.one(cast(:cities as text[]), n, 'city', :seed) as city
          from generate_series(1, :companies) as n
        ) as made
        """,
        {
            "stems": list(COMPANY_STEMS),
            "places": list(PLACES),
            "cities": list(CITIES),
            "kinds": [kind.value for kind in CompanyKind],
        },
    ),
    (
        "their records",
        """
        insert into contact (id, workspace_id, first_name, last_name, display_name, sort_name, first_name_norm,
                             last_name_norm, title, title_norm, company_id, email, language, city, city_norm, country,
                             importance, lifecycle, owner_id, birth_day, birth_month, created_at, updated_at,
                             last_interaction_at, last_inbound_at, last_outbound_at)
        select id, :workspace, first, last, first || ' ' || last,
               last_norm || ' ' || first_norm, first_norm, last_norm, title, lower(title), company_id,
               'persona' || n || '@azienda' || company_number || '.example',
               case when pg_temp.pick(n, 'lang', :seed) % 5 = 0 then 'en' else 'it' end, city, lower(city), 'IT',
               case when pg_temp.pick(n, 'imp', :seed) % 20 = 0 then 'key'
                    when pg_temp.pick(n, 'imp', :seed) % 20 < 4 then 'high' else 'normal' end,
               pg_temp.one(cast(:lifecycles as text[]), n, 'life', :seed),
               :owner, 1 + pg_temp.pick(n, 'day', :seed) % 28, 1 + pg_temp.pick(n, 'month', :seed) % 12, at, at,
               any_at, in_at, out_at
        from (
          select names.*,
                 (cast(:firsts as text[]))[f] as first, (cast(:first_norms as text[]))[f] as first_norm,
                 (cast(:lasts as text[]))[l] as last, (cast(:last_norms as text[]))[l] as last_norm,
                 pg_temp.one(cast(:titles as text[]), n, 'title', :seed) as title,
                 pg_temp.one(cast(:cities as text[]), n, 'city', :seed) as city
          from (
            select seed_person.*, 1 + pg_temp.pick(n, 'first', :seed) % cardinality(cast(:firsts as text[])) as f,
                   1 + pg_temp.pick(n, 'last', :seed) % cardinality(cast(:lasts as text[])) as l
            from seed_person
          ) as names
        ) as made
        left join (
          select place, max(at) as any_at, max(at) filter (where direction = 'inbound') as in_at,
                 max(at) filter (where direction = 'outbound') as out_at
          from seed_history group by place
        ) as latest on latest.place = made.n
        order by made.n
        """,
        {
            "firsts": list(FIRST_NAMES),
            "first_norms": _norm(FIRST_NAMES),
            "lasts": list(LAST_NAMES),
            "last_norms": _norm(LAST_NAMES),
            "titles": list(TITLES),
            "cities": list(CITIES),
            "lifecycles": [kind.value for kind in Lifecycle],
        },
    ),
    (
        "places in companies",
        """
        insert into affiliation (id, workspace_id, contact_id, company_id, role)
        select gen_random_uuid(), workspace_id, id, company_id, title from contact where workspace_id = :workspace
        """,
        {},
    ),
    (
        "addresses",
        """
        insert into handle (id, workspace_id, channel, address, address_norm, contact_id, is_primary, created_at)
        select gen_random_uuid(), :workspace, 'email', email, email, id, true, created_at
        from contact where workspace_id = :workspace
        union all
        select gen_random_uuid(), :workspace, 'phone', number, number, id, true, created_at
        from (select id, created_at, '+3933' || lpad((row_number() over (order by id))::text, 8, '0') as number
              from contact where workspace_id = :workspace) as numbered
        where pg_temp.pick(pg_temp.number_of(id), 'phone', :seed) % 2 = 0
        """,
        {},
    ),
    (
        "tags",
        """
        with made as (
          insert into tag (id, workspace_id, name, name_norm)
          select gen_random_uuid(), :workspace, name, lower(name) from unnest(cast(:tags as text[])) as name
          returning id, name
        ), numbered as (select id, row_number() over (order by name) - 1 as place from made)
        insert into contact_tag (id, workspace_id, contact_id, tag_id)
        select gen_random_uuid(), :workspace, contact.id, numbered.id
        from contact join numbered on numbered.place =
             pg_temp.pick(pg_temp.number_of(contact.id), 'tag', :seed) % 30
        where contact.workspace_id = :workspace
        """,
        {"tags": list(TAGS)},
    ),
    (
        "consents",
        """
        with given as (
          insert into consent_event (id, workspace_id, contact_id, purpose, channel, action, basis, source, happened_at)
          select gen_random_uuid(), :workspace, id, 'promotional', 'email', 'granted', 'consent', 'seed', created_at
          from contact where workspace_id = :workspace
            and pg_temp.pick(pg_temp.number_of(id), 'consent', :seed) % 5 < 3
          returning contact_id, happened_at
        )
        insert into consent_state (id, workspace_id, contact_id, purpose, channel, action, basis, since)
        select gen_random_uuid(), :workspace, contact_id, 'promotional', 'email', 'granted', 'consent', happened_at
        from given
        """,
        {},
    ),
    (
        "interactions",
        """
        insert into interaction (id, workspace_id, contact_id, company_id, kind, channel, direction, happened_at,
                                 created_at)
        select pg_temp.id_of(made.n, 'interaction', :seed, made.at), :workspace, person.id, person.company_id,
               made.kind,
               case made.kind when 'message.sent' then 'email' when 'message.received' then 'email'
                    when 'call' then 'phone' when 'comment' then 'instagram' when 'like' then 'instagram' end,
               made.direction, made.at, made.at
        from seed_history as made join seed_person as person on person.n = made.place
        order by made.n
        """,
        {},
    ),
    (
        "their words",
        """
        insert into interaction_body (id, workspace_id, interaction_id, body)
        select id, :workspace, id, pg_temp.one(cast(:words as text[]), pg_temp.number_of(id), 'words', :seed)
        from interaction where workspace_id = :workspace and kind not in ('call', 'like') order by id
        """,
        {"words": list(WORDS)},
    ),
)

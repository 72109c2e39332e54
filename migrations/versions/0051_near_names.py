"""Lets short misspelt names be found, and all of them by the index.

One wrong letter of four leaves a third of the trigrams alike ("cnti" and "conti": 0.375), so that 0.5 refused what was
meant, after comparing with everybody who has it. An estimate that many match would read the table from its beginning.
"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

NAME = "public.crm_search_contacts_close(text, integer, text, uuid)"
BEGIN = "words) = 0 then\n            return;\n        end if;\n"
LENIENT = """        if exists (select from unnest(words) as word where length(word) <= 5) then
            perform set_config('pg_trgm.word_similarity_threshold', '0.36', true);
        end if;
"""
COMPANIES = "public.crm_search_companies(text, integer)"
# Names of companies are long, and places, which many share, stand beside them: less alike than this is another name.
ALIKE, ALIKE_BEFORE = "0.6", "0.5"
PLANS = ("enable_seqscan", "enable_indexscan")


def _rewrite(pattern: str, replacement: str) -> None:
    # A function of the library loads it: until then its settings are unknown, and only a superuser may name them.
    op.execute("select public.similarity('', '')")
    found = op.get_bind().execute(sa.text("select pg_get_functiondef(cast(:name as regprocedure))"), {"name": NAME})
    definition = found.scalar_one()
    assert pattern in definition
    op.get_bind().exec_driver_sql(definition.replace(pattern, replacement).replace("%", "%%"))


def upgrade() -> None:
    _rewrite(BEGIN, BEGIN + LENIENT)
    for setting in PLANS:
        op.execute(f"alter function {NAME} set {setting} = off")
    op.execute(f"alter function {COMPANIES} set pg_trgm.word_similarity_threshold = {ALIKE}")


def downgrade() -> None:
    _rewrite(BEGIN + LENIENT, BEGIN)
    for setting in PLANS:
        op.execute(f"alter function {NAME} reset {setting}")
    op.execute(f"alter function {COMPANIES} set pg_trgm.word_similarity_threshold = {ALIKE_BEFORE}")

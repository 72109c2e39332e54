"""Everything that may hold personal data of a contact, table by table: what erasing and the access export go by.

A new table or column of text, JSON or bytes: add its line to the file of its domain in this folder (make one and name
it in `DOMAINS` when there is none). `tests/architecture/test_erasure.py` fails until it is there.
"""

from types import MappingProxyType
from typing import Final

from crm.lifecycle.erasure import (
    accounts,
    consent,
    contacts,
    deals,
    enrichment,
    interactions,
    lifecycle,
    loyalty,
    outreach,
    segments,
)
from crm.lifecycle.erasure.tables import PERSON, Do, OwnId, Table, UnlessCode

DOMAINS: Final = (contacts, interactions, consent, loyalty, outreach, segments, deals, enrichment, lifecycle, accounts)

REGISTRY: Final = MappingProxyType({table.name: table for domain in DOMAINS for table in domain.TABLES})

__all__ = ["DOMAINS", "PERSON", "REGISTRY", "Do", "OwnId", "Table", "UnlessCode"]

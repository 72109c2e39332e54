"""What deals hold about a person: their part in them; what was sold for how much stays for the totals."""

from typing import Final

from crm.lifecycle.erasure.contacts import HOUSE
from crm.lifecycle.erasure.tables import Do, Table

TABLES: Final = (
    Table(name="pipeline", plain={"name": HOUSE}),
    Table(name="deal_stage", plain={"name": HOUSE}),
    Table(name="lost_reason", plain={"name name_norm": HOUSE}),
    Table(
        name="deal",
        of={"id": ("deal_contact.deal_id",)},
        mentions=("title", "title_norm", "lost_note"),
        plain={"currency": "a code", "search": "made of the title", "placed rank": "its place in a column"},
        hidden=("title_norm", "search"),
    ),
    Table(name="deal_contact", of={"contact_id": ("contact",)}, do=Do.DELETE),
    Table(name="deal_company"),
    Table(name="deal_task"),
    Table(name="deal_stage_change"),
    Table(name="campaign_deal"),
)

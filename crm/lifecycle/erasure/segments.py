"""What segments and campaigns hold about a person."""

from typing import Final

from crm.lifecycle.erasure.contacts import HOUSE
from crm.lifecycle.erasure.outreach import is_reason
from crm.lifecycle.erasure.tables import Do, Table, UnlessCode

TABLES: Final = (
    Table(name="segment", mentions=("name", "description", "rule")),
    Table(name="segment_pick", of={"contact_id": ("contact",)}, do=Do.DELETE),
    Table(name="segment_member", of={"contact_id": ("contact",)}, do=Do.DELETE),
    Table(name="segment_change", of={"contact_id": ("contact",)}, do=Do.DELETE),
    Table(name="campaign", plain={"name": HOUSE}),
    Table(name="campaign_text", plain={"language subject body": HOUSE}),
    Table(name="campaign_pick", of={"contact_id": ("contact",)}, do=Do.DELETE),
    Table(
        name="recipient",
        of={"contact_id": ("contact",)},
        do=Do.CLEAR,
        clear={"reason": UnlessCode(is_reason)},
    ),
)

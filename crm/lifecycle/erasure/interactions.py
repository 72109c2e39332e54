"""What the timeline and the tasks hold about a person."""

from typing import Final

from crm.lifecycle.erasure.contacts import HOUSE
from crm.lifecycle.erasure.tables import Do, Table

TABLES: Final = (
    Table(
        name="interaction",
        of={"contact_id": ("contact",)},
        do=Do.CLEAR,
        clear={"external_id": None, "post_url": "", "handle_id": None},
        plain={"kind source_kind channel": "codes"},
    ),
    Table(
        name="interaction_body",
        of={"interaction_id": ("interaction",)},
        do=Do.DELETE,
        mentions=("subject", "body"),
    ),
    Table(name="own_kind", plain={"key name icon": HOUSE}),
    Table(name="entry_label", plain={"key name": HOUSE}),
    Table(name="keyword_rule", plain={"phrase phrase_norm": HOUSE}),
    Table(name="labelled_entry", of={"interaction_id": ("interaction",)}),
    Table(name="entry_file", of={"interaction_id": ("interaction",)}, do=Do.DELETE),
    Table(name="earlier_text", of={"interaction_id": ("interaction",)}, do=Do.DELETE, mentions=("body",)),
    Table(name="negative_spike"),
    Table(
        name="history_file",
        mentions=("file_name", "found", "people"),
        plain={"time_zone": "a code", "left_why": "how often for which reason"},
    ),
    Table(name="history_address", plain={"token": "a colleague's address for copies"}),
    Table(name="unknown_correspondent", mentions=("address_norm", "name"), is_passing=True),
    Table(name="task", of={"contact_id": ("contact",)}, do=Do.DELETE, mentions=("title",)),
    Table(name="warmth", of={"contact_id": ("contact",)}, do=Do.DELETE),
    Table(
        name="set_aside", of={"contact_id": ("contact",)}, do=Do.DELETE, mentions=("reason",), plain={"kind": "a code"}
    ),
    Table(name="cadence", of={"contact_id": ("contact",)}, do=Do.DELETE, mentions=("pause_reason",)),
    Table(name="task_link", of={"contact_id": ("contact",)}, do=Do.DELETE),
)

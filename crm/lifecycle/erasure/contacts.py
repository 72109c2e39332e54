"""What the tables of contacts hold about a person."""

from typing import Final

from crm.contacts.kinds import Address, Importance, Lifecycle
from crm.lifecycle.erasure.tables import Do, Table

FIRM: Final = "about a firm, which is no person; a sole trader's company is changed or deleted by hand"
HOUSE: Final = "a word of the house for many people"

TABLES: Final = (
    Table(
        name="contact",
        of={"id": ("contact",)},
        do=Do.CLEAR,
        clear={
            **dict.fromkeys(
                (
                    *("first_name", "last_name", "display_name", "sort_name", "first_name_norm", "last_name_norm"),
                    *("title", "title_norm", "email", "language", "time_zone", "street", "city", "city_norm"),
                    *("country", "interests", "came_from", "external_id"),
                ),
                "",
            ),
            "address_form": Address.FORMAL.value,
            "importance": Importance.NORMAL.value,
            "lifecycle": Lifecycle.LEAD.value,
            **dict.fromkeys(("company_id", "owner_id", "birth_day", "birth_month", "birth_year", "limited_at")),
        },
        mentions=("interests", "came_from", "external_id"),
        plain={"search mail_domain": "computed from the name and the address"},
        hidden=("search", "mail_domain", "sort_name", "first_name_norm", "last_name_norm", "title_norm", "city_norm"),
    ),
    Table(
        name="company",
        mentions=("description",),
        plain={
            "name name_norm website domain vat_number phone street city city_norm country industry search": FIRM,
        },
    ),
    Table(name="company_domain", plain={"domain": FIRM}),
    Table(name="contact_access", of={"contact_id": ("contact",)}, do=Do.DELETE, is_internal=True),
    Table(
        name="processing_limit",
        of={"contact_id": ("contact",)},
        do=Do.DELETE,
        mentions=("note", "lift_note"),
    ),
    Table(name="affiliation", of={"contact_id": ("contact",)}, do=Do.DELETE),
    Table(name="contact_link", of={"contact_id": ("contact",), "other_id": ("contact",)}, do=Do.DELETE),
    Table(
        name="handle",
        of={"contact_id": ("contact",)},
        do=Do.CLEAR,
        clear={
            **dict.fromkeys(("address", "address_norm", "display_name", "label", "state_reason"), ""),
            "platform_id": None,
        },
        plain={},
        hidden=("address_norm",),
    ),
    Table(name="handle_change", of={"handle_id": ("handle",)}, do=Do.DELETE, hidden=("address_norm",)),
    Table(
        name="fact",
        of={"contact_id": ("contact",)},
        do=Do.DELETE,
        mentions=("value", "source", "source_url"),
        plain={"field": "the name of a field"},
    ),
    Table(name="custom_field", plain={"key label help lowest highest pattern currency": HOUSE}),
    Table(name="custom_choice", plain={"key label": HOUSE}),
    Table(
        name="custom_value",
        of={"contact_id": ("contact",), "ref_id": ("contact",)},
        do=Do.DELETE,
        mentions=("text_value", "text_norm"),
        plain={"currency": "a code"},
        hidden=("text_norm",),
    ),
    Table(name="tag", plain={"name name_norm": HOUSE}),
    Table(name="contact_tag", of={"contact_id": ("contact",)}, do=Do.DELETE),
    Table(name="company_tag"),
    Table(name="saved_view", mentions=("name", "args"), plain={"columns": "names of columns"}),
    Table(name="default_view"),
)

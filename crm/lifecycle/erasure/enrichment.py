"""What was looked up elsewhere about a person."""

from typing import Final

from crm.lifecycle.erasure.tables import Do, Table

TABLES: Final = (
    Table(
        name="enrichment_run",
        of={"contact_id": ("contact",)},
        do=Do.DELETE,
        mentions=("address", "extras"),
        plain={"source error_code etag last_modified": "codes of a web server"},
    ),
    Table(name="enrichment_source", plain={"source always_prefer": "names of sources and fields"}),
)

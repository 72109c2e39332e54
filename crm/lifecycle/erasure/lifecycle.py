"""What imports, files and erasures themselves hold about people; for the bytes see `crm.lifecycle.erasure.sweep`."""

from typing import Final

from crm.lifecycle.erasure.tables import Do, Table

TABLES: Final = (
    Table(
        name="stored_file",
        of={"id": ("entry_file.file_id", "message_file.file_id")},
        do=Do.CLEAR,
        clear={"name": ""},
        mentions=("name",),
        plain={"media_type sha256": "what kind of file, and its digest; the bytes are looked through"},
    ),
    Table(
        name="import",
        mentions=("file_name", "columns", "mapping", "source", "tag"),
        plain={"encoding delimiter program new_lifecycle": "how the file is written, and of which program"},
    ),
    Table(
        name="export",
        mentions=("query",),
        plain={"headers delimiter file_name": "our own words", "role": "a code"},
    ),
    Table(
        name="refused_row",
        mentions=("values",),
        is_passing=True,
        plain={"column code told": "the column at fault, and why"},
    ),
    Table(
        name="remembered_mapping",
        mentions=("mapping",),
        is_passing=True,
        plain={"header_hash": "a digest of the header"},
    ),
    Table(
        name="change_set",
        mentions=("title",),
        plain={"result": "numbers"},
    ),
    Table(
        name="change",
        of={"contact_id": ("contact",)},
        do=Do.DELETE,
        mentions=("before", "after"),
        plain={"table_name": "the name of a table"},
        is_internal=True,
    ),
    Table(
        name="not_same",
        of={"contact_id": ("contact",), "other_id": ("contact",)},
        do=Do.DELETE,
        is_internal=True,
    ),
    Table(
        name="processing_record",
        plain={"controller representative dpo recipients transfers measures": "what the house says about itself"},
    ),
    Table(name="retention_rule"),
    Table(name="retention_run", plain={"counts": "numbers"}),
    Table(
        name="erasure",
        plain={
            "counts": "numbers",
            "traces": "what is still to be looked for; emptied when all of it is found",
            "cause": "a code",
        },
    ),
)

"""What consents and suppressed addresses hold about a person."""

from typing import Final

from crm.lifecycle.erasure.tables import Do, Table

TABLES: Final = (
    Table(
        name="consent_event",
        of={"contact_id": ("contact",)},
        do=Do.CLEAR,
        clear={"source": ""},
        plain={"channel wording_version": "codes"},
    ),
    Table(name="consent_evidence", of={"event_id": ("consent_event",)}, do=Do.DELETE, mentions=("wording", "note")),
    Table(name="consent_state", of={"contact_id": ("contact",)}, do=Do.DELETE),
    Table(
        name="suppression",
        plain={
            "channel": "a code",
            "address_hash": "a keyed hash, by which the address is kept from everybody's lists",
            "hint": "emptied for the erased addresses by `crm.consent.erased.remember`",
        },
    ),
    Table(
        name="erased_address",
        plain={
            "channel": "a code",
            "address_hash": "a keyed hash, by which an import is kept from bringing the person back",
        },
    ),
    Table(name="address_key", plain={"key": "the key of the hashes"}),
)

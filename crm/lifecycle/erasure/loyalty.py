"""What loyalty holds about a person: numbers, and a few words beside them."""

from typing import Final

from crm.lifecycle.erasure.contacts import HOUSE
from crm.lifecycle.erasure.tables import Do, OwnId, Table

TABLES: Final = (
    Table(name="program", plain={"name time_zone currency rules_text": HOUSE}),
    Table(
        name="member",
        of={"contact_id": ("contact",)},
        plain={"number": "a running number that leads to an empty row"},
    ),
    Table(
        name="ledger_transaction",
        of={"member_id": ("member",)},
        do=Do.CLEAR,
        clear={"idempotency_key": OwnId(), "request_hash": ""},
        plain={"cause_kind": "a code"},
        hidden=("idempotency_key", "request_hash"),
    ),
    Table(
        name="ledger_note",
        of={"transaction_id": ("ledger_transaction",)},
        do=Do.DELETE,
        mentions=("note",),
    ),
    Table(name="posting", of={"member_id": ("member",)}),
    Table(name="lot", of={"member_id": ("member",)}),
    Table(name="lot_use", of={"lot_id": ("lot",)}),
    Table(name="earning_rule", plain={"name interaction_kind channel direction": HOUSE}),
    Table(name="offer", plain={"name public_text currency gift terms time_zone": HOUSE}),
    Table(
        name="voucher",
        of={"contact_id": ("contact",)},
        plain={"code": "drawn by lot", "source_kind": "a code"},
    ),
    Table(
        name="redemption",
        of={"contact_id": ("contact",)},
        do=Do.CLEAR,
        clear={"idempotency_key": OwnId(), "request_hash": ""},
        hidden=("idempotency_key", "request_hash"),
    ),
)

"""What accounts hold about contacts: colleagues' own data is theirs, the audit log names contacts in a side table."""

from typing import Final

from crm.lifecycle.erasure.tables import Do, Table

COLLEAGUE: Final = "about somebody who signs in, not about a contact"
HOUSE: Final = "about the workspace"

#: Tables whose rows an entry of the audit log may be about.
SUBJECTS: Final = (
    "contact", "handle", "interaction", "task", "consent_event", "member", "ledger_transaction", "voucher",
    "redemption", "message", "conversation", "enrichment_run", "fact", "contact_link",
)  # fmt: skip

TABLES: Final = (
    Table(
        name="workspace",
        plain={
            "name slug time_zone locale country currency postal_address window_start window_end window_days"
            " record_access basis_policy": HOUSE
        },
    ),
    Table(
        name="app_user",
        plain={
            "email email_norm name password fs_uniquifier locale time_zone theme list_columns tf_primary_method"
            " tf_totp_secret mf_recovery_codes": COLLEAGUE
        },
    ),
    Table(name="user_session", plain={"token_hash ip agent": COLLEAGUE}),
    Table(name="one_time_link", plain={"token_hash": COLLEAGUE}),
    Table(name="throttle", plain={"key": "what is counted: an id or a digest, gone after two days"}),
    Table(name="membership", plain={"team": COLLEAGUE}),
    Table(name="invitation", plain={"email email_norm token_hash": COLLEAGUE}),
    Table(name="api_token", plain={"name token_hash hint scopes": COLLEAGUE}),
    Table(
        name="audit_entry",
        of={"object_id": SUBJECTS},
        plain={"action object_kind request_id": "codes"},
        is_internal=True,
    ),
    Table(
        name="audit_detail",
        of={"entry_id": ("audit_entry",)},
        do=Do.CLEAR,
        clear={"before": {}, "after": {}},
        mentions=("before", "after"),
        plain={"ip": "where a colleague sat"},
        is_internal=True,
    ),
    Table(
        name="notification",
        mentions=("params", "url"),
        is_passing=True,
        plain={"kind": "a code"},
    ),
    Table(name="progress", mentions=("title", "result", "url"), plain={"kind": "a code"}),
    Table(
        name="idempotency_key",
        mentions=("route", "key", "answer"),
        is_passing=True,
        plain={"body_hash": "a digest"},
    ),
)

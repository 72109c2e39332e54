"""What messages, their tries and what came in hold about a person."""

from typing import Final

from crm.channels.sentences import is_outcome
from crm.lifecycle.erasure.contacts import HOUSE
from crm.lifecycle.erasure.tables import Do, OwnId, Table, UnlessCode
from crm.outreach.reasons import OTHER_SENTENCES, REASON_SENTENCES

CODES: Final = frozenset({*map(str, REASON_SENTENCES), *OTHER_SENTENCES, "erased"})


def is_reason(text: str) -> bool:
    """Whether a reason was given by the gate or a channel, and not by a person in their own words."""
    return text in CODES or is_outcome(text)


TABLES: Final = (
    Table(
        name="sender_account",
        plain={
            "name address display_name config secret signature time_zone hold_reason last_error_code": (
                "a mailbox of the house"
            )
        },
    ),
    Table(name="sender_pace"),
    Table(name="domain_pace", plain={"domain code": "a mail server and how fast it takes mail"}),
    Table(name="template", plain={"name language subject body": HOUSE}),
    Table(name="network_template", plain={"name language category status body": "a text that the network approved"}),
    Table(name="batch", plain={"name": HOUSE}),
    Table(
        name="conversation",
        of={"contact_id": ("contact",)},
        do=Do.CLEAR,
        clear={"subject": "", "handle_id": None, "unanswered_since": None, "post_url": ""},
        plain={"visibility": "a code", "search": "made of the subject"},
        hidden=("search",),
    ),
    Table(name="conversation_seen", of={"conversation_id": ("conversation",)}, is_internal=True),
    Table(
        name="conversation_draft",
        of={"conversation_id": ("conversation",)},
        do=Do.DELETE,
        mentions=("body",),
        is_internal=True,
    ),
    Table(name="canned_reply", plain={"title language body": HOUSE}),
    Table(name="answer_time", of={"conversation_id": ("conversation",)}, is_internal=True),
    Table(
        name="conversation_merge",
        of={"kept_id": ("conversation",), "gone_id": ("conversation",)},
        do=Do.DELETE,
        plain={"moved": "ids and dates"},
        is_internal=True,
    ),
    Table(name="inbox_notice"),
    Table(name="claim", plain={"worker": "a process"}),
    Table(
        name="message",
        of={"contact_id": ("contact",)},
        do=Do.CLEAR,
        clear={"reason": UnlessCode(is_reason), "handle_id": None, "remote_id": None},
        plain={
            "approved_hash": "a digest of what was approved",
            "needs_look": "a code",
            "reference": "an id that we made",
        },
        hidden=("approved_hash",),
    ),
    Table(
        name="message_text",
        of={"message_id": ("message",)},
        do=Do.DELETE,
        plain={"subject body missing why": "letters to others stay as they were written"},
        hidden=("why", "missing"),
    ),
    Table(
        name="message_letter",
        of={"message_id": ("message",)},
        do=Do.DELETE,
        plain={"html": "letters of others stay as they were written"},
        hidden=("html",),
    ),
    Table(
        name="message_file",
        of={"message_id": ("message",)},
        do=Do.DELETE,
        plain={"content_id": "what the mail program called a picture"},
        hidden=("content_id",),
    ),
    Table(
        name="frozen_content",
        of={"message_id": ("message",)},
        do=Do.DELETE,
        plain={
            "hash from_address from_name to_address to_name subject text html headers": (
                "letters to others stay as they were approved"
            )
        },
        hidden=("html", "headers"),
    ),
    Table(
        name="attempt",
        of={"message_id": ("message",)},
        plain={"content_hash": "a digest of what was approved"},
        hidden=("content_hash",),
    ),
    Table(name="attempt_outcome", of={"attempt_id": ("attempt",)}, plain={"code stage": "codes"}),
    Table(
        name="attempt_evidence",
        of={"attempt_id": ("attempt",)},
        do=Do.DELETE,
        plain={"detail": "what a server said of an address of somebody else"},
    ),
    Table(name="budget_use", of={"contact_id": ("contact",)}, plain={"purpose": "a code"}),
    Table(name="clock_lease", plain={"name holder": "a process"}),
    Table(
        name="inbound_event",
        of={"message_id": ("message",)},
        do=Do.CLEAR,
        clear={"external_id": OwnId(), "error": ""},
        plain={"kind": "a code"},
    ),
    Table(
        name="inbound_raw",
        of={"event_id": ("inbound_event",)},
        do=Do.DELETE,
        mentions=("raw",),
        is_passing=True,
    ),
    Table(name="synced_mailbox", plain={"state reach error": "codes"}),
    Table(name="mailbox_folder", plain={"wire_name name": "a folder of the house", "role error": "codes"}),
    Table(
        name="mailbox_exclusion",
        plain={"pattern": "an address of which nothing is kept: without it, their mail would come in"},
    ),
    Table(name="inbound_cursor", plain={"cursor code": "how far a channel was asked"}),
    Table(
        name="start_link",
        of={"contact_id": ("contact",)},
        do=Do.DELETE,
        plain={"digest": "a digest of a random token"},
        hidden=("digest",),
    ),
)

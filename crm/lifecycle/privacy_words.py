"""The words of erasing and of the access export: what goes, what stays, and what each table and column is called."""

from collections.abc import Mapping
from typing import Any, Final

from crm.consent.words import ACTION_LABELS, BASIS_LABELS, PURPOSE_LABELS
from crm.contacts.kinds import FactOrigin, LimitGround
from crm.contacts.words import (
    ADDRESS_LABELS,
    CHANNEL_WORDS,
    COUNTRY_LABELS,
    FIELD_LABELS,
    IMPORTANCE_LABELS,
    LANGUAGE_LABELS,
    LIFECYCLE_LABELS,
)
from crm.lifecycle.kinds import ErasureCause
from crm.lifecycle.rules.retention import DataClass
from crm.web.i18n import lazy, lazy_p

#: What an erasure takes away, by what people call it: the tables that make it up.
GOES: Final = (
    (lazy("Values and where they came from"), ("fact", "custom_value", "change")),
    (lazy("Addresses"), ("handle", "handle_change")),
    (lazy("Places in companies, people they know, tags"), ("affiliation", "contact_link", "contact_tag")),
    (lazy("Texts of the timeline"), ("interaction_body", "earlier_text")),
    (lazy("Files"), ("entry_file",)),
    (lazy("Texts of messages"), ("message_text", "frozen_content")),
    (lazy("Mails as they came in, and answers of servers"), ("inbound_raw", "attempt_evidence")),
    (lazy("Tasks and promises"), ("task",)),
    (lazy("Wordings and notes of consents"), ("consent_evidence",)),
    (lazy("Notes beside points"), ("ledger_note",)),
    (lazy("Segments"), ("segment_member", "segment_pick")),
)
#: What stays, without any name, because totals are made of it.
STAYS: Final = (
    (lazy("Entries of the timeline: kind, channel and date"), ("interaction",)),
    (lazy("Messages: channel, state and date"), ("message",)),
    (lazy("Movements of points"), ("ledger_transaction",)),
    (lazy("Vouchers"), ("voucher",)),
    (lazy("Consents: what, when and on which basis"), ("consent_event",)),
    (lazy("Places in campaigns"), ("recipient",)),
)

CLASSES: Final = {
    DataClass.RAW_MAILS: (
        lazy("Mails as they came in"),
        lazy("Their text stays on the timeline; the original with its headers goes."),
    ),
    DataClass.REFUSED_ROWS: (lazy("Rows that an import refused"), lazy("Counted from the end of the import.")),
    DataClass.READ_FILES: (lazy("Files that were imported"), lazy("What was read from them stays.")),
    DataClass.CHAT_FILES: (
        lazy("Files of chats and calendars"),
        lazy("What was read from them stays; the file and the names found in it go."),
    ),
    DataClass.CHANGE_VALUES: (
        lazy("What was there before imports, bulk edits and merges"),
        lazy("As long as they can be undone, and no longer."),
    ),
    DataClass.REMOVED_TEXTS: (lazy("Texts of removed entries"), lazy("That there was an entry stays.")),
    DataClass.AUDIT_VALUES: (
        lazy("Values in the audit log"),
        lazy("Who did what and when stays; before, after and address go."),
    ),
    DataClass.INACTIVE_LEADS: (
        lazy("Followers, leads and prospects without any exchange"),
        lazy("They are deleted and can be restored."),
    ),
    DataClass.DELETED_PEOPLE: (lazy("Deleted people"), lazy("They are erased for good.")),
}

#: The four cases of article 18 (1) of the GDPR.
GROUNDS: Final = {
    LimitGround.ACCURACY: lazy("They say that the data are wrong, and we check"),
    LimitGround.UNLAWFUL: lazy("The processing is unlawful, and they want no erasure"),
    LimitGround.CLAIMS: lazy("We need them no more, they need them for a legal claim"),
    LimitGround.OBJECTION: lazy("They objected, and whose interest weighs more is open"),
}

CAUSES: Final = {
    ErasureCause.ASKED: lazy("asked for"),
    ErasureCause.RETENTION: lazy("kept long enough"),
    ErasureCause.RESTORED: lazy("again after a restore"),
}

TABLES: Final = {
    "contact": lazy("Person"),
    "processing_limit": lazy("Limits on processing"),
    "affiliation": lazy("Companies"),
    "contact_link": lazy("Links to other people"),
    "handle": lazy("Addresses"),
    "handle_change": lazy("Former addresses"),
    "fact": lazy("Values and where they came from"),
    "custom_value": lazy("Own fields"),
    "contact_tag": lazy("Tags"),
    "interaction": lazy("Timeline"),
    "interaction_body": lazy("Texts of the timeline"),
    "earlier_text": lazy("Texts before they were edited"),
    "labelled_entry": lazy("Labels of the timeline"),
    "entry_file": lazy("Files of the timeline"),
    "stored_file": lazy("Files"),
    "warmth": lazy("How lively the exchange is"),
    "cadence": lazy("How often we want to be in touch"),
    "set_aside": lazy("Put off on somebody’s list of the day"),
    "deal": lazy("Deals"),
    "deal_contact": lazy("Part in deals"),
    "task_link": lazy("Tasks that name the person"),
    "task": lazy("Tasks and promises"),
    "consent_event": lazy("Consents"),
    "consent_evidence": lazy("Wordings and notes of consents"),
    "consent_state": lazy("Consents as they hold now"),
    "member": lazy("Loyalty programme"),
    "ledger_transaction": lazy("Movements of points"),
    "ledger_note": lazy("Notes beside points"),
    "posting": lazy("Points of each movement"),
    "lot": lazy("Points that came in together"),
    "lot_use": lazy("How points were used"),
    "voucher": lazy("Vouchers"),
    "redemption": lazy("Vouchers that were used"),
    "conversation": lazy("Conversations"),
    "message": lazy("Messages"),
    "message_text": lazy("Texts of messages"),
    "frozen_content": lazy("Messages as they were approved"),
    "attempt": lazy("Tries to send"),
    "attempt_outcome": lazy("How tries ended"),
    "attempt_evidence": lazy("Answers of mail servers"),
    "budget_use": lazy("What counts towards how often we write"),
    "inbound_event": lazy("What came in"),
    "inbound_raw": lazy("Mails as they came in"),
    "segment_pick": lazy("Chosen by hand for segments"),
    "segment_member": lazy("Segments"),
    "segment_change": lazy("Segments entered and left"),
    "campaign_pick": lazy("Chosen by hand for campaigns"),
    "recipient": lazy("Campaigns"),
    "enrichment_run": lazy("Looked up elsewhere"),
}

COLUMNS: Final = {
    "first_name": lazy("First name"),
    "last_name": lazy("Last name"),
    "display_name": lazy("Name"),
    "name": lazy("Name"),
    "title": lazy("Role in the company"),
    "email": lazy("E-mail"),
    "language": lazy("Language"),
    "time_zone": lazy("Time zone"),
    "street": lazy("Street"),
    "city": lazy("City"),
    "country": lazy("Country"),
    "interests": lazy("Interests and notes"),
    "came_from": lazy("Came from"),
    "lifecycle": lazy("Relationship"),
    "importance": lazy("Importance"),
    "channel": lazy("Channel"),
    "address": lazy("Address"),
    "label": lazy("Label"),
    "state": lazy("State"),
    "field": lazy("Field"),
    "value": lazy("Value"),
    "origin": lazy("Origin"),
    "source": lazy("Source"),
    "source_url": lazy("Address of the source"),
    "at": lazy("When"),
    "happened_at": lazy("When"),
    "recorded_at": lazy("Written down"),
    "created_at": lazy_p("moment", "Made"),
    "updated_at": lazy_p("moment", "Changed"),
    "sent_at": lazy_p("moment", "Sent"),
    "kind": lazy("Kind"),
    "direction": lazy("Direction"),
    "sentiment": lazy("Mood"),
    "subject": lazy("Subject"),
    "body": lazy("Text"),
    "text": lazy("Text"),
    "note": lazy("Note"),
    "purpose": lazy("Purpose"),
    "action": lazy("Action"),
    "basis": lazy("Basis"),
    "wording": lazy("Wording"),
    "reason": lazy("Reason"),
    "points": lazy("Points"),
    "balance": lazy("Points now"),
    "number": lazy("Number"),
    "code": lazy("Code"),
    "role": lazy("Role"),
    "post_url": lazy("Address of the post"),
    "company": lazy("Company"),
    "tag": lazy("Tag"),
    "segment": lazy("Segment"),
    "campaign": lazy("Campaign"),
    "offer": lazy("Offer"),
    "program": lazy("Programme"),
    "due_on": lazy("Due"),
    "done_at": lazy_p("moment", "Done"),
    "account": lazy("Side of the account"),
    "active_at": lazy("Valid from"),
    "address_form": lazy("Form of address"),
    "allocated_at": lazy("Set aside for the person"),
    "amount": lazy("Amount"),
    "amount_minor": lazy("Amount"),
    "answered_at": lazy("Answered"),
    "any_at": lazy("Last exchange"),
    "approved_at": lazy("Approved"),
    "asked_on": lazy("Asked on"),
    "available_from": lazy("Available from"),
    "began_at": lazy("Begun"),
    "birth_day": lazy("Day of birth"),
    "birth_month": lazy("Month of birth"),
    "birth_year": lazy("Year of birth"),
    "cause": lazy("Cause"),
    "cause_kind": lazy("Kind of cause"),
    "change": lazy("Change"),
    "closed_at": lazy("Closed"),
    "closes_on": lazy("Expected to close"),
    "confidence": lazy("Certainty (%)"),
    "currency": lazy("Currency"),
    "day": lazy("Day"),
    "days": lazy("Days"),
    "decided_at": lazy("Decided"),
    "deleted_at": lazy("Deleted"),
    "delivery": lazy("Delivery"),
    "delivery_at": lazy("Delivery reported"),
    "detail": lazy("Detail"),
    "discount_minor": lazy("Discount"),
    "due_at": lazy("Due"),
    "due_time": lazy("Due at"),
    "duration_minutes": lazy("Minutes"),
    "edited_at": lazy("Edited"),
    "ended_at": lazy("Ended"),
    "ended_on": lazy("Until"),
    "entered_at": lazy("Since"),
    "error": lazy("Error"),
    "expires_at": lazy("Expires"),
    "external_id": lazy("Code in another program"),
    "finished_at": lazy("Ended"),
    "flag": lazy("Yes or no"),
    "found": lazy("Values found"),
    "from_address": lazy("From (address)"),
    "from_name": lazy("From"),
    "ground": lazy("Reason"),
    "handled_at": lazy("Handled"),
    "held_until": lazy("Held until"),
    "inbound": lazy("Weight of what came in"),
    "is_added": lazy("Added by hand"),
    "is_assisted": lazy("Sent by hand"),
    "is_automatic": lazy("Automatic"),
    "is_edited": lazy("Edited"),
    "is_main": lazy("Main person"),
    "is_pending": lazy("Still pending"),
    "is_primary": lazy("Main one"),
    "is_promise": lazy("Promise"),
    "joined_at": lazy("Joined"),
    "last_at": lazy("Last exchange"),
    "last_inbound_at": lazy("Last heard from"),
    "last_interaction_at": lazy("Last exchange"),
    "last_outbound_at": lazy("Last written to"),
    "left_at": lazy("Left"),
    "lift_note": lazy("How the person was told"),
    "lifted_at": lazy("Lifted"),
    "limited_at": lazy("Only kept since"),
    "local_day": lazy("Day"),
    "lost_note": lazy("Why it was lost"),
    "media_type": lazy("Kind of file"),
    "met_at": lazy("Last met"),
    "not_after": lazy("Not after"),
    "not_before": lazy("Not before"),
    "outbound": lazy("Weight of what went out"),
    "own_days": lazy("Own number of days"),
    "pause_reason": lazy("Reason of the pause"),
    "paused_at": lazy("Paused"),
    "pending": lazy("Points still pending"),
    "placed": lazy("Place"),
    "planned_at": lazy("Planned for"),
    "platform_id": lazy("Id on the platform"),
    "probability": lazy("Probability (%)"),
    "purchase_minor": lazy("Purchase"),
    "received_at": lazy("Received"),
    "redeemed_at": lazy("Redeemed"),
    "remaining": lazy("Points left"),
    "remind_at": lazy("Reminder"),
    "reminded_at": lazy("Reminded"),
    "removed_at": lazy("Removed"),
    "repeat": lazy("Repeats"),
    "replaced_at": lazy("Replaced"),
    "replied_at": lazy("Answered"),
    "restricted": lazy("Shown to few colleagues"),
    "score": lazy("Warmth (0 to 100)"),
    "since": lazy("Since"),
    "size": lazy("Size in bytes"),
    "snoozed_until": lazy("Put off until"),
    "stage": lazy("Stage"),
    "stage_since": lazy("In this stage since"),
    "started_at": lazy("Begun"),
    "started_on": lazy("From"),
    "state_at": lazy("State since"),
    "state_reason": lazy("Reason of the state"),
    "suggested": lazy("Suggestions"),
    "text_value": lazy("Value"),
    "to_address": lazy("To (address)"),
    "to_name": lazy("To"),
    "tries": lazy("Tries"),
    "two_way_at": lazy("Last exchange in both directions"),
    "unanswered_since": lazy("Unanswered since"),
    "undone_at": lazy("Undone"),
    "until": lazy("Until"),
    "verified_at": lazy("Confirmed"),
    "visibility": lazy("Who sees it"),
    "wording_version": lazy("Version of the wording"),
    "wrote_at": lazy("Last written to"),
}


#: Columns that the readable page leaves out: they serve the program alone. All of them are in data.json.
TECHNICAL: Final = frozenset(
    {
        *("error_code", "erased_at", "etag", "extras", "first_tried_at", "hash", "last_modified", "late_accepted"),
        *("mark", "mode", "needs_look", "order_on", "position", "rank", "reference", "remind_days", "remind_minutes"),
        *("remind_time", "remote_id", "repeat_anchor", "repeat_from", "repeat_left", "retry_at", "scored_at", "sha256"),
        *("source_kind", "step", "stop_if_replied_since", "version"),
    }
)


def _codes(labels: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(code): label for code, label in labels.items()}


#: Codes that have words: {column: {code: what it says}}.
VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "lifecycle": _codes(LIFECYCLE_LABELS),
    "importance": _codes(IMPORTANCE_LABELS),
    "address_form": _codes(ADDRESS_LABELS),
    "channel": _codes(CHANNEL_WORDS),
    "language": _codes(LANGUAGE_LABELS),
    "country": _codes(COUNTRY_LABELS),
    "field": _codes(FIELD_LABELS),
    "origin": {
        FactOrigin.TYPED.value: lazy("typed by a colleague"),
        FactOrigin.IMPORTED.value: lazy("imported"),
        FactOrigin.FOUND.value: lazy("found in a public source"),
        FactOrigin.RECEIVED.value: lazy("from a message of theirs"),
    },
    "purpose": _codes(PURPOSE_LABELS),
    "action": _codes(ACTION_LABELS),
    "basis": _codes(BASIS_LABELS),
    "ground": _codes(GROUNDS),
    "direction": {
        "inbound": lazy("from the person"),
        "outbound": lazy("from us"),
        "none": lazy("neither"),
    },
    "sentiment": {"positive": lazy("pleased"), "neutral": lazy("neutral"), "negative": lazy("displeased")},
    "visibility": {"public": lazy("everybody"), "team": lazy("colleagues"), "private": lazy("the author alone")},
}


def value_label(column: str, code: str) -> str:
    """What a code says in words; other texts stand for themselves."""
    return str(VALUES.get(column, {}).get(code, code))


def table_label(name: str) -> str:
    """What a table is called; its own name in words where nobody gave it one."""
    return str(TABLES.get(name, name.replace("_", " ")))


def column_label(name: str) -> str:
    """What a column is called."""
    return str(COLUMNS.get(name, name.replace("_", " ")))

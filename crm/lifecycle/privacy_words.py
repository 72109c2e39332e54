"""The words of erasing and of the access export: what goes, what stays, and what each table and column is called."""

from typing import Final

from crm.contacts.kinds import LimitGround
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
}


def table_label(name: str) -> str:
    """What a table is called; its own name in words where nobody gave it one."""
    return str(TABLES.get(name, name.replace("_", " ")))


def column_label(name: str) -> str:
    """What a column is called."""
    return str(COLUMNS.get(name, name.replace("_", " ")))

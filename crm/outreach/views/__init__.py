"""HTML pages of outreach, one module per noun; importing this package puts all routes on the blueprint."""

from crm.outreach.views import (
    accounts,
    by_hand,
    calendar,
    canned,
    channels,
    copies,
    heard,
    inbox,
    inbox_deeds,
    letters,
    mailboxes,
    messages,
    pauses,
    start_links,
    templates,
)
from crm.outreach.views.blueprint import blueprint

__all__ = [
    "accounts",
    "blueprint",
    "by_hand",
    "calendar",
    "canned",
    "channels",
    "copies",
    "heard",
    "inbox",
    "inbox_deeds",
    "letters",
    "mailboxes",
    "messages",
    "pauses",
    "start_links",
    "templates",
]

"""HTML pages of outreach, one module per noun; importing this package puts all routes on the blueprint."""

from crm.outreach.views import (
    accounts,
    answers,
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
    notices,
    pauses,
    start_links,
    templates,
)
from crm.outreach.views.blueprint import blueprint

__all__ = [
    "accounts",
    "answers",
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
    "notices",
    "pauses",
    "start_links",
    "templates",
]

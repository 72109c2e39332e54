"""REST: sender accounts, templates, messages, conversations, and what the gate says."""

from crm.outreach.api import accounts, conversations, gate, inbox, messages, templates
from crm.outreach.api.blueprint import blueprint

__all__ = ["accounts", "blueprint", "conversations", "gate", "inbox", "messages", "templates"]

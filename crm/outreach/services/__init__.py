"""Owns every change to messages, sender accounts, conversations and templates.

Functions take `(session, actor, *, ..., now)` and return what they made or changed, or raise an error of the module
that defines it. Nothing here commits or wakes a worker: the clock finds what is due.
"""

from crm.outreach.services.accounts import (
    AccountInput,
    AccountNotFoundError,
    check_account,
    create_account,
    delete_account,
    hold_account,
    pause_account,
    resume_account,
    set_secret,
    update_account,
)
from crm.outreach.services.by_hand import (
    AssistedAnswer,
    AssistedTask,
    InOtherHandsError,
    not_sent,
    open_assisted,
    reword,
    set_aside,
    settle_assisted,
)
from crm.outreach.services.channel_accounts import save_channel_account
from crm.outreach.services.conversations import ConversationNotFoundError, assign, close, reopen, snooze
from crm.outreach.services.drafts import (
    DraftInput,
    MessageNotFoundError,
    draft_many,
    edit_draft,
    new_batch,
    preview,
)
from crm.outreach.services.moving import MOVABLE, NotMovableError, reschedule
from crm.outreach.services.optout import NobodyError, Preferences, preferences, set_preferences, unsubscribe
from crm.outreach.services.pauses import (
    BatchNotFoundError,
    cancel_batch,
    pause_batch,
    pause_sending,
    resume_batch,
    resume_sending,
)
from crm.outreach.services.receive import give_up, handle_inbound, receive, store_inbound
from crm.outreach.services.review import Changed, approve, cancel, hold, reject, release, schedule, skip, submit
from crm.outreach.services.settle import Decision, NotWaitingError, resolve_uncertain
from crm.outreach.services.start_links import start_link
from crm.outreach.services.templates import (
    TemplateInput,
    TemplateNotFoundError,
    create_template,
    delete_template,
    update_template,
)
from crm.outreach.services.write import (
    BlockedError,
    MissingValuesError,
    TooLateError,
    fill_words,
    reply,
    take_back,
    write,
)

__all__ = [
    "MOVABLE",
    "AccountInput",
    "AccountNotFoundError",
    "AssistedAnswer",
    "AssistedTask",
    "BatchNotFoundError",
    "BlockedError",
    "Changed",
    "ConversationNotFoundError",
    "Decision",
    "DraftInput",
    "InOtherHandsError",
    "MessageNotFoundError",
    "MissingValuesError",
    "NobodyError",
    "NotMovableError",
    "NotWaitingError",
    "Preferences",
    "TemplateInput",
    "TemplateNotFoundError",
    "TooLateError",
    "approve",
    "assign",
    "cancel",
    "cancel_batch",
    "check_account",
    "close",
    "create_account",
    "create_template",
    "delete_account",
    "delete_template",
    "draft_many",
    "edit_draft",
    "fill_words",
    "give_up",
    "handle_inbound",
    "hold",
    "hold_account",
    "new_batch",
    "not_sent",
    "open_assisted",
    "pause_account",
    "pause_batch",
    "pause_sending",
    "preferences",
    "preview",
    "receive",
    "reject",
    "release",
    "reopen",
    "reply",
    "reschedule",
    "resolve_uncertain",
    "resume_account",
    "resume_batch",
    "resume_sending",
    "reword",
    "save_channel_account",
    "schedule",
    "set_aside",
    "set_preferences",
    "set_secret",
    "settle_assisted",
    "skip",
    "snooze",
    "start_link",
    "store_inbound",
    "submit",
    "take_back",
    "unsubscribe",
    "update_account",
    "update_template",
    "write",
]

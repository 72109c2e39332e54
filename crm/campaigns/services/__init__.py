"""Owns every change to campaigns, from the first choice of people to the last message.

Functions take `(session, actor, *, ..., now)` and return what they made or changed, or raise an error defined beside
them. Nothing here commits or wakes a worker: the clock finds what is due.
"""

from crm.campaigns.services.origin import guess_origin, name_origin
from crm.campaigns.services.preparing import AudienceTooLargeError, Prepared, discard, prepare, preview
from crm.campaigns.services.reviewing import approve, edit, reject, skip
from crm.campaigns.services.running import Scheduled, cancel, pause, resume, schedule, stop_leavers, tend
from crm.campaigns.services.setup import (
    WrongStageError,
    choose_offer,
    choose_people,
    create,
    forget_pick,
    pick,
    remove,
    rename,
    take_out,
    write_words,
)

__all__ = [
    "AudienceTooLargeError",
    "Prepared",
    "Scheduled",
    "WrongStageError",
    "approve",
    "cancel",
    "choose_offer",
    "choose_people",
    "create",
    "discard",
    "edit",
    "forget_pick",
    "guess_origin",
    "name_origin",
    "pause",
    "pick",
    "prepare",
    "preview",
    "reject",
    "remove",
    "rename",
    "resume",
    "schedule",
    "skip",
    "stop_leavers",
    "take_out",
    "tend",
    "write_words",
]

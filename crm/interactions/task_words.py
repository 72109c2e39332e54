"""Owns how tasks and their reminders are put into words."""

from typing import Final

from crm.accounts.places import Words
from crm.interactions.queries import TaskView
from crm.interactions.rules.recurrence import Frequency
from crm.web.i18n import lazy, ngettext

#: Words of the bell.
BELL: Final = {"task.reminder": Words(lazy("Reminder: %(title)s"), "bell-ringing")}


def repeats(task: TaskView) -> str:
    """How a task comes back: "every 3 days"; empty for one that comes once."""
    rule = task.rule
    if rule is None:
        return ""
    said = {
        Frequency.DAILY: lambda: ngettext("every day", "every %(num)d days", rule.every),
        Frequency.WEEKLY: lambda: ngettext("every week", "every %(num)d weeks", rule.every),
        Frequency.MONTHLY: lambda: ngettext("every month", "every %(num)d months", rule.every),
        Frequency.YEARLY: lambda: ngettext("every year", "every %(num)d years", rule.every),
    }
    return said[rule.frequency]()

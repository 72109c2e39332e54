"""Owns when it is time to be in touch again.

A person with a cadence of N days is due N days after the last genuine two-way contact: a call, meeting or visit whoever
began, or their own message, comment or mention on any channel (`crm.interactions.rules.warmth.is_two_way`). What
machines send, bounces, automatic answers, likes, points and edits of the record restart nothing, and neither does a
message of ours alone: it only gives them a week to answer, so that nobody is told to write twice. Without any contact
yet the days count from when the cadence began. A snooze holds until its moment; a paused cadence is never due.
"""

from datetime import datetime, timedelta
from typing import Final

#: How long our own word is given to be answered.
ANSWER_DAYS: Final = 7


def due_at(
    *,
    days: int | None,
    began_at: datetime,
    two_way_at: datetime | None,
    wrote_at: datetime | None,
    snoozed_until: datetime | None,
    is_paused: bool,
) -> datetime | None:
    """When the person is due; None without a cadence or while it is paused."""
    if days is None or is_paused:
        return None
    moments = [(two_way_at or began_at) + timedelta(days=days)]
    if wrote_at is not None:
        moments.append(wrote_at + timedelta(days=min(ANSWER_DAYS, days)))
    if snoozed_until is not None:
        moments.append(snoozed_until)
    return max(moments)

"""Owns reading segments: the rules, who is in them for this actor, why, and who would be under another rule."""

from crm.segments.queries.audience import (
    MemberView,
    audience,
    count,
    is_member,
    members,
    visible_total,
)
from crm.segments.queries.meaning import (
    bound_rule,
    check_choices,
    choices_in,
    choices_of,
    condition_of,
    context_of,
    labels_of,
    referenced_segments,
    sentence_of,
)
from crm.segments.queries.preview import Preview, preview
from crm.segments.queries.saved import (
    ChangeView,
    SegmentNotFoundError,
    changes,
    member_counts,
    picks_of,
    segment,
    segments,
    segments_of,
)
from crm.segments.queries.why import Why, why

__all__ = [
    "ChangeView",
    "MemberView",
    "Preview",
    "SegmentNotFoundError",
    "Why",
    "audience",
    "bound_rule",
    "changes",
    "check_choices",
    "choices_in",
    "choices_of",
    "condition_of",
    "context_of",
    "count",
    "is_member",
    "labels_of",
    "member_counts",
    "members",
    "picks_of",
    "preview",
    "referenced_segments",
    "segment",
    "segments",
    "segments_of",
    "sentence_of",
    "visible_total",
    "why",
]

"""Owns the words of segments: kinds, modes, units, causes of a change, and "why" as a tree to show."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from babel import Locale
from babel.dates import get_month_names
from flask_babel import get_locale
from markupsafe import Markup

from crm.accounts.places import Words
from crm.filters.catalogue import Catalogue, Field, Labels
from crm.filters.evaluate import Explained
from crm.filters.moments import Unit
from crm.filters.schema import Op
from crm.filters.sentence import clause, seen_text
from crm.segments.forms.builder import Mode
from crm.segments.forms.inputs import Control, control, option_controls
from crm.segments.kinds import SegmentKind
from crm.web.i18n import gettext
from crm.web.i18n import lazy as _

#: What the audit log tells of segments.
TOLD: Final = {
    "segment.created": Words(_("Made a segment"), "filter-plus"),
    "segment.rule_changed": Words(_("Changed the rule of a segment"), "filter"),
    "segment.frozen": Words(_("Made a hand-picked list of a segment"), "snowflake"),
    "segment.deleted": Words(_("Deleted a segment"), "trash"),
}
#: Name and tone of each kind.
KINDS: Final = {
    SegmentKind.LIVE: (_("live"), "ok"),
    SegmentKind.FROZEN: (_("frozen"), "plain"),
    SegmentKind.PICKED: (_("hand-picked"), "accent"),
}
#: The choice between "Match" and "of these".
MODES: Final = {
    Mode.ALL: _("all"),
    Mode.ANY: _("any"),
    Mode.NONE: _("none"),
    Mode.NOT_ALL: _("not all"),
}
UNITS: Final = {
    Unit.DAYS: _("days"),
    Unit.WEEKS: _("weeks"),
    Unit.MONTHS: _("months"),
    Unit.YEARS: _("years"),
}
_CAUSES: Final = {
    "created": _("when the segment was made"),
    "edited": _("because the rule was changed"),
    "picked": _("by hand"),
    "deleted": _("because the contact was deleted"),
    "rule": _("by the rule"),
}


def months() -> list[tuple[int, str]]:
    """The months of the year by name."""
    names = get_month_names("wide", "stand-alone", get_locale() or Locale("en"))
    return [(number, names[number]) for number in range(1, 13)]


def cause(code: str, fields: Mapping[str, Field]) -> str:
    """Why somebody entered or left, from the code in the history; `fields` of the workspace by name."""
    kind, _sep, name = code.partition(":")
    if kind == "field":
        found = fields.get(name)
        return gettext("because of “%(field)s”", field=found.label if found else name)
    return str(_CAUSES.get(code, ""))


def grouped(fields: Catalogue, *, used: Collection[str] = ()) -> list[tuple[str, list[Field]]]:
    """The fields to choose from and those in use, under their headings, in the order of the catalogue."""
    groups: defaultdict[str, list[Field]] = defaultdict(list)
    for item in fields:
        if not item.is_offered and item.name not in used:
            continue
        groups[str(item.group)].append(item)
    return list(groups.items())


def controls(field: Field, op: str) -> list[Control]:
    """The controls of a condition: its value, then its options."""
    return [control(field, Op(op)), *option_controls(field)]


@dataclass(frozen=True)
class Branch:
    """A node of "why": a clause with what was seen, or a group with its branches."""

    holds: bool
    text: Markup
    seen: str = ""
    field: str = ""
    icon: str = ""
    children: tuple["Branch", ...] = ()


def tree(explained: Explained, labels: Labels, *, tz: str) -> Branch:
    """The explanation in words."""
    if explained.leaf is not None:
        leaf = explained.leaf
        seen = seen_text(leaf, explained.seen, labels, tz=tz)
        return Branch(explained.holds, clause(leaf, labels), seen, str(leaf.field.label), leaf.field.icon)
    group = explained.group
    children = tuple(tree(child, labels, tz=tz) for child in explained.children)
    if group is None or not group.denied:
        text = gettext("all of these") if group is None or group.every else gettext("at least one of these")
    elif len(children) == 1 and children[0].children:
        # "None of these" is stored as the denial of "any of these": one line for both.
        return Branch(explained.holds, Markup("{}").format(gettext("none of these")), children=children[0].children)
    else:
        text = gettext("none of these")
    return Branch(explained.holds, Markup("{}").format(text), children=children)

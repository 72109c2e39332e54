"""Owns the words of merges and duplicates in the reader's language."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from crm.contacts import words as contact_words
from crm.contacts.custom_rules import FieldShape
from crm.contacts.custom_words import kept_text
from crm.lifecycle.kinds import Effect
from crm.lifecycle.rules.duplicates import Sign
from crm.lifecycle.services.merging import FieldChoice, Side
from crm.web.formats import number
from crm.web.i18n import _, ngettext

_EFFECTS: Final[Mapping[Effect, Callable[[int], str]]] = {
    Effect.SCHEDULED: lambda n: ngettext("%(n)s waiting message", "%(n)s waiting messages", n, n=number(n)),
    Effect.DEALS: lambda n: ngettext("%(n)s deal", "%(n)s deals", n, n=number(n)),
    Effect.POINTS: lambda n: ngettext("%(n)s point", "%(n)s points", n, n=number(n)),
    Effect.VOUCHERS: lambda n: ngettext("%(n)s code", "%(n)s codes", n, n=number(n)),
    Effect.INTERACTIONS: lambda n: ngettext(
        "%(n)s entry of the timeline", "%(n)s entries of the timeline", n, n=number(n)
    ),
    Effect.TASKS: lambda n: ngettext("%(n)s open task", "%(n)s open tasks", n, n=number(n)),
    Effect.MESSAGES: lambda n: ngettext("%(n)s earlier message", "%(n)s earlier messages", n, n=number(n)),
    Effect.CONVERSATIONS: lambda n: ngettext("%(n)s conversation", "%(n)s conversations", n, n=number(n)),
    Effect.ADDRESSES: lambda n: ngettext("%(n)s address", "%(n)s addresses", n, n=number(n)),
    Effect.COMPANIES: lambda n: ngettext("%(n)s place in a company", "%(n)s places in companies", n, n=number(n)),
    Effect.LINKS: lambda n: ngettext("%(n)s link to others", "%(n)s links to others", n, n=number(n)),
    Effect.TAGS: lambda n: ngettext("%(n)s tag", "%(n)s tags", n, n=number(n)),
    Effect.SEGMENTS: lambda n: ngettext("%(n)s segment", "%(n)s segments", n, n=number(n)),
    Effect.CAMPAIGNS: lambda n: ngettext("%(n)s campaign", "%(n)s campaigns", n, n=number(n)),
    Effect.LOOKUPS: lambda n: ngettext("%(n)s search under way", "%(n)s searches under way", n, n=number(n)),
    Effect.REDEMPTIONS: lambda n: ngettext("%(n)s use of a code", "%(n)s uses of codes", n, n=number(n)),
    Effect.PICKS: lambda n: ngettext("%(n)s choice by hand", "%(n)s choices by hand", n, n=number(n)),
    Effect.TASK_LINKS: lambda n: ngettext("%(n)s mention in a task", "%(n)s mentions in tasks", n, n=number(n)),
    Effect.RHYTHM: lambda n: ngettext("%(n)s rhythm of its own", "%(n)s rhythms of their own", n, n=number(n)),
    Effect.SET_ASIDE: lambda n: ngettext("%(n)s reason put off", "%(n)s reasons put off", n, n=number(n)),
    Effect.FACTS: lambda n: ngettext("%(n)s value with its source", "%(n)s values with their source", n, n=number(n)),
    Effect.SUGGESTIONS: lambda n: ngettext("%(n)s suggestion", "%(n)s suggestions", n, n=number(n)),
    Effect.FIELDS: lambda n: ngettext("%(n)s field of your own", "%(n)s fields of your own", n, n=number(n)),
    Effect.NAMED_IN: lambda n: ngettext("%(n)s field of somebody else", "%(n)s fields of others", n, n=number(n)),
    Effect.ACCESS: lambda n: ngettext(
        "%(n)s colleague named for them", "%(n)s colleagues named for them", n, n=number(n)
    ),
    Effect.EARLIER: lambda n: ngettext("%(n)s earlier merge", "%(n)s earlier merges", n, n=number(n)),
}

_WARNINGS: Final[Mapping[Effect, Callable[[int], str]]] = {
    Effect.OPT_OUTS: lambda n: ngettext(
        "%(n)s opt-out: what this person has said no to stays so.",
        "%(n)s opt-outs: what this person has said no to stays so.",
        n,
        n=number(n),
    ),
    Effect.LIMITS: lambda n: ngettext(
        "%(n)s limit on processing: it holds for the person who is left.",
        "%(n)s limits on processing: they hold for the person who is left.",
        n,
        n=number(n),
    ),
    Effect.DOUBLES: lambda n: ngettext(
        "%(n)s message is cancelled: both records are in the same campaign.",
        "%(n)s messages are cancelled: both records are in the same campaign.",
        n,
        n=number(n),
    ),
    Effect.SKIPPED: lambda n: ngettext(
        "%(n)s message is not sent: the consent belongs to the other record.",
        "%(n)s messages are not sent: the consent belongs to the other record.",
        n,
        n=number(n),
    ),
}


#: The effects that have words: all of them, as a test holds.
WORDED: Final = frozenset({*_EFFECTS, *_WARNINGS})


def effects(found: Mapping[Effect, int]) -> list[str]:
    """What goes over, each in a few words."""
    return [words(found[effect]) for effect, words in _EFFECTS.items() if effect in found]


def warnings(found: Mapping[Effect, int]) -> list[str]:
    """What does not simply go over, each in a sentence."""
    return [words(found[effect]) for effect, words in _WARNINGS.items() if effect in found]


@dataclass(frozen=True, slots=True)
class Line:
    """A field in which two records differ, with both values in words."""

    field: str
    label: str
    kept: str
    other: str
    takes_other: bool
    is_open: bool


def lines(fields: list[FieldChoice], *, names: Mapping[str, str], own: Mapping[str, FieldShape]) -> list[Line]:
    """The fields of a merge for readers; `names` gives the names behind ids, `own` own fields by `custom.<key>`."""
    return [
        Line(
            one.field,
            _label(one.field, own),
            _value(one.field, one.kept, names, own),
            _value(one.field, one.other, names, own),
            one.side is Side.OTHER,
            one.is_open,
        )
        for one in fields
    ]


def _label(field: str, own: Mapping[str, FieldShape]) -> str:
    if field in own:
        return own[field].label
    return _("Main e-mail address") if field == "email" else str(contact_words.FIELD_LABELS[field])


def _value(field: str, value: str, names: Mapping[str, str], own: Mapping[str, FieldShape]) -> str:
    if field in own:
        return kept_text(own[field], value, names=names)
    return value if field == "email" else contact_words.value_text(field, value, names=names)


def sign(found: Sign, said: str) -> str:
    """Why two records may be one person."""
    match found:
        case Sign.SAME_ADDRESS:
            return _("Same address: %(said)s", said=said)
        case Sign.SAME_PHONE:
            return _("Same number: %(said)s", said=said)
        case Sign.SAME_PLATFORM_ID:
            return _("Same account: %(said)s", said=said)
        case Sign.NAME_AND_COMPANY:
            return _("Same name in the same company")
        case Sign.NAME_AND_DOMAIN:
            return _("Similar name, and mail at %(said)s", said=said)

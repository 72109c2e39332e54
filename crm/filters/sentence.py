"""Owns the read-back: a bound rule as one sentence in the reader's language, its values marked up to stand out.

The language is the one of the running request; without one it is English.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from babel import Locale
from babel.dates import format_date, format_skeleton, get_month_names
from babel.numbers import format_currency, format_decimal, get_currency_precision
from flask_babel import get_locale
from markupsafe import Markup, escape

from crm.clock import local_day
from crm.filters.catalogue import Bound, BoundGroup, BoundLeaf, Labels, Option
from crm.filters.evaluate import YearDay
from crm.filters.moments import Unit
from crm.filters.schema import Op
from crm.filters.values import DateRange, FieldType, Money, MoneyRange, NumberRange, Span, Window
from crm.web.i18n import gettext, ngettext
from crm.web.i18n import lazy as _

# Each clause is a relative one ("whose city is Siena", "who are members"), so that any of them can stand side by side,
# and after "without those" as well. Translations of subjects carry the article ("la cui città").
_CLAUSES: Final = MappingProxyType(
    {
        Op.IS: _("%(subject)s is %(value)s"),
        Op.IS_NOT: _("%(subject)s is not %(value)s %(unknown)s"),
        Op.ANY_OF: _("%(subject)s is %(value)s"),
        Op.ALL_OF: _("%(subject)s are all of %(value)s"),
        Op.NONE_OF: _("%(subject)s is not %(value)s %(unknown)s"),
        Op.CONTAINS: _("%(subject)s contains %(value)s"),
        Op.NOT_CONTAINS: _("%(subject)s does not contain %(value)s %(unknown)s"),
        Op.STARTS_WITH: _("%(subject)s starts with %(value)s"),
        Op.MORE_THAN: _("%(subject)s is more than %(value)s"),
        Op.AT_LEAST: _("%(subject)s is at least %(value)s"),
        Op.LESS_THAN: _("%(subject)s is less than %(value)s"),
        Op.AT_MOST: _("%(subject)s is at most %(value)s"),
        Op.BETWEEN: _("%(subject)s is between %(value)s"),
        Op.ON: _("%(subject)s was on %(value)s"),
        Op.BEFORE: _("%(subject)s was before %(value)s"),
        Op.AFTER: _("%(subject)s was after %(value)s"),
        Op.IN_LAST: _("%(subject)s was in the last %(value)s"),
        Op.NOT_IN_LAST: _("%(subject)s was not in the last %(value)s %(never)s"),
        Op.IN_NEXT: _("%(subject)s is in the next %(value)s"),
        Op.NOT_IN_NEXT: _("%(subject)s is not in the next %(value)s %(unknown)s"),
        Op.IN_MONTH: _("%(subject)s is in %(value)s"),
        Op.HAS_VALUE: _("%(subject)s is known"),
        Op.NO_VALUE: _("%(subject)s is not known"),
    }
)
_AMOUNTS: Final = MappingProxyType(
    {
        Op.IS: _("exactly %(value)s"),
        Op.IS_NOT: _("not exactly %(value)s"),
        Op.MORE_THAN: _("more than %(value)s"),
        Op.AT_LEAST: _("at least %(value)s"),
        Op.LESS_THAN: _("less than %(value)s"),
        Op.AT_MOST: _("at most %(value)s"),
        Op.BETWEEN: _("between %(value)s"),
    }
)

#: What a page calls each operator in its list.
OPERATOR_LABELS: Final = MappingProxyType(
    {
        Op.IS: _("is"),
        Op.IS_NOT: _("is not"),
        Op.ANY_OF: _("is any of"),
        Op.ALL_OF: _("is all of"),
        Op.NONE_OF: _("is none of"),
        Op.CONTAINS: _("contains"),
        Op.NOT_CONTAINS: _("does not contain"),
        Op.STARTS_WITH: _("starts with"),
        Op.MORE_THAN: _("more than"),
        Op.AT_LEAST: _("at least"),
        Op.LESS_THAN: _("less than"),
        Op.AT_MOST: _("at most"),
        Op.BETWEEN: _("between"),
        Op.ON: _("on the day"),
        Op.BEFORE: _("before"),
        Op.AFTER: _("after"),
        Op.IN_LAST: _("in the last"),
        Op.NOT_IN_LAST: _("not in the last"),
        Op.IN_NEXT: _("in the next"),
        Op.NOT_IN_NEXT: _("not in the next"),
        Op.IN_MONTH: _("in the month of"),
        Op.HAS_VALUE: _("has a value"),
        Op.NO_VALUE: _("has no value"),
    }
)


def _locale() -> Locale:
    return get_locale() or Locale("en")


def strong(text: Any) -> Markup:
    """A value of the rule, to stand out."""
    return Markup("<strong>{}</strong>").format(text)


def quiet(text: Any) -> Markup:
    """Honest small print inside the sentence."""
    return Markup('<span class="fd-muted">{}</span>').format(text)


def fill(phrase: Any, **parts: Markup) -> Markup:
    """A translated phrase with marked-up parts; the phrase itself is escaped."""
    return escape(str(phrase)) % parts


def sentence(bound: Bound, labels: Labels) -> Markup:
    """The whole rule as one sentence, "People whose ...; without those who ...", with a full stop."""
    wanted, unwanted = _split(bound)
    if not wanted and not unwanted:
        return fill(gettext("Everybody."))
    text = Markup("")
    if wanted:
        clauses = _joined([clause(child, labels, nested=len(wanted) > 1) for child in wanted], every=True)
        text = fill(gettext("People %(clauses)s"), clauses=clauses)
    else:
        text = fill(gettext("All people"))
    if unwanted:
        clauses = _joined([clause(child, labels, nested=len(unwanted) > 1) for child in unwanted], every=False)
        text = fill(gettext("%(people)s; without those %(clauses)s"), people=text, clauses=clauses)
    return text + "."


def plain(markup: Markup) -> str:
    """The sentence without its mark-up, for audit, API and titles."""
    return markup.striptags()


def _split(bound: Bound) -> tuple[list[Bound], list[Bound]]:
    """Top-level clauses, and those of whom the sentence says at its end that they are left out."""
    if isinstance(bound, BoundLeaf):
        return [bound], []
    if bound.denied:
        return [], _left_out(bound)
    if not bound.every:
        return ([bound], []) if bound.children else ([], [])
    wanted: list[Bound] = []
    unwanted: list[Bound] = []
    for child in bound.children:
        if isinstance(child, BoundGroup) and child.denied:
            unwanted.extend(_left_out(child))
        else:
            wanted.append(child)
    return wanted, unwanted


def _left_out(denied: BoundGroup) -> list[Bound]:
    """The clauses whose bearers a denied group leaves out: those of "none of these", or the group as one clause."""
    inner = denied.children[0] if denied.every and len(denied.children) == 1 else None
    if inner is not None and isinstance(inner, BoundGroup) and not inner.denied and not inner.every:
        return list(inner.children)
    if inner is not None:
        return [inner]
    return [BoundGroup(denied.path, every=denied.every, children=denied.children)]


def clause(bound: Bound, labels: Labels, *, nested: bool = False) -> Markup:
    """One condition or group as a relative clause; inside another clause groups are set off."""
    if isinstance(bound, BoundLeaf):
        return _leaf(bound, labels)
    inner = _joined([clause(child, labels, nested=True) for child in bound.children], every=bound.every)
    if bound.denied:
        return fill(gettext("not among those %(clauses)s"), clauses=_bracketed(inner, bound))
    if nested and len(bound.children) > 1:
        if not bound.every and not any(isinstance(child, BoundGroup) for child in bound.children):
            return fill(gettext("either %(clauses)s"), clauses=inner)
        return _bracketed(inner, bound)
    return inner


def _bracketed(inner: Markup, bound: BoundGroup) -> Markup:
    return Markup("({})").format(inner) if len(bound.children) > 1 else inner


def _joined(parts: Sequence[Markup], *, every: bool) -> Markup:
    """Clauses as a list: commas, and "and" or "or" before the last."""
    if len(parts) == 1:
        return parts[0]
    last = gettext(", and %(clause)s") if every else gettext(" or %(clause)s")
    return Markup(", ").join(parts[:-1]) + fill(last, clause=parts[-1])


def _leaf(leaf: BoundLeaf, labels: Labels) -> Markup:
    field = leaf.field
    parts = {option.name: _option(option, leaf, labels) for option in field.options}
    parts["value"] = value_text(leaf, labels)
    parts["never"] = quiet(gettext("(or never)"))
    parts["unknown"] = quiet(gettext("(or not known)"))
    phrase = _phrase(leaf)
    if phrase is None and "%(value)s" in str(field.subject) and leaf.op in _AMOUNTS:
        parts["value"] = fill(_AMOUNTS[leaf.op], value=parts["value"])
        text = fill(field.subject, **parts)
    elif phrase is None:
        # Where the subject itself holds a place for a value, "is known" needs the bare form of it.
        subject = fill(field.subject, **{**parts, "value": Markup("")})
        text = fill(_CLAUSES[leaf.op], **{**parts, "subject": subject})
    else:
        text = fill(phrase, **parts)
    trailing = [parts[option.name] for option in field.options if not _mentions(leaf, phrase, option)]
    return Markup(" ").join([part for part in (text, *trailing) if part])


def _phrase(leaf: BoundLeaf) -> Any:
    if leaf.field.type is FieldType.BOOLEAN:
        return leaf.field.phrases[Op.IS if leaf.value else Op.IS_NOT]
    return leaf.field.phrases.get(leaf.op)


def _mentions(leaf: BoundLeaf, phrase: Any, option: Option) -> bool:
    return f"%({option.name})s" in str(phrase if phrase is not None else leaf.field.subject)


def _option(option: Option, leaf: BoundLeaf, labels: Labels) -> Markup:
    value = leaf.options.get(option.name)
    if value is None:
        return fill(option.default) if option.default else Markup("")
    if isinstance(value, Window):
        return _window(value)
    if isinstance(value, Span):
        return fill(gettext("within %(span)s"), span=strong(span_text(value)))
    names = _names(f"{leaf.field.name}.{option.name}", value, labels)
    return fill(option.phrase or "(%(value)s)", value=alternatives(names))


def _window(window: Window) -> Markup:
    if window.last is not None:
        return fill(gettext("in the last %(span)s"), span=strong(span_text(window.last)))
    if window.first is None:
        return fill(gettext("until %(day)s"), day=strong(day_text(window.until)))
    if window.until is None:
        return fill(gettext("since %(day)s"), day=strong(day_text(window.first)))
    return fill(
        gettext("from %(first)s to %(last)s"), first=strong(day_text(window.first)), last=strong(day_text(window.until))
    )


def _names(key: str, values: Sequence[str], labels: Labels) -> list[Any]:
    known = labels.get(key, {})
    return [known.get(value, gettext("(deleted)")) for value in values]


def alternatives(names: Sequence[Any], *, every: bool = False) -> Markup:
    """Values in bold as a list: "A, B or C" (with `every`: "and")."""
    bold = [strong(name) for name in names]
    if len(bold) == 1:
        return bold[0]
    last = gettext(" and %(clause)s") if every else gettext(" or %(clause)s")
    return Markup(", ").join(bold[:-1]) + fill(last, clause=bold[-1])


def value_text(leaf: BoundLeaf, labels: Labels) -> Markup:
    """The value of a condition as people read it, in bold."""
    value = leaf.value
    if value is None or isinstance(value, bool):
        return Markup("")
    if isinstance(value, NumberRange | MoneyRange | DateRange):
        low, high = (value.first, value.last) if isinstance(value, DateRange) else (value.low, value.high)
        return _between(scalar_text(low), scalar_text(high))
    if leaf.op is Op.IN_MONTH:
        months = get_month_names("wide", "stand-alone", _locale())
        return alternatives([months[month] for month in value])
    if leaf.field.type in _KEYED:
        names = _names(leaf.field.name, value if isinstance(value, tuple) else [value], labels)
        return alternatives(names, every=leaf.op is Op.ALL_OF)
    return alternatives(value) if isinstance(value, tuple) else strong(scalar_text(value))


def scalar_text(value: Any) -> str:
    """One typed value by the reader's locale: span, amount, day, number or text."""
    match value:
        case Span():
            return span_text(value)
        case Money():
            return money_text(value)
        case date():
            return day_text(value)
        case int() | float():
            return number_text(value)
        case _:
            return str(value)


_KEYED: Final = (FieldType.CHOICE, FieldType.MULTI, FieldType.CONTACT)


def _between(low: str, high: str) -> Markup:
    return fill(gettext("%(low)s and %(high)s"), low=strong(low), high=strong(high))


def number_text(value: float) -> str:
    """A number by the reader's locale."""
    return format_decimal(value, locale=_locale())


def money_text(value: Money) -> str:
    """An amount with its currency by the reader's locale."""
    major = Decimal(value.amount).scaleb(-get_currency_precision(value.currency))
    return format_currency(major, value.currency, locale=_locale())


def day_text(day: date | None) -> str:
    """A day by the reader's locale; nothing for None."""
    return "" if day is None else format_date(day, "long", locale=_locale())


def span_text(span: Span) -> str:
    """The span in words: 30 days, 1 month."""
    amount = span.amount
    match span.unit:
        case Unit.DAYS:
            return ngettext("%(num)s day", "%(num)s days", amount)
        case Unit.WEEKS:
            return ngettext("%(num)s week", "%(num)s weeks", amount)
        case Unit.MONTHS:
            return ngettext("%(num)s month", "%(num)s months", amount)
        case _:
            return ngettext("%(num)s year", "%(num)s years", amount)


def seen_text(leaf: BoundLeaf, seen: Any, labels: Labels, *, tz: str) -> str:
    """What a condition saw in somebody's facts, for people: "Siena", "3", "12 October 2026", or a dash for nothing."""
    values = list(seen) if isinstance(seen, Collection) and not isinstance(seen, str | YearDay) else [seen]
    words = [_seen_one(leaf, value, labels, tz) for value in values if value not in (None, "")]
    return ", ".join(words) if words else "–"


def _seen_one(leaf: BoundLeaf, value: Any, labels: Labels, tz: str) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, YearDay):
        return format_skeleton("MMMMd", datetime(2024, value.month, value.day, tzinfo=UTC), locale=_locale())
    if isinstance(value, datetime):
        return day_text(local_day(value, tz=tz))
    if leaf.field.type in _KEYED:
        return str(labels.get(leaf.field.name, {}).get(str(value), value))
    return scalar_text(value)

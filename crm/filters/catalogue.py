"""Owns the registry of fields that rules may name, and the binding of a written rule to it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, SQLColumnExpression
from sqlalchemy.orm import Session

from crm.filters.schema import All, AnyOf, Leaf, Not, Op, Path, Problem, Rule, RuleError
from crm.filters.values import (
    Choice,
    FieldType,
    Span,
    ValueProblemError,
    Window,
    parse_key,
    parse_list,
    parse_model,
    parse_value,
)
from crm.web.i18n import lazy as _

_NUMBER_OPS: Final = (Op.AT_LEAST, Op.MORE_THAN, Op.LESS_THAN, Op.AT_MOST, Op.IS, Op.IS_NOT, Op.BETWEEN)
_DATE_OPS: Final = (Op.IN_LAST, Op.NOT_IN_LAST, Op.IN_NEXT, Op.NOT_IN_NEXT, Op.ON, Op.BEFORE, Op.AFTER, Op.BETWEEN)
_KNOWN: Final = (Op.HAS_VALUE, Op.NO_VALUE)

#: The operators of each type, in the order in which a page offers them.
OPERATORS: Final[Mapping[FieldType, tuple[Op, ...]]] = MappingProxyType(
    {
        FieldType.TEXT: (
            Op.IS,
            Op.IS_NOT,
            Op.ANY_OF,
            Op.NONE_OF,
            Op.CONTAINS,
            Op.NOT_CONTAINS,
            Op.STARTS_WITH,
            *_KNOWN,
        ),
        FieldType.NUMBER: (*_NUMBER_OPS, *_KNOWN),
        FieldType.MONEY: (*_NUMBER_OPS, *_KNOWN),
        FieldType.DATE: (*_DATE_OPS, *_KNOWN),
        FieldType.DATETIME: (*_DATE_OPS, *_KNOWN),
        FieldType.CHOICE: (Op.ANY_OF, Op.NONE_OF, Op.IS, Op.IS_NOT, *_KNOWN),
        FieldType.MULTI: (Op.ANY_OF, Op.ALL_OF, Op.NONE_OF, *_KNOWN),
        FieldType.BOOLEAN: (Op.IS,),
        FieldType.COUNT: _NUMBER_OPS,
        FieldType.CONTACT: (Op.ANY_OF, Op.NONE_OF, *_KNOWN),
        FieldType.ANNIVERSARY: (Op.IN_NEXT, Op.NOT_IN_NEXT, Op.IN_MONTH, *_KNOWN),
    }
)

#: Each negative operator and the positive one it denies. "Is not" so includes people without a value, and
#: "not in the last 30 days" includes never; fields implement the positive ones only.
DENIES: Final[Mapping[Op, Op]] = MappingProxyType(
    {
        Op.IS_NOT: Op.IS,
        Op.NONE_OF: Op.ANY_OF,
        Op.NOT_CONTAINS: Op.CONTAINS,
        Op.NOT_IN_LAST: Op.IN_LAST,
        Op.NOT_IN_NEXT: Op.IN_NEXT,
        Op.NO_VALUE: Op.HAS_VALUE,
    }
)

#: Reads the choices of a workspace for a field whose choices are rows (tags, owners, segments).
ChoiceLoader: TypeAlias = Callable[[Session, UUID], Sequence[Choice]]


@dataclass(frozen=True)
class Option:
    """A further question of a field ("within 45 days", "of which offer"), a key of its value object.

    `kind` is `choice` (a list of keys, or one key unless `many`), `span` (a `Span`) or `window` (a `Window`). `choices`
    as in `Field`. Without `required` it may be left out: any choice, at any time. `phrase` is its part of the sentence
    ("by %(value)s"), `default` what the sentence says when it is left out.
    """

    name: str
    kind: str
    label: Any
    choices: tuple[Choice, ...] | ChoiceLoader = ()
    required: bool = False
    many: bool = True
    phrase: Any = ""
    default: Any = ""

    def parse(self, raw: Any) -> Any:
        """The typed value: tuple of keys (of one unless `many`), `Span`, `Window`, or None when nothing was asked."""
        if raw is None or raw in ([], {}):
            if self.required:
                raise ValueProblemError("missing", _("Choose a value."))
            return None
        if self.kind == "span":
            return parse_model(Span, raw)
        if self.kind == "window":
            window = parse_model(Window, raw)
            return window if window != Window() else None
        fixed = _by_key(self.choices)
        if not self.many:
            return (parse_key(raw, choices=fixed),)
        return parse_list(raw, lambda item: parse_key(item, choices=fixed))


@dataclass(frozen=True)
class RuleContext:
    """The moment and place a rule is asked in.

    `now` is an aware instant, `tz` the workspace's IANA zone. `nested` gives the condition "is in that segment" for a
    segment's id; without it no rule may speak of segments.
    """

    workspace_id: UUID
    now: datetime
    tz: str
    nested: Callable[[UUID], ColumnElement[bool]] | None = None


@dataclass(frozen=True)
class Subject:
    """What rules select: a table, its id and workspace columns and what a row must fulfil to exist for people."""

    table: FromClause
    id: SQLColumnExpression[UUID]
    workspace: SQLColumnExpression[UUID]
    alive: tuple[ColumnElement[bool], ...] = ()


@dataclass(frozen=True)
class Ask:
    """One question to a field, positive: operator, typed value, typed options, and where it is asked."""

    field: "Field"
    op: Op
    value: Any
    options: Mapping[str, Any]
    context: RuleContext
    subject: Subject


@dataclass(frozen=True)
class Field:
    """One thing that can be asked about a person.

    - `name`: the key in rules, for ever; `label`: what people read ("Region"); `group`: the heading it stands under.
    - `subject`: how a sentence begins to speak of it ("whose region"); `phrases`: whole clauses for single operators,
      with `%(value)s` and the options by name, where "whose region is ..." would sound wrong.
    - `compile`: the SQL condition for an `Ask` (positive operators only), correlated on the subject's id.
    - `read`: what an `Ask` sees in plain facts: a value, a collection of values, or None.
    - `choices`: fixed choices, or a loader of rows whose ids are the values. `whole`: only integers make sense.
    - `operators`: where fewer than the type's own make sense.
    - `is_offered`: False for what saved rules may go on naming and new ones are not to begin with.
    """

    name: str
    type: FieldType
    label: Any
    group: Any
    subject: Any
    compile: Callable[[Ask], ColumnElement[bool]]
    read: Callable[[Mapping[str, Any], Ask], Any]
    choices: tuple[Choice, ...] | ChoiceLoader = ()
    options: tuple[Option, ...] = ()
    operators: tuple[Op, ...] = ()
    phrases: Mapping[Op, Any] = field(default_factory=dict)
    whole: bool = False
    icon: str = "filter"
    is_offered: bool = True

    def __post_init__(self) -> None:
        if not self.operators:
            object.__setattr__(self, "operators", OPERATORS[self.type])


@dataclass(frozen=True)
class BoundLeaf:
    """A condition whose names and values are known good. `op`/`value` as written, `asks`/`wants` positive."""

    path: Path
    field: Field
    op: Op
    value: Any
    options: Mapping[str, Any]

    @property
    def denied(self) -> bool:
        """True when the condition is the denial of `asks`: a negative operator, or "is no"."""
        return self.op in DENIES or (self.field.type is FieldType.BOOLEAN and self.value is False)

    def ask(self, context: RuleContext, subject: Subject) -> Ask:
        """The positive question behind the condition."""
        value = True if self.field.type is FieldType.BOOLEAN else self.value
        return Ask(self.field, DENIES.get(self.op, self.op), value, self.options, context, subject)


@dataclass(frozen=True)
class BoundGroup:
    """A group: `every` child must hold, or any; `denied` turns the result round."""

    path: Path
    every: bool
    children: tuple["BoundGroup | BoundLeaf", ...]
    denied: bool = False


Bound: TypeAlias = BoundGroup | BoundLeaf

#: Reads plain facts for a set of contacts, keyed by contact id; the plain evaluator and "why" run on them.
FactLoader: TypeAlias = Callable[[Session, RuleContext, Sequence[UUID]], Mapping[UUID, Mapping[str, Any]]]


@dataclass(frozen=True)
class Catalogue:
    """All fields by name, the subject they describe, and the loaders of their facts."""

    subject: Subject
    fields: Mapping[str, Field]
    loaders: tuple[FactLoader, ...] = ()

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields.values())

    def extended(self, fields: Iterable[Field], *loaders: FactLoader) -> "Catalogue":
        """The catalogue with more fields; raises `ValueError` when a name is taken."""
        merged = dict(self.fields)
        for item in fields:
            if item.name in merged:
                raise ValueError(f"two fields are called {item.name}")
            merged[item.name] = item
        return replace(self, fields=MappingProxyType(merged), loaders=(*self.loaders, *loaders))

    def facts(self, session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        """Plain facts about those contacts, merged over all domains."""
        facts: dict[UUID, dict[str, Any]] = {contact_id: {} for contact_id in contact_ids}
        for load in self.loaders:
            for contact_id, found in load(session, context, contact_ids).items():
                facts[contact_id].update(found)
        return facts


def join(subject: Subject, *domains: tuple[Iterable[Field], FactLoader]) -> Catalogue:
    """One catalogue from the fields and fact loaders of several domains."""
    catalogue = Catalogue(subject, MappingProxyType({}))
    for fields, loader in domains:
        catalogue = catalogue.extended(fields, loader)
    return catalogue


def bind(rule: Rule, catalogue: Catalogue) -> Bound:
    """The rule with every name looked up and every value typed; raises `RuleError` with all mistakes at once."""
    problems: list[Problem] = []
    bound = _bind(rule.where, (), catalogue, problems)
    if problems or bound is None:
        raise RuleError(problems)
    return bound


def _bind(node: All | AnyOf | Not | Leaf, path: Path, catalogue: Catalogue, problems: list[Problem]) -> Bound | None:
    if isinstance(node, Leaf):
        return _bind_leaf(node, path, catalogue, problems)
    if isinstance(node, Not):
        child = _bind(node.child, (*path, "not"), catalogue, problems)
        return None if child is None else BoundGroup(path, every=True, children=(child,), denied=True)
    key, nodes = ("all", node.all) if isinstance(node, All) else ("any", node.any)
    children = [_bind(child, (*path, key, index), catalogue, problems) for index, child in enumerate(nodes)]
    return BoundGroup(path, every=key == "all", children=tuple(child for child in children if child is not None))


def _bind_leaf(leaf: Leaf, path: Path, catalogue: Catalogue, problems: list[Problem]) -> BoundLeaf | None:
    found = catalogue.fields.get(leaf.field)
    if found is None:
        message = _("There is no field called “%(name)s”.", name=leaf.field)
        problems.append(Problem((*path, "field"), "unknown_field", str(message)))
        return None
    if leaf.op not in found.operators:
        message = _("“%(field)s” can't be compared in this way.", field=found.label)
        problems.append(Problem((*path, "op"), "unknown_operator", str(message)))
        return None
    raw, options, before = leaf.value, {}, len(problems)
    at: Path = (*path, "value")
    if found.options:
        given: Any = {} if leaf.value is None and leaf.op in _KNOWN else leaf.value
        if not isinstance(given, dict):
            message = _("Give an object with “value” and the options of this field.")
            problems.append(Problem(at, "wrong_type", str(message)))
            return None
        raw, options = given.get("value"), _bind_options(found, given, at, problems)
        at = (*at, "value")
    value = None
    try:
        value = parse_value(found.type, leaf.op, raw, whole=found.whole, choices=_by_key(found.choices))
    except ValueProblemError as error:
        inner = error.problem
        problems.append(Problem((*at, *inner.path), inner.code, inner.message))
    return BoundLeaf(path, found, leaf.op, value, MappingProxyType(options)) if len(problems) == before else None


def _bind_options(found: Field, given: dict[str, Any], at: Path, problems: list[Problem]) -> dict[str, Any]:
    """The typed options of a field whose value is an object."""
    known = {"value", *(option.name for option in found.options)}
    problems.extend(
        Problem((*at, key), "unknown_key", str(_("There is no value with this name here.")))
        for key in given
        if key not in known
    )
    options: dict[str, Any] = {}
    for option in found.options:
        try:
            options[option.name] = option.parse(given.get(option.name))
        except ValueProblemError as error:
            inner = error.problem
            problems.append(Problem((*at, option.name, *inner.path), inner.code, inner.message))
    return options


def _by_key(choices: tuple[Choice, ...] | ChoiceLoader) -> Mapping[str, Choice] | None:
    """Fixed choices by value; None for rows, whose values are ids."""
    return {choice.value: choice for choice in choices} if isinstance(choices, tuple) and choices else None


def bound_leaves(bound: Bound) -> Iterator[BoundLeaf]:
    """All conditions of a bound rule, in reading order."""
    if isinstance(bound, BoundLeaf):
        yield bound
    else:
        for child in bound.children:
            yield from bound_leaves(child)


#: The labels of choices by field (or `field.option`) and value, for sentences and inputs.
Labels: TypeAlias = Mapping[str, Mapping[str, Any]]


def load_choices(session: Session, workspace_id: UUID, fields: Iterable[Field]) -> dict[str, tuple[Choice, ...]]:
    """The choices of those fields and of their options, by `field` and `field.option`; loaders run once each."""
    loaded: dict[Any, tuple[Choice, ...]] = {}

    def of(choices: tuple[Choice, ...] | ChoiceLoader) -> tuple[Choice, ...]:
        if isinstance(choices, tuple):
            return choices
        if choices not in loaded:
            loaded[choices] = tuple(choices(session, workspace_id))
        return loaded[choices]

    found: dict[str, tuple[Choice, ...]] = {}
    for item in fields:
        found[item.name] = of(item.choices)
        for option in item.options:
            found[f"{item.name}.{option.name}"] = of(option.choices)
    return found


def labels(choices: Mapping[str, Sequence[Choice]]) -> Labels:
    """Choices as label by value."""
    return {name: {choice.value: choice.label for choice in listed} for name, listed in choices.items()}

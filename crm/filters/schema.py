"""Owns the written form of a rule: a versioned tree of groups, negations and conditions, and what is wrong with one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, TypeAdapter, ValidationError
from pydantic import WithJsonSchema as _WithJsonSchema

from crm.errors import InvalidInputError
from crm.web.i18n import lazy as _

VERSION: Final = 1
MAX_DEPTH: Final = 8
MAX_NODES: Final = 200

Path: TypeAlias = tuple[str | int, ...]


class Op(StrEnum):
    """What a condition asks of a field; which type knows which stands in `catalogue.OPERATORS`."""

    IS = "is"
    IS_NOT = "is_not"
    ANY_OF = "any_of"
    ALL_OF = "all_of"
    NONE_OF = "none_of"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    MORE_THAN = "more_than"
    AT_LEAST = "at_least"
    LESS_THAN = "less_than"
    AT_MOST = "at_most"
    BETWEEN = "between"
    ON = "on"
    BEFORE = "before"
    AFTER = "after"
    IN_LAST = "in_last"
    NOT_IN_LAST = "not_in_last"
    IN_NEXT = "in_next"
    NOT_IN_NEXT = "not_in_next"
    IN_MONTH = "in_month"
    HAS_VALUE = "has_value"
    NO_VALUE = "no_value"


@dataclass(frozen=True)
class Problem:
    """One mistake in a rule: where (`("all", 0, "value")`), a machine code and a sentence."""

    path: Path
    code: str
    message: str

    @property
    def at(self) -> str:
        """The path as dotted text, the name under which a page or the API reports it."""
        return ".".join(str(step) for step in self.path)


class RuleError(InvalidInputError):
    """The rule can't be used; `problems` says where and why, `fields` the same by dotted path."""

    code = "invalid_rule"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(
            str(_("The rule has a mistake.")), fields={problem.at: problem.message for problem in self.problems}
        )


class Leaf(BaseModel):
    """One condition: a field of the catalogue, an operator and the value it is held against."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    field: Annotated[str, Field(min_length=1, max_length=100)]
    op: Op
    value: JsonValue = None


class All(BaseModel):
    """Every child holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    all: list["Node"]


class AnyOf(BaseModel):
    """At least one child holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    any: Annotated[list["Node"], Field(min_length=1)]


class Not(BaseModel):
    """The child does not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    child: Annotated["Node", Field(alias="not")]


def _which(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return {All: "<all>", AnyOf: "<any>", Not: "<not>", Leaf: "<leaf>"}.get(type(value))
    if not isinstance(value, dict):
        return None
    return next((f"<{key}>" for key in ("all", "any", "not") if key in value), "<leaf>")


Node = Annotated[
    Annotated[All, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")]
    | Annotated[Leaf, Tag("<leaf>")],
    Discriminator(_which),
]
for _model in (All, AnyOf, Not):
    _model.model_rebuild()
_NODE: Final[TypeAdapter[All | AnyOf | Not | Leaf]] = TypeAdapter(Node)

#: The type of a rule in an input model of the API: plain JSON here, taken apart by `parse`.
RuleDocument = Annotated[
    dict[str, Any],
    _WithJsonSchema(
        {
            "type": "object",
            "title": "Rule",
            "description": (
                'A tree of {"all": [...]}, {"any": [...]}, {"not": {...}} and {"field": ..., "op": ..., "value": ...}, '
                f'at most {MAX_DEPTH} levels and {MAX_NODES} nodes; "version" ({VERSION}) may stand at the top. '
                "Fields, their operators and choices: GET /api/v1/segments/fields."
            ),
            "examples": [{"all": [{"field": "lifecycle", "op": "any_of", "value": ["customer", "partner"]}]}],
        }
    ),
]


@dataclass(frozen=True)
class Rule:
    """A rule whose form is right; names and values are checked against a catalogue by `catalogue.bind`."""

    where: All | AnyOf | Not | Leaf
    version: Literal[1] = 1

    def dump(self) -> dict[str, Any]:
        """The rule as JSON with its version, for storing; `parse` reads it back to an equal rule."""
        return {"version": self.version, **self.where.model_dump(mode="json", by_alias=True)}


#: The rule of a list without filters.
EVERYBODY: Final = Rule(where=All(all=[]))


def parse(data: Any) -> Rule:
    """The rule written in `data` (decoded JSON, with or without `version`); raises `RuleError` with every mistake."""
    if not isinstance(data, dict):
        raise RuleError([Problem((), "not_an_object", str(_("A rule is a group or a condition.")))])
    tree = {key: value for key, value in data.items() if key != "version"}
    version = data.get("version", VERSION)
    if type(version) is not int or version != VERSION:
        raise RuleError([Problem(("version",), "unknown_version", str(_("This version of rules is not known.")))])
    _refuse_too_large(tree)
    try:
        where = _NODE.validate_python(tree)
    except ValidationError as error:
        raise RuleError(_problem(found) for found in error.errors(include_url=False)) from error
    if empty := list(_empty_groups(where)):
        raise RuleError(empty)
    return Rule(where=where)


def _refuse_too_large(tree: dict[str, Any]) -> None:
    """Refuse what is too deep or too large before anything walks it by recursion."""
    waiting: list[tuple[Any, int, Path]] = [(tree, 1, ())]
    nodes = 0
    while waiting:
        node, depth, path = waiting.pop()
        nodes += 1
        if depth > MAX_DEPTH:
            message = _("Groups can be %(depth)s levels deep at most.", depth=MAX_DEPTH)
            raise RuleError([Problem(path, "too_deep", str(message))])
        if nodes > MAX_NODES:
            message = _("A rule can have %(nodes)s conditions and groups at most.", nodes=MAX_NODES)
            raise RuleError([Problem((), "too_many_nodes", str(message))])
        if not isinstance(node, dict):
            continue
        for key in ("all", "any"):
            if isinstance(node.get(key), list):
                waiting.extend((child, depth + 1, (*path, key, index)) for index, child in enumerate(node[key]))
        if isinstance(node.get("not"), dict):
            waiting.append((node["not"], depth + 1, (*path, "not")))


def _empty_groups(node: Any, path: Path = ()) -> Iterable[Problem]:
    """An empty group means "everybody" at the very top; further down it is an oversight."""
    if isinstance(node, All):
        if not node.all and path:
            yield Problem(path, "empty_group", str(_("This group is empty: add a condition or remove it.")))
        for index, child in enumerate(node.all):
            yield from _empty_groups(child, (*path, "all", index))
    elif isinstance(node, AnyOf):
        for index, child in enumerate(node.any):
            yield from _empty_groups(child, (*path, "any", index))
    elif isinstance(node, Not):
        yield from _empty_groups(node.child, (*path, "not"))


def _problem(found: Any) -> Problem:
    path: Path = tuple(step for step in found["loc"] if not (isinstance(step, str) and step.startswith("<")))
    code = found["type"]
    if code == "too_short":
        return Problem(path[:-1], "empty_group", str(_("This group is empty: add a condition or remove it.")))
    if code == "extra_forbidden":
        return Problem(path, "unknown_key", str(_("A rule knows no key with this name.")))
    if code == "missing":
        return Problem(path, "missing", str(_("This is missing.")))
    if path[-1:] == ("op",):
        return Problem(path, "unknown_operator", str(_("This comparison is not known.")))
    if code == "union_tag_not_found":
        return Problem(path, "not_an_object", str(_("A rule is a group or a condition.")))
    return Problem(path, "wrong_type", str(_("This has the wrong form.")))


def leaves(node: All | AnyOf | Not | Leaf) -> Sequence[Leaf]:
    """All conditions of a tree, in reading order."""
    if isinstance(node, Leaf):
        return [node]
    children = node.all if isinstance(node, All) else node.any if isinstance(node, AnyOf) else [node.child]
    return [leaf for child in children for leaf in leaves(child)]

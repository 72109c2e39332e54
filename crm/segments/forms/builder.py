"""Owns the rule builder as a form: a tree of groups and conditions that lives in the names of its inputs.

Each node has an id (`n` for the outermost group, `n-0-1` for the second child of its first child) and inputs named
`n-0-1.field`, `n-0-1.op`, `n-0-1.v.value`. So the builder keeps nothing on the server, and adding or removing a
condition works by a plain post as well as by htmx.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from crm.filters.catalogue import Catalogue, Field, bind
from crm.filters.schema import EVERYBODY, All, AnyOf, Leaf, Not, Op, Path, Problem, Rule, RuleError, parse
from crm.filters.values import FieldType
from crm.segments.forms.inputs import inputs_of, read_value
from crm.web.i18n import lazy

ROOT: Final = "n"
_UNFINISHED: Final = ("missing", "unknown_field", "empty_group")
#: What one builder may hold; the limits of the language are lower, this one only bounds the work of reading a form.
MAX_POSTED: Final = 400
_BROKEN: Final = lazy("The rule did not arrive whole. Look at it again.")
#: The inputs of a node: `n-0.mode`, `n-0-1.v.value`.
_INPUT: Final = re.compile(r"(n(?:-[^.]*)?)\.(?:mode|field|op|v\.)")


class Mode(StrEnum):
    """How a group holds its conditions together."""

    ALL = "all"
    ANY = "any"
    NONE = "none"
    NOT_ALL = "not_all"


@dataclass
class LeafNode:
    """A condition being edited: the chosen field and operator, and the raw inputs by part."""

    id: str = ""
    name: str = ""
    op: str = ""
    inputs: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    field: Field | None = None
    focus: str = ""

    def one(self, part: str) -> str:
        """The value of a single input."""
        return next(iter(self.inputs.get(part, [])), "")

    def many(self, part: str) -> list[str]:
        """The values of a multiple choice."""
        return self.inputs.get(part, [])


@dataclass
class GroupNode:
    """A group being edited."""

    id: str = ""
    mode: str = Mode.ALL
    children: list["GroupNode | LeafNode"] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    focus: str = ""


Node = GroupNode | LeafNode


class Builder:
    """The rule being edited."""

    def __init__(self, root: GroupNode, catalogue: Catalogue, *, is_broken: bool = False) -> None:
        self.root, self.catalogue = root, catalogue
        #: Parts of what was sent fit nowhere: good for going on editing, never for saving.
        self.is_broken = is_broken
        self._settle()

    @classmethod
    def of(cls, rule: Rule, catalogue: Catalogue) -> "Builder":
        """The builder showing a saved rule."""
        root = _node(rule.where, catalogue)
        return cls(root if isinstance(root, GroupNode) else GroupNode(children=[root]), catalogue)

    @classmethod
    def posted(cls, form: MultiDict[str, str], catalogue: Catalogue) -> "Builder":
        """The builder as it was sent; parts that fit nowhere are left out, and then `is_broken` is set."""
        nodes: dict[str, Node] = {}
        listed = form.getlist("node")
        lost = len(set(listed)) < len(listed) or len(listed) > MAX_POSTED
        for node_id in listed[:MAX_POSTED]:
            if f"{node_id}.mode" in form:
                nodes[node_id] = GroupNode(mode=form[f"{node_id}.mode"])
            else:
                nodes[node_id] = _posted_leaf(form, node_id)
            parent = nodes.get(node_id.rpartition("-")[0])
            if isinstance(parent, GroupNode):
                parent.children.append(nodes[node_id])
            else:
                lost = lost or node_id != ROOT
        root = nodes.get(ROOT)
        is_broken = lost or not isinstance(root, GroupNode) or _has_strangers(form, nodes) or _has_odd_words(nodes)
        return cls(root if isinstance(root, GroupNode) else GroupNode(), catalogue, is_broken=is_broken)

    def _settle(self) -> None:
        """Number the nodes anew, look up their fields, and give operators and modes that exist."""
        for node, node_id in _numbered(self.root, ROOT):
            node.id = node_id
            if isinstance(node, GroupNode):
                node.mode = node.mode if node.mode in set(Mode) else Mode.ALL
                continue
            node.field = self.catalogue.fields.get(node.name)
            if node.field is not None and node.op not in node.field.operators:
                node.op = node.field.operators[0].value

    def apply(self, action: str) -> None:
        """Do what a button asked: `condition:n`, `group:n`, `remove:n-0`, `copy:n-0`, `field:n-0`, `op:n-0`, `mode:n`.

        What names no node of this builder changes nothing.
        """
        verb, _, node_id = action.partition(":")
        node = next((node for node, _ in _numbered(self.root, ROOT) if node.id == node_id), None)
        handle: Callable[[Node], None] | None = {
            "condition": self._add_condition,
            "group": self._add_group,
            "remove": self._remove,
            "copy": self._copy,
            "field": self._field_chosen,
            "op": self._operator_chosen,
        }.get(verb)
        if node is not None and handle is not None:
            handle(node)
            self._settle()

    def _add_condition(self, node: Node) -> None:
        if isinstance(node, GroupNode):
            node.children.append(LeafNode(focus="field"))

    def _add_group(self, node: Node) -> None:
        if isinstance(node, GroupNode):
            mode = Mode.ANY if node.mode == Mode.ALL else Mode.ALL
            node.children.append(GroupNode(mode=mode, children=[LeafNode(focus="field")]))

    def _parent(self, child: Node) -> GroupNode | None:
        for node, _ in _numbered(self.root, ROOT):
            if isinstance(node, GroupNode) and any(item is child for item in node.children):
                return node
        return None

    def _remove(self, node: Node) -> None:
        parent = self._parent(node)
        if parent is None:
            return
        place = next(index for index, item in enumerate(parent.children) if item is node)
        del parent.children[place]
        # The keyboard stays where the removed condition was.
        after = parent.children[min(place, len(parent.children) - 1)] if parent.children else parent
        after.focus = "field" if isinstance(after, LeafNode) else "add"

    def _copy(self, node: Node) -> None:
        parent = self._parent(node)
        if parent is not None and isinstance(node, LeafNode):
            place = next(index for index, item in enumerate(parent.children) if item is node)
            inputs = {part: list(values) for part, values in node.inputs.items()}
            parent.children.insert(place + 1, LeafNode(name=node.name, op=node.op, inputs=inputs, focus="field"))

    def _field_chosen(self, node: Node) -> None:
        if isinstance(node, LeafNode):
            node.op, node.inputs, node.focus = "", {}, "op"

    def _operator_chosen(self, node: Node) -> None:
        """Inputs that the new operator has too keep what was typed."""
        if isinstance(node, LeafNode):
            node.focus = "op"

    def document(self, *, without: Sequence[str] = ()) -> tuple[dict[str, Any], dict[Path, Node]]:
        """The rule as JSON, and which node stands at which path; nodes named in `without` are left out."""
        places: dict[Path, Node] = {}
        return _document(self.root, (), places, set(without)) or {"all": []}, places

    def rule(self) -> Rule:
        """The rule; raises `RuleError`, with the mistakes marked beside their inputs.

        What was sent in part or garbled is refused as a whole: what is left of it could mean everybody.
        """
        data, places = self.document()
        if self.is_broken:
            self.mark([Problem((), "broken_form", str(_BROKEN))], places)
            raise RuleError([Problem((), "broken_form", str(_BROKEN))])
        try:
            rule = parse(data)
            bind(rule, self.catalogue)
        except RuleError as error:
            self.mark(error.problems, places)
            raise
        return rule

    def usable_rule(self) -> tuple[Rule, int]:
        """The rule without the conditions that are not complete yet, and how many those are.

        What is merely empty is left alone, what is wrong is marked beside its input.
        """
        left_out = [node.id for node in self if isinstance(node, LeafNode) and node.field is None]
        for _attempt in range(MAX_POSTED):
            data, places = self.document(without=left_out)
            try:
                rule = parse(data)
                bind(rule, self.catalogue)
            except RuleError as error:
                self.mark([problem for problem in error.problems if problem.code not in _UNFINISHED], places)
                wrong = {node.id for problem in error.problems if (node := _at(problem.path, places)[0])}
                wrong -= {ROOT, *left_out}
                if not wrong:
                    return EVERYBODY, len(left_out)
                left_out.extend(wrong)
            else:
                return rule, len(left_out)
        return EVERYBODY, len(left_out)

    def mark(self, problems: Sequence[Problem], places: Mapping[Path, Node] | None = None) -> None:
        """Put each message beside the input it is about."""
        found = self.document()[1] if places is None else places
        for problem in problems:
            node, rest = _at(problem.path, found)
            (node or self.root).errors.setdefault(_part(rest), problem.message)

    def fields(self) -> list[Field]:
        """The fields that are asked about, each once."""
        return list(
            {node.field.name: node.field for node in self if isinstance(node, LeafNode) and node.field}.values()
        )

    def people(self) -> list[str]:
        """The values of conditions about other contacts."""
        asked = [node for node in self if isinstance(node, LeafNode) and node.field]
        return [
            value
            for node in asked
            if node.field and node.field.type is FieldType.CONTACT
            for value in node.many("value")
        ]

    def __iter__(self) -> Iterator[Node]:
        return (node for node, _ in _numbered(self.root, ROOT))


def _posted_leaf(form: MultiDict[str, str], node_id: str) -> LeafNode:
    prefix = f"{node_id}.v."
    inputs = {key.removeprefix(prefix): form.getlist(key) for key in form if key.startswith(prefix)}
    return LeafNode(name=form.get(f"{node_id}.field", ""), op=form.get(f"{node_id}.op", ""), inputs=inputs)


def _has_strangers(form: MultiDict[str, str], nodes: Mapping[str, Node]) -> bool:
    """Whether there are inputs of nodes that were not listed."""
    return any(found[1] not in nodes for key in form if (found := _INPUT.match(key)))


def _has_odd_words(nodes: Mapping[str, Node]) -> bool:
    """Whether a group has a mode, or a condition an operator, that no page offers."""
    modes, operators = {mode.value for mode in Mode}, {"", *(op.value for op in Op)}
    return any(
        node.mode not in modes if isinstance(node, GroupNode) else node.op not in operators for node in nodes.values()
    )


def _numbered(node: Node, node_id: str) -> Iterator[tuple[Node, str]]:
    yield node, node_id
    if isinstance(node, GroupNode):
        for index, child in enumerate(node.children):
            yield from _numbered(child, f"{node_id}-{index}")


def _node(where: All | AnyOf | Not | Leaf, catalogue: Catalogue) -> Node:
    if isinstance(where, Leaf):
        known = catalogue.fields.get(where.field)
        inputs = inputs_of(known, where.op, where.value) if known else {}
        return LeafNode(name=where.field, op=where.op.value, inputs=inputs)
    if isinstance(where, All | AnyOf):
        mode, nodes = (Mode.ALL, where.all) if isinstance(where, All) else (Mode.ANY, where.any)
        return GroupNode(mode=mode, children=[_node(child, catalogue) for child in nodes])
    inner = _node(where.child, catalogue)
    opposite = {Mode.ANY: Mode.NONE, Mode.ALL: Mode.NOT_ALL, Mode.NONE: Mode.ANY, Mode.NOT_ALL: Mode.ALL}
    if isinstance(inner, GroupNode):
        inner.mode = opposite[Mode(inner.mode)]
        return inner
    return GroupNode(mode=Mode.NONE, children=[inner])


def _document(node: Node, path: Path, places: dict[Path, Node], without: set[str]) -> dict[str, Any] | None:
    if node.id in without:
        return None
    places[path] = node
    if isinstance(node, LeafNode):
        return _leaf_document(node)
    denied, key = node.mode in (Mode.NONE, Mode.NOT_ALL), "all" if node.mode in (Mode.ALL, Mode.NOT_ALL) else "any"
    inside: Path = (*path, "not", key) if denied else (*path, key)
    if not node.children and not path:
        return {"all": []}
    children: list[dict[str, Any]] = []
    for child in node.children:
        written = _document(child, (*inside, len(children)), places, without)
        if written is not None:
            children.append(written)
    if without and not children:
        return None
    return {"not": {key: children}} if denied else {key: children}


def _leaf_document(node: LeafNode) -> dict[str, Any]:
    if node.field is None:
        return {"field": node.name or "-", "op": Op.IS.value, "value": None}
    value = read_value(node.field, Op(node.op), node.inputs)
    return {"field": node.name, "op": node.op, "value": value}


def _at(path: Path, places: Mapping[Path, Node]) -> tuple[Node | None, Path]:
    """The innermost node on the path, and what of the path lies inside it."""
    for length in range(len(path), -1, -1):
        node = places.get(path[:length])
        if node is not None:
            return node, path[length:]
    return None, path


def _part(rest: Path) -> str:
    """Which control of a condition a problem is about: the field, the value, or one of the options by name."""
    steps = [step for step in rest if isinstance(step, str)]
    if not steps or steps[0] != "value":
        return steps[0] if steps else ""
    named = [step for step in steps[1:] if step not in ("value", "from", "to", "amount", "unit", "currency")]
    return named[0] if named else "value"

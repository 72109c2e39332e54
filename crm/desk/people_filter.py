"""The filter of the list of people: a rule of the rule language that lives in the address, shown as chips."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.contacts.fields import SUBJECT
from crm.errors import AppError, InvalidInputError
from crm.filters.catalogue import Bound, BoundGroup, Catalogue, Labels, labels
from crm.filters.compiler import condition
from crm.filters.registry import catalogue_of
from crm.filters.schema import EVERYBODY, All, Problem, Rule, RuleError, parse
from crm.filters.sentence import OPERATOR_LABELS, clause, value_text
from crm.filters.values import FieldType
from crm.segments import queries as segments
from crm.segments import services
from crm.segments.forms import Builder, GroupNode, LeafNode, Mode
from crm.segments.views import state
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("people_filter", __name__)

#: An address is a line; a rule that does not fit into it belongs into a segment.
LONGEST: Final = 6000
#: What of an address stays when the filter changes.
KEPT: Final = ("sort", "owner", "tag", "lifecycle", "importance", "quiet", "segment")


@dataclass(frozen=True, slots=True)
class Chip:
    """One condition of the rule: field, operator and value, or a whole clause; `remove` is the rule without it."""

    field: str
    op: str
    value: str
    clause: Markup
    remove: str


@dataclass(frozen=True, slots=True)
class Filter:
    """The rule of an address as a condition on contacts and as chips."""

    conditions: tuple[ColumnElement[bool], ...]
    chips: tuple[Chip, ...]


NOTHING: Final = Filter((), ())


def written(rule: Rule) -> str:
    """A rule as an address holds it, '' for everybody."""
    if rule == EVERYBODY:
        return ""
    document = {key: value for key, value in rule.dump().items() if key != "version"}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def read(text: str) -> Rule:
    """The rule that an address holds; raises `RuleError`."""
    if not text:
        return EVERYBODY
    try:
        document = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        document = None
    if document is None:
        sentence = lazy("The filter in this address can’t be read.")
        raise RuleError([Problem((), "not_json", str(sentence))])
    return parse(document)


def filter_of(session: Session, actor: Actor, *, text: str) -> Filter:
    """The filter that an address holds; raises `RuleError`, also for a choice that is gone."""
    rule = read(text)
    if rule == EVERYBODY:
        return NOTHING
    bound = segments.bound_rule(session, rule, workspace_id=actor.workspace_id)
    choices = segments.choices_in(session, actor, bound)
    segments.check_choices(bound, choices)
    context = segments.context_of(session, actor, now=request_now())
    return Filter((condition(bound, context, SUBJECT),), _chips(rule, bound, labels(choices)))


def _chips(rule: Rule, bound: Bound, names: Labels) -> tuple[Chip, ...]:
    """A chip for each condition where all of them must hold, else one for the whole rule."""
    if not (isinstance(rule.where, All) and isinstance(bound, BoundGroup) and bound.every and not bound.denied):
        return (_chip(bound, names, remove=""),)
    children = rule.where.all
    return tuple(
        _chip(child, names, remove=written(Rule(where=All(all=[*children[:index], *children[index + 1 :]]))))
        for index, child in enumerate(bound.children)
    )


def _chip(bound: Bound, names: Labels, *, remove: str) -> Chip:
    if isinstance(bound, BoundGroup) or bound.field.options or bound.field.type is FieldType.BOOLEAN:
        return Chip("", "", "", clause(bound, names), remove)
    value = value_text(bound, names).striptags()
    return Chip(str(bound.field.label), str(OPERATOR_LABELS[bound.op]), value, Markup(""), remove)


@blueprint.get("/contacts/filter")
@requires(Permission.VIEW_OWN)
def edit() -> ResponseReturnValue:
    """The filter as a form; `?add=` begins a condition about that field."""
    problem = ""
    try:
        rule = read(request.args.get("rule", ""))
    except RuleError as error:
        rule, problem = EVERYBODY, str(error.problems[0].message)
    builder = Builder.of(rule, _catalogue())
    added = request.args.get("add", "")
    if added in builder.catalogue.fields or not builder.root.children:
        builder = _with_leaf(builder, added)
    return _page(builder, problem=problem)


@blueprint.post("/contacts/filter")
@requires(Permission.VIEW_OWN)
def change() -> ResponseReturnValue:
    """Show the people of the rule, or keep the rule as a segment; without script also how the form changes."""
    builder = Builder.posted(request.form, _catalogue())
    if "do" in request.form:
        builder.apply(request.form["do"])
        return _page(builder)
    if "save" in request.form:
        current_actor().require(Permission.EDIT)
    try:
        rule = builder.rule()
        if "save" in request.form:
            return _save(rule)
        text = written(rule)
        if len(text) > LONGEST:
            raise InvalidInputError(str(_("This is too much for an address: save it as a segment.")))
    except RuleError as error:
        builder.mark(error.problems)
        return _page(builder, problem=_("A condition is not complete.")), HTTPStatus.UNPROCESSABLE_ENTITY
    except AppError as error:
        problem = next(iter(error.fields.values()), error.message)
        return _page(builder, problem=str(problem)), HTTPStatus.UNPROCESSABLE_ENTITY
    return redirect(url_for("people.index", rule=text or None, **_kept()), code=303)


def _save(rule: Rule) -> ResponseReturnValue:
    row = services.create(
        current_session(), current_actor(), name=request.form.get("name", ""), rule=rule, now=request_now()
    )
    flash(_("The segment is saved."), "ok")
    return redirect(url_for("people.index", segment=row.id), code=303)


def _with_leaf(builder: Builder, name: str) -> Builder:
    """The builder with one more condition that must hold too."""
    root, field = builder.root, builder.catalogue.fields.get(name)
    leaf = LeafNode(name=name, focus="op" if field is not None and len(field.operators) > 1 else "field")
    if root.mode != Mode.ALL:
        root = GroupNode(children=[root])
    root.children.append(leaf)
    return Builder(root, builder.catalogue)


def _catalogue() -> Catalogue:
    return catalogue_of(current_session(), current_actor().workspace_id)


def _kept() -> dict[str, Any]:
    return {key: value for key in KEPT if (value := request.values.get(key))}


def _page(builder: Builder, *, problem: str = "") -> str:
    shown = state(builder, None)
    template = "desk/_people_filter.html" if "HX-Request" in request.headers else "desk/people_filter.html"
    name = request.form.get("name", "")
    return render_template(template, problem=problem, name=name, kept=_kept(), **shown)

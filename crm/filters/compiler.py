"""Owns the way from a bound rule to one parameterised SELECT."""

from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Exists, Select, UnaryExpression, and_, or_, select, true
from sqlalchemy.sql.operators import inv

from crm.filters.catalogue import Bound, BoundLeaf, RuleContext, Subject

Condition: TypeAlias = ColumnElement[bool]


def condition(bound: Bound, context: RuleContext, subject: Subject) -> Condition:
    """The rule as a condition on the subject's rows.

    Negations are pushed down to the conditions first, so that PostgreSQL sees NOT EXISTS (an anti join) rather than a
    negated group of subqueries. Names come from the catalogue only, values are bind parameters.
    """
    return _compile(bound, context, subject, denied=False)


def select_ids(bound: Bound, context: RuleContext, subject: Subject, *conditions: Condition) -> Select[UUID]:
    """The ids of the subjects of the workspace that exist, fulfil the rule and the further conditions; no order."""
    return select(subject.id).where(
        subject.workspace == context.workspace_id, *subject.alive, *conditions, condition(bound, context, subject)
    )


def _compile(bound: Bound, context: RuleContext, subject: Subject, *, denied: bool) -> Condition:
    if isinstance(bound, BoundLeaf):
        positive = bound.field.compile(bound.ask(context, subject))
        return _deny(positive) if bound.denied != denied else positive
    denied = denied != bound.denied
    children = [_compile(child, context, subject, denied=denied) for child in bound.children]
    # Not all of them = at least one of them not (De Morgan), and the other way round.
    if bound.every != denied:
        return and_(true(), *children)
    return or_(*children) if children else ~true()


def _deny(positive: Condition) -> Condition:
    """The opposite of a condition; what is unknown (NULL) counts as not holding, so its denial holds."""
    if isinstance(positive, Exists):
        return ~positive
    if isinstance(positive, UnaryExpression) and positive.operator is inv:
        element: Any = positive.element
        return element
    return positive.is_not(true())
